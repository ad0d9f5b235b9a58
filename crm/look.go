package crm

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// sighting is what a look at HubSpot showed of a call whose answer was lost.
type sighting int

const (
	// uncertain: nothing certain can be said.
	uncertain sighting = iota
	// absent: it has not happened; after LateCommit it will not.
	absent
	// there: it happened.
	there
	// repeatable: it has not happened, and if it still does, HubSpot refuses the
	// second one.
	repeatable
	// foreign: the record is there, and somebody else made it.
	foreign
)

const (
	// clockSkew is how far HubSpot's clock may be behind ours.
	clockSkew = 2 * time.Minute
	// mostSimilar bounds how many of a record's links are read to find a lost
	// one: one page of associations.
	mostSimilar = 500
	// autoCompanyWait is how long an account may take to make a company from a
	// new contact's address: some seconds, by all reports; nobody documents it.
	autoCompanyWait = time.Minute
)

// look finds out what became of the open call. It settles the action if it can;
// else, as long as HubSpot may still be working on the call, it fails with a
// RetryError. Not settled and no error means: certainly not done, it may be sent
// again.
func (w *writer) look(ctx context.Context) (WriteResult, bool, error) {
	if sabotage.Is(sabotage.WriteAgain) {
		return WriteResult{}, false, nil
	}
	var seen sighting
	var recordID string
	var err error
	switch w.Action.Tool.Operation {
	case policy.Update:
		seen, recordID, err = w.lookForUpdate(ctx)
	case policy.Archive:
		seen, recordID, err = w.lookForArchive(ctx)
	default:
		seen, recordID, err = w.lookForCreate(ctx)
	}
	switch {
	case refused(err):
		seen = uncertain // nobody lets us look
	case err != nil:
		return WriteResult{}, false, retry(err)
	}
	found := foundAfterwards()
	switch {
	case seen == there:
		result, err := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: recordID, Call: found})
		return result, true, err
	case seen == foreign:
		result, err := w.adopt(ctx, recordID, "HubSpot has the "+w.object()+" by now")
		return result, true, err
	case seen == repeatable:
		return WriteResult{}, false, nil
	case w.remaining() > 0:
		return WriteResult{}, false, w.later()
	case seen == absent:
		return WriteResult{}, false, nil
	default:
		reason := "it was sent, its answer was lost, and nothing in HubSpot tells whether it happened"
		result, err := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionUnknown, Reason: reason, Call: store.CallResult{Outcome: store.Unknown}})
		return result, true, err
	}
}

// remaining is how long HubSpot may still be working on the open call: it may
// have been sent as late as the call's timeout let it.
func (w *writer) remaining() time.Duration {
	return w.gate.callTimeout + w.gate.lateCommit - time.Since(w.since)
}

func (w *writer) later() error {
	return &RetryError{After: max(w.remaining(), time.Millisecond), Reason: "its answer was lost; HubSpot may still be working on it"}
}

// lookForUpdate: the record shows whether it was changed. Sending the same
// values again does no harm.
func (w *writer) lookForUpdate(ctx context.Context) (sighting, string, error) {
	names := slices.Sorted(maps.Keys(w.Properties))
	record, err := w.read(ctx, w.TargetID, names, "looking whether the change was made")
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		return absent, "", nil // sending it again will say so
	case err != nil:
		return uncertain, "", err
	case sameProperties(record.Properties, w.Properties):
		return there, record.ID, nil // another ID, if it was merged
	default:
		return absent, "", nil
	}
}

func (w *writer) lookForCreate(ctx context.Context) (sighting, string, error) {
	if w.Properties[store.KeyProperty] != "" {
		seen, id, err := w.lookByKey(ctx)
		if !refused(err) {
			return seen, id, err
		}
		// The property is gone.
		w.reader().notKeyed(w.object())
	}
	if email := w.Properties["email"]; w.object() == "contact" && email != "" {
		return w.lookByEmail(ctx, email)
	}
	seen, id, err := w.lookByLinks(ctx)
	if err != nil || seen != uncertain {
		return seen, id, err
	}
	if domain := w.Properties["domain"]; w.object() == "company" && domain != "" {
		return w.lookByDomain(ctx, domain)
	}
	return uncertain, "", nil
}

// lookByEmail is certain: HubSpot keeps addresses unique. A second create would
// name the record.
func (w *writer) lookByEmail(ctx context.Context, email string) (sighting, string, error) {
	record, err := w.readBy(ctx, "email", email, w.sentNames(), "looking whether the contact was created")
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		return absent, "", nil
	case err != nil:
		return uncertain, "", err
	case w.madeSince(record) && sameProperties(record.Properties, w.Properties):
		return there, record.ID, nil
	default:
		return foreign, record.ID, nil
	}
}

// lookByLinks reads what is linked to one of the records that the create was
// linked to.
func (w *writer) lookByLinks(ctx context.Context) (sighting, string, error) {
	anchors := slices.Clone(w.Associations)
	// Few things are linked to a deal, many to a company.
	order := []string{"deal", "ticket", "contact"}
	rank := func(ref store.AssociationRef) int {
		if i := slices.Index(order, ref.Object); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(anchors, func(a, b store.AssociationRef) int { return cmp.Compare(rank(a), rank(b)) })
	for _, anchor := range anchors {
		ids, whole, err := w.linked(ctx, anchor)
		if errors.Is(err, hubspot.ErrNotFound) {
			// Archived: another one may do. Merged: its links went along.
			if anchor.RecordID, err = w.follow(ctx, anchor); err == nil && anchor.RecordID != "" {
				ids, whole, err = w.linked(ctx, anchor)
			}
		}
		if err != nil {
			return uncertain, "", err
		}
		if !whole {
			continue
		}
		return w.among(ctx, ids)
	}
	return uncertain, "", nil
}

// follow is the ID that a record to be linked has by now: another one if it was
// merged, none if it is archived or gone.
func (w *writer) follow(ctx context.Context, ref store.AssociationRef) (string, error) {
	var record hubspot.Record
	err := w.own(ctx, nil, "seeing what became of "+ref.Object+" "+word(ref.RecordID), func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		record, err = c.Get(ctx, hubspot.Plural(ref.Object), ref.RecordID, hubspot.GetOptions{})
		return record.ID, err
	})
	if errors.Is(err, hubspot.ErrNotFound) {
		return "", nil
	}
	return record.ID, err
}

// linked lists the records of the action's type that are linked to another one,
// if all of them could be read.
func (w *writer) linked(ctx context.Context, anchor store.AssociationRef) (ids []string, whole bool, err error) {
	var page hubspot.AssociationPage
	reason := "looking among what is linked to " + anchor.Object + " " + word(anchor.RecordID)
	err = w.own(ctx, nil, reason, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		page, err = c.ListAssociations(ctx, hubspot.Plural(anchor.Object), anchor.RecordID, hubspot.Plural(w.object()), "")
		return "", err
	})
	if err != nil {
		return nil, false, err
	}
	for _, r := range page.Records {
		ids = append(ids, r.ID)
	}
	return ids, page.After == "" && len(ids) <= mostSimilar, nil
}

// among finds the created record among some of its type.
func (w *writer) among(ctx context.Context, ids []string) (sighting, string, error) {
	known, err := w.gate.store.RecordsOfOthers(ctx, w.Action, ids)
	if err != nil {
		return uncertain, "", err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(known, id) })
	var found []string
	similar := false
	for chunk := range slices.Chunk(ids, hubspot.MaxBatch) {
		var read hubspot.BatchReadResult
		err := w.own(ctx, w.sentNames(), "looking whether the "+w.object()+" was created", func(ctx context.Context, c *hubspot.Client) (string, error) {
			var err error
			read, err = c.BatchRead(ctx, hubspot.Plural(w.object()), hubspot.BatchReadInput{IDs: chunk, Properties: w.sentNames()})
			return recordIDs(read.Records), err
		})
		if err != nil {
			return uncertain, "", err
		}
		for _, record := range read.Records {
			recent, equal := w.madeSince(record), sameProperties(record.Properties, w.Properties)
			switch {
			case recent && equal:
				found = append(found, record.ID)
			case recent, equal:
				similar = true
			}
		}
	}
	switch {
	case len(found) == 1:
		return there, found[0], nil
	case len(found) == 0 && !similar:
		return absent, "", nil
	default:
		// Made since, and not quite what was sent: HubSpot may have rewritten a
		// value, or somebody else made it. Or just what was sent, and made before:
		// a clock may be wrong.
		return uncertain, "", nil
	}
}

// lookByDomain asks the search index, which lags: what it does not show may be
// there all the same.
func (w *writer) lookByDomain(ctx context.Context, domain string) (sighting, string, error) {
	found, err := w.searchDomain(ctx, domain, "looking whether the company was created")
	if err != nil {
		return uncertain, "", err
	}
	var ours []string
	for _, record := range found {
		if w.madeSince(record) && sameProperties(record.Properties, w.Properties) {
			ours = append(ours, record.ID)
		}
	}
	if len(ours) == 1 {
		return there, ours[0], nil
	}
	return uncertain, "", nil
}

// existing looks for a company that got there since the plan was made: HubSpot
// would take a second one with the same domain without a word. done says that the
// result is the answer to the attempt.
func (w *writer) existing(ctx context.Context, looked int64) (result WriteResult, done bool, err error) {
	domain, ok := strings.CutPrefix(w.NaturalKey, "domain:")
	if !ok || w.object() != "company" {
		return WriteResult{}, false, nil
	}
	found, err := w.companies(ctx, domain)
	switch {
	case refused(err):
		return WriteResult{}, false, nil // who may not look may still create
	case err != nil:
		return WriteResult{}, false, retry(err)
	case len(found) == 0, len(found) > 1 && w.insisted():
		return WriteResult{}, false, nil
	case looked != 0 && w.remaining() > 0:
		// Ours may still come, and then it is the action's.
		return WriteResult{}, true, w.later()
	case len(found) == 1:
		result, err = w.adopt(ctx, found[0], "HubSpot has the company by now")
	default:
		result, err = w.ask(ctx, looked, "several companies in HubSpot have the domain by now", nil)
	}
	return result, true, err
}

// companies are those of a domain: by the search index, which lags, and by the
// links of its contacts, which don't. Where the account may be about to make one
// from a contact of ours, it fails with a RetryError: two would be the end of it.
func (w *writer) companies(ctx context.Context, domain string) ([]string, error) {
	found, err := w.searchDomain(ctx, domain, "seeing whether the company is there by now")
	if err != nil || len(found) > 0 {
		var ids []string
		for _, record := range found {
			ids = append(ids, record.ID)
		}
		return ids, err
	}
	ours, err := w.gate.store.DomainContacts(ctx, w.HubID, domain)
	if err != nil {
		return nil, err
	}
	contacts := ours.RecordIDs
	for _, ref := range w.Associations {
		if ref.Object == "contact" && !slices.Contains(contacts, ref.RecordID) {
			contacts = append(contacts, ref.RecordID)
		}
	}
	ids, err := w.companiesOf(ctx, contacts, domain)
	if len(ids) > 0 || err != nil && !refused(err) {
		return ids, err
	}
	const reason = "HubSpot may be making the company of a contact that was just created"
	if ours.Creating {
		return nil, &RetryError{After: 2 * time.Second, Reason: reason}
	}
	if wait := autoCompanyWait - ours.Quiet; wait > 0 {
		return nil, &RetryError{After: wait, Reason: reason}
	}
	return nil, nil
}

// companiesOf are the companies of a domain that contacts are linked with.
func (w *writer) companiesOf(ctx context.Context, contactIDs []string, domain string) ([]string, error) {
	if len(contactIDs) == 0 {
		return nil, nil
	}
	if len(contactIDs) > hubspot.MaxAssociationReads {
		contactIDs = contactIDs[:hubspot.MaxAssociationReads]
	}
	var links hubspot.AssociationsRead
	err := w.own(ctx, nil, "seeing with which companies contacts of the domain are linked", func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		links, err = c.BatchReadAssociations(ctx, hubspot.Contacts, hubspot.Companies, contactIDs)
		return joinIDs(contactIDs), err
	})
	if err != nil {
		return nil, err
	}
	var linked []string
	for _, records := range links.Records {
		for _, r := range records {
			if !slices.Contains(linked, r.ID) {
				linked = append(linked, r.ID)
			}
		}
	}
	slices.Sort(linked) // a map's order is none
	var found []string
	for chunk := range slices.Chunk(linked, hubspot.MaxBatch) {
		var read hubspot.BatchReadResult
		err := w.own(ctx, []string{"domain"}, "seeing whether one of them is the company", func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
			read, err = c.BatchRead(ctx, hubspot.Companies, hubspot.BatchReadInput{IDs: chunk, Properties: []string{"domain"}})
			return recordIDs(read.Records), err
		})
		if err != nil {
			return nil, err
		}
		for _, record := range read.Records {
			if strings.EqualFold(record.Properties["domain"], domain) && !slices.Contains(found, record.ID) {
				found = append(found, record.ID)
			}
		}
	}
	return found, nil
}

func (w *writer) searchDomain(ctx context.Context, domain, reason string) ([]hubspot.Record, error) {
	var found hubspot.SearchResult
	err := w.own(ctx, w.sentNames(), reason, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		found, err = c.Search(ctx, hubspot.Companies, hubspot.SearchRequest{
			FilterGroups: []hubspot.FilterGroup{{Filters: []hubspot.Filter{{PropertyName: "domain", Operator: hubspot.Equal, Value: domain}}}},
			Properties:   w.sentNames(),
			Limit:        10,
		})
		return recordIDs(found.Records), err
	})
	return found.Records, err
}

// sentNames are the properties that were sent. The key is none of the record's:
// it says who made it, not what it is.
func (w *writer) sentNames() []string {
	names := slices.Sorted(maps.Keys(w.Properties))
	return slices.DeleteFunc(names, func(name string) bool { return name == store.KeyProperty })
}

func (w *writer) madeSince(r hubspot.Record) bool {
	return r.CreatedAt.After(w.AttemptedAt.Add(-clockSkew))
}

// sameProperties says that a record has every value that was sent, but for the key.
func sameProperties(current, sent map[string]string) bool {
	for name, value := range sent {
		if name != store.KeyProperty && !SameValue(current[name], value) {
			return false
		}
	}
	return true
}
