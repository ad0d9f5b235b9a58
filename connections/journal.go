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
	// resubscribe is how often each account is asked for anew, should HubSpot have
	// forgotten.
	resubscribe = 24 * time.Hour
	// journalAccounts bounds the accounts that are subscribed to in a turn: HubSpot
	// takes 50 such calls a second, and each account needs eleven.
	journalAccounts = 4
	// sweepEvery is how long a token may lie about after its time.
	sweepEvery = time.Minute
)

// Watch does, until ctx ends, what no call asks for. It reads the journals of all
// apps: there, and nowhere else, HubSpot tells that an account has uninstalled an
// app; and there stands what happened to records while no webhook could be
// delivered. (Without its journal an app notices an uninstall when the next refresh
// of its tokens is refused.) It deletes tokens whose time is over, completes the trail of
// processes that died, and ends at HubSpot what was ended here. Any number of processes may do it at once.
func (s *Service) Watch(ctx context.Context, failed func(error)) {
	var swept time.Time
	for ctx.Err() == nil {
		if time.Since(swept) > sweepEvery {
			if err := errors.Join(s.store.SweepTokens(ctx), s.store.SweepCalls(ctx), s.FinishRevocations(ctx)); err != nil && ctx.Err() == nil {
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
	r := journalReader{service: s, app: j.App, at: j.JournalPosition}
	err = r.read(ctx, j.ClientSecret)
	next := journalEvery
	var refusal *hubspot.OAuthError
	switch {
	case err == nil:
	case errors.As(err, &refusal) && !refusal.Transient(), errors.Is(err, hubspot.ErrMissingScopes):
		next, err = journalRefused, nil
		r.problem = "HubSpot does not let this app read the journal: an uninstall is noticed at the next refresh, and what webhooks can't deliver for a day is missed"
	default:
		next, r.problem = journalAfterError, "HubSpot's journal could not be read; it is tried again"
	}
	saved := s.store.SaveJournal(context.WithoutCancel(ctx), j.App.ID, r.at, next, r.problem)
	return true, errors.Join(err, saved)
}

// journalReader is one turn at the journal of one app.
type journalReader struct {
	service *Service
	app     store.App
	client  *hubspot.Client
	// records: the token may see those of accounts, too.
	records bool
	// at is up to where everything was dealt with.
	at store.JournalPosition
	// problem is what the journal does not tell.
	problem string
}

func (r *journalReader) read(ctx context.Context, secret store.Secret) error {
	if err := r.signIn(ctx, secret); err != nil {
		return fmt.Errorf("getting the token of app %s: %w", r.app.ID, err)
	}
	if err := r.subscribe(ctx); err != nil {
		return err
	}
	if err := r.notice(ctx); err != nil {
		return err
	}
	for range journalEntries {
		entry, found, err := r.client.NextJournalEntry(ctx, r.at.Offset)
		if err != nil {
			return err
		}
		if !found {
			r.at.ReadAt = r.now()
			return nil
		}
		file, err := r.client.JournalFile(ctx, entry)
		if err != nil {
			return fmt.Errorf("reading the journal of app %s: %w", r.app.ID, err)
		}
		if err := r.dealWith(ctx, file); err != nil {
			return err
		}
		r.at.Offset, r.at.OffsetAt = entry.Offset, file.PublishedAt
		if r.at.OffsetAt.IsZero() {
			r.at.OffsetAt = r.now()
		}
	}
	return nil
}

func (r *journalReader) now() time.Time { return r.service.options.Now() }

// signIn gets the app's own token: for uninstalls and for records or, where HubSpot
// does not give that, for uninstalls alone.
func (r *journalReader) signIn(ctx context.Context, secret store.Secret) error {
	get := func(scopes []string) (hubspot.Token, error) {
		return withTimeout(ctx, func(ctx context.Context) (hubspot.Token, error) {
			return r.service.oauth(r.app, secret).ClientCredentials(ctx, scopes)
		})
	}
	token, err := get(append(hubspot.JournalScopes(), recordScopes()...))
	r.records = err == nil
	var refusal *hubspot.OAuthError
	if errors.As(err, &refusal) && !refusal.Transient() {
		r.problem = "HubSpot does not let this app's journal tell of records: what webhooks can't deliver for a day is missed"
		token, err = get(hubspot.JournalScopes())
	}
	r.client = r.service.hubspot(token.AccessToken)
	return err
}

// recordScopes are those to read the records that the journal tells of.
func recordScopes() []string {
	return []string{"crm.objects.contacts.read", "crm.objects.companies.read", "crm.objects.deals.read", "tickets"}
}

// subscribe has the journal tell of uninstalls, and of what happens in the accounts
// that are connected by the app: of one that was just connected, or connected
// again, and of each once a day.
func (r *journalReader) subscribe(ctx context.Context) error {
	if r.at.Offset == "" {
		if err := r.client.SubscribeLifecycle(ctx, hubspot.AppUninstalled); err != nil && !errors.Is(err, hubspot.ErrConflict) {
			return fmt.Errorf("subscribing to uninstalls of app %s: %w", r.app.ID, err)
		}
	}
	if !r.records {
		return nil
	}
	accounts, err := r.service.store.JournalAccounts(ctx, r.app.ID, resubscribe, journalAccounts)
	if err != nil {
		return err
	}
	for _, hubID := range accounts {
		problem := ""
		for _, subscription := range journalSubscriptions(hubID) {
			err := r.client.SubscribeJournal(ctx, subscription)
			switch {
			case err == nil, errors.Is(err, hubspot.ErrConflict):
			case errors.Is(err, hubspot.ErrMissingScopes), errors.Is(err, hubspot.ErrValidation):
				// Of this account, or of this type: it must not keep the rest from
				// being read.
				problem = fmt.Sprintf("HubSpot does not let the journal tell of all records of account %d: what webhooks can't deliver for a day is missed", hubID)
			case errors.Is(err, hubspot.ErrRateLimited):
				return nil // the next turn goes on; what is subscribed to is read now
			default:
				return fmt.Errorf("subscribing to account %d by app %s: %w", hubID, r.app.ID, err)
			}
		}
		if err := r.service.store.JournalSubscribed(ctx, r.app.ID, hubID, problem); err != nil {
			return err
		}
	}
	return nil
}

// notice finds out whether HubSpot has forgotten what was not read yet. What it
// still has then is read from its beginning.
func (r *journalReader) notice(ctx context.Context) error {
	if r.at.Offset == "" || r.now().Sub(r.at.OffsetAt) < hubspot.JournalKeeps {
		return nil
	}
	if !r.at.ReadAt.IsZero() && r.now().Sub(r.at.ReadAt) > hubspot.JournalKeeps {
		if err := r.service.store.JournalMissed(ctx, r.app, r.at.ReadAt, r.now()); err != nil {
			return err
		}
	}
	// The entry that the position names is gone, and HubSpot finds nothing after it.
	r.at = store.JournalPosition{ReadAt: r.at.ReadAt}
	return nil
}

func (r *journalReader) dealWith(ctx context.Context, file hubspot.JournalFile) error {
	var changes []hubspot.WebhookEvent
	for _, e := range file.Events {
		changes = append(changes, e.Changes...)
		if e.Type != hubspot.LifecycleEvent || e.Action != hubspot.ActionUninstall {
			continue
		}
		if err := r.service.store.Uninstalled(ctx, r.app.ID, e.HubID, e.OccurredAt); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	_, err := r.service.store.JournalCRM(ctx, r.app, changes)
	return err
}

// journalTypes are the records that the journal tells of, with the properties whose
// changes concern a follow-up: those that webhooks are subscribed to
// (hubspot-projects).
var journalTypes = []struct {
	typeID     string
	properties []string
}{
	{"0-1", []string{"email", "firstname", "lastname", "jobtitle", "company", "lifecyclestage", "hubspot_owner_id"}},
	{"0-2", []string{"name", "domain", "lifecyclestage", "hubspot_owner_id"}},
	{"0-3", []string{"dealname", "pipeline", "dealstage", "amount", "closedate", "hubspot_owner_id"}},
	{"0-5", []string{"subject", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id"}},
	{"0-47", []string{"hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hs_internal_meeting_notes", "hubspot_owner_id"}},
}

func journalSubscriptions(hubID int64) []hubspot.JournalSubscription {
	all := []hubspot.JournalSubscription{{Type: hubspot.JournalPrivacyDeletions, HubID: hubID, ObjectTypeID: "0-1"}}
	for _, t := range journalTypes {
		var others []string
		for _, other := range journalTypes {
			if other.typeID != t.typeID {
				others = append(others, other.typeID)
			}
		}
		all = append(all,
			hubspot.JournalSubscription{Type: hubspot.JournalObjects, HubID: hubID, ObjectTypeID: t.typeID, Properties: append([]string{"hs_merged_object_ids"}, t.properties...)},
			hubspot.JournalSubscription{Type: hubspot.JournalAssociations, HubID: hubID, ObjectTypeID: t.typeID, AssociatedTypeIDs: others})
	}
	return all
}
