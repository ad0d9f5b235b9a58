package connections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

const (
	// journalEvery is how often an app's journal is read; it has a generous limit
	// of its own. After a failure it waits longer, and for long where the app may
	// not read it at all.
	journalEvery      = 30 * time.Second
	journalAfterError = 2 * time.Minute
	journalRefused    = time.Hour
	// journalLease is how long one process may take for a turn.
	journalLease = 2 * time.Minute
	// journalEntries bounds a turn.
	journalEntries = 100
	// sweepEvery is how long a token may lie about after its time.
	sweepEvery = time.Minute
)

// Watch does, until ctx ends, what no call asks for. It reads the journals of all
// apps: there, and nowhere else, HubSpot tells that an account has uninstalled an
// app. (One that may not read its journal loses nothing by it: the next refresh
// of its tokens is refused.) It deletes tokens whose time is over, and ends at
// HubSpot what was ended here. Any number of processes may do it at once.
func (s *Service) Watch(ctx context.Context, failed func(error)) {
	var swept time.Time
	for ctx.Err() == nil {
		if time.Since(swept) > sweepEvery {
			if err := errors.Join(s.store.SweepTokens(ctx), s.FinishRevocations(ctx)); err != nil && ctx.Err() == nil {
				failed(err)
			}
			swept = time.Now()
		}
		worked, err := s.ReadJournal(ctx)
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// FinishRevocations ends at HubSpot what was disconnected while HubSpot could not
// be reached: a leaver's grant, say. It does some; what fails is tried again the
// next time.
func (s *Service) FinishRevocations(ctx context.Context) error {
	open, err := s.store.UnfinishedRevocations(ctx, 20)
	if err != nil {
		return err
	}
	var failures error
	for _, c := range open {
		if err := s.store.DropGrant(ctx, c.OrganizationID, c.ID, store.Actor{Name: "debrief"}, s.revoke); err != nil {
			failures = errors.Join(failures, fmt.Errorf("revoking connection %s at HubSpot: %w", c.ID, err))
		}
	}
	return failures
}

// ReadJournal reads the journal of the app that is due longest, and says whether
// one was.
func (s *Service) ReadJournal(ctx context.Context) (bool, error) {
	j, err := s.store.ClaimJournal(ctx, journalLease)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, journalLease)
	defer cancel()
	offset, err := s.readJournal(ctx, j)
	next, problem := journalEvery, ""
	var refusal *hubspot.OAuthError
	switch {
	case err == nil:
	case errors.As(err, &refusal) && !refusal.Transient(), errors.Is(err, hubspot.ErrMissingScopes):
		next, problem, err = journalRefused, "HubSpot does not let this app read the journal: an uninstall is noticed at the next refresh", nil
	default:
		next, problem = journalAfterError, "HubSpot's journal could not be read; it is tried again"
	}
	saved := s.store.SaveJournal(context.WithoutCancel(ctx), j.App.ID, offset, next, problem)
	return true, errors.Join(err, saved)
}

// readJournal returns the offset up to which everything was dealt with.
func (s *Service) readJournal(ctx context.Context, j store.AppJournal) (offset string, err error) {
	offset = j.Offset
	token, err := withTimeout(ctx, func(ctx context.Context) (hubspot.Token, error) {
		return s.oauth(j.App, j.ClientSecret).ClientCredentials(ctx, hubspot.JournalScopes())
	})
	if err != nil {
		return offset, fmt.Errorf("getting the token of app %s: %w", j.App.ID, err)
	}
	client := s.hubspot(token.AccessToken)
	if offset == "" {
		if err := client.SubscribeLifecycle(ctx, hubspot.AppUninstalled); err != nil && !errors.Is(err, hubspot.ErrConflict) {
			return offset, fmt.Errorf("subscribing to uninstalls of app %s: %w", j.App.ID, err)
		}
	}
	for range journalEntries {
		entry, found, err := client.NextJournalEntry(ctx, offset)
		if err != nil || !found {
			return offset, err
		}
		events, err := client.JournalEvents(ctx, entry)
		if err != nil {
			return offset, fmt.Errorf("reading the journal of app %s: %w", j.App.ID, err)
		}
		for _, e := range events {
			if e.Type != hubspot.LifecycleEvent || e.Action != hubspot.ActionUninstall {
				continue
			}
			if err := s.store.Uninstalled(ctx, j.App.ID, e.HubID, e.OccurredAt); err != nil {
				return offset, err
			}
		}
		offset = entry.Offset
	}
	return offset, nil
}
