package agents

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/policy"
)

// Await waits for a call that [Service.Begin] began to be over, or to ask somebody, for
// a while. That its caller was told is for [Service.HandOver] to note: where a caller
// waits for several, none is told before all are over.
func (s *Service) Await(ctx context.Context, c Caller, callID uuid.UUID) (Result, error) {
	call, err := s.options.Store.AwaitCall(ctx, c.OrganizationID, c.PersonID, callID, s.options.Wait)
	if err != nil {
		return Result{}, fmt.Errorf("waiting for a call: %w", err)
	}
	return s.result(call), nil
}

// HandOver notes that a call's caller was told its result, if it is over.
func (s *Service) HandOver(ctx context.Context, c Caller, callID uuid.UUID) error {
	call, err := s.options.Store.Call(ctx, c.OrganizationID, c.PersonID, callID)
	if err != nil {
		return err
	}
	return s.options.Store.HandOver(ctx, call)
}

// Reading reads by a reader of the gate's, where all of those tools may be used, or says
// who has to be asked: then nothing was read, and the same again, once approved, reads
// once. asked tells what is read from other reads.
func (s *Service) Reading(ctx context.Context, c Caller, tools []policy.Tool, label string, asked []any, do func(*crm.Reader) error) (waiting *Result, err error) {
	found, err := s.read(ctx, c, tools, label, asked, func(r *crm.Reader) (Found, error) { return Found{}, do(r) })
	return found.Waiting, err
}

// Permission says what is permitted for a caller, whatever is written.
func (s *Service) Permission(ctx context.Context, c Caller, tool policy.Tool) (policy.Permission, error) {
	_, decide, err := s.options.Store.CallerPolicy(ctx, c.OrganizationID, c.PersonID)
	if err != nil {
		return policy.Deny, err
	}
	return decide(tool.Canonical()).Permission, nil
}
