package main

import (
	"os"
	"time"

	"github.com/debriefhq/debrief/devstack/process"
)

// spent is the processor time that a part took, of all processors together. On a
// machine that others use, too, it tells more than the rate does.
type spent struct{ PostgreSQL, Receiver, Client time.Duration }

func (s spent) minus(t spent) spent {
	return spent{s.PostgreSQL - t.PostgreSQL, s.Receiver - t.Receiver, s.Client - t.Client}
}

func (s *spent) add(t spent) {
	s.PostgreSQL += t.PostgreSQL
	s.Receiver += t.Receiver
	s.Client += t.Client
}

// spentSoFar is by this program, by PostgreSQL and by the receiver, or by none
// where the system has no /proc.
func (b *bench) spentSoFar() spent {
	var s spent
	if b.serving != nil {
		s.Receiver = process.ProcessorTime(b.serving.Pid())
	}
	s.Client = process.ProcessorTime(os.Getpid())
	s.PostgreSQL = process.FamilyProcessorTime(b.Postgres.Pid())
	return s
}
