package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
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
		s.Receiver = processorTime(b.serving.Pid())
	}
	s.Client = processorTime(os.Getpid())
	others, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, path := range others {
		pid, _ := strconv.Atoi(filepath.Base(path))
		if fields := stat(pid); fields != nil && string(fields[1]) == strconv.Itoa(b.Postgres.Pid()) {
			s.PostgreSQL += processorTime(pid)
		}
	}
	// Last: what has ended meanwhile has been added to it.
	s.PostgreSQL += processorTime(b.Postgres.Pid())
	return s
}

// processorTime is what a process has used, with its children that have ended.
func processorTime(pid int) time.Duration {
	fields := stat(pid)
	if fields == nil {
		return 0
	}
	ticks := 0
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(string(field))
		ticks += n
	}
	// USER_HZ is 100 wherever Go runs on Linux.
	return time.Duration(ticks) * 10 * time.Millisecond
}

// stat is what follows the name in a process's stat file, its state first; nil
// where there is none (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
func stat(pid int) [][]byte {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 15 {
		return nil
	}
	return fields
}
