package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Shadow compares what was planned in shadow with what people entered by
// themselves. It reads HubSpot as everything does, through the gate as read tools;
// what those may not read is not compared. It writes nothing.
type Shadow struct {
	Store *store.Store
	Gate  *crm.Gate
	// Actor is who wants to know, for the trail.
	Actor store.Actor
}

const (
	// enteredBefore is how long before its plan somebody may have entered a deal or
	// a ticket: during the meeting, say.
	enteredBefore = 24 * time.Hour
	// mostLinked bounds among how many records of a contact or company a new one is
	// looked for.
	mostLinked = hubspot.MaxBatch
	// mostTries is how often a call is made that HubSpot wants later.
	mostTries = 5
)

// Report compares what was planned since a time with what HubSpot has now. What
// somebody entered and took back since is not seen.
func (s *Shadow) Report(ctx context.Context, organizationID uuid.UUID, since time.Time) (store.ShadowReport, error) {
	actions, cut, err := s.Store.ShadowActions(ctx, organizationID, since)
	if err != nil {
		return store.ShadowReport{}, err
	}
	report := store.ShadowReport{Since: since, Until: time.Now(), Cut: cut, Tools: map[policy.Tool]store.ShadowCounts{}, Lines: []store.ShadowLine{}}
	c := comparison{shadow: s, actions: actions, found: map[foundKey]string{}}
	lines := make([]store.ShadowLine, len(actions))
	// Contacts and companies first: deals and tickets are looked for among theirs.
	for _, later := range []bool{false, true} {
		for i, a := range actions {
			if later != slices.Contains([]string{"deal", "ticket"}, a.Tool.Object) {
				continue
			}
			if lines[i], err = c.line(ctx, a); err != nil {
				return store.ShadowReport{}, fmt.Errorf("comparing action %s: %w", a.ID, err)
			}
		}
	}
	for _, line := range lines {
		report.Add(line)
	}
	return report, nil
}

// comparison is one report in the making.
type comparison struct {
	shadow  *Shadow
	actions []store.Action
	// found are the records that stand for planned creates.
	found map[foundKey]string
}

type foundKey struct {
	meeting uuid.UUID
	key     string
}

// notCompared is why something is not compared: a sentence.
type notCompared string

func (n notCompared) Error() string { return string(n) }

func (c *comparison) line(ctx context.Context, a store.Action) (store.ShadowLine, error) {
	line := store.ShadowLine{ActionID: a.ID, MeetingID: a.Origin.ID, Tool: a.Tool}
	var why notCompared
	err := c.compare(ctx, a, &line)
	switch {
	case errors.As(err, &why):
		line.Outcome, line.Why = store.ShadowNotCompared, string(why)
		return line, nil
	case errors.Is(err, policy.ErrDenied):
		line.Outcome, line.Why = store.ShadowNotCompared, "Debrief may not read it"
		return line, nil
	}
	return line, err
}

func (c *comparison) compare(ctx context.Context, a store.Action, line *store.ShadowLine) error {
	switch {
	case a.Content.Properties == nil:
		return notCompared("what was said is erased")
	case a.ConnectionID == nil:
		return notCompared("its connection is gone")
	case a.Tool.Object == "note" || a.Tool.Object == "task" || a.Tool.Object == "meeting":
		return notCompared("HubSpot can't tell which " + a.Tool.Object + " somebody wrote in its place")
	}
	reader := c.shadow.Gate.Reader(crm.Scope{
		OrganizationID: a.OrganizationID, ConnectionID: *a.ConnectionID, Origin: a.Origin, Actor: c.shadow.Actor,
	})
	var record *hubspot.Record
	var err error
	switch {
	case a.Tool.Operation == policy.Update && a.TargetID != "":
		return c.update(ctx, reader, a, line)
	case a.Tool.Operation != policy.Create:
		return notCompared("which record is meant was to be asked")
	case strings.HasPrefix(a.Content.NaturalKey, "email:"):
		record, err = contactOf(ctx, reader, a, strings.TrimPrefix(a.Content.NaturalKey, "email:"))
	case strings.HasPrefix(a.Content.NaturalKey, "domain:"):
		record, err = companyOf(ctx, reader, a, strings.TrimPrefix(a.Content.NaturalKey, "domain:"))
	case a.Tool.Object == "deal" || a.Tool.Object == "ticket":
		record, err = c.linked(ctx, reader, a)
	default:
		return notCompared("nothing tells which record somebody made in its place")
	}
	if err != nil {
		return err
	}
	if record == nil {
		line.Outcome = store.ShadowNobody
		return nil
	}
	c.found[foundKey{a.Origin.ID, a.Key}] = record.ID
	line.RecordID, line.Outcome = record.ID, store.ShadowSame
	for _, name := range planned(a) {
		if value := a.Content.Properties[name]; value != "" && !alike(record.Properties[name], value) {
			line.Outcome = store.ShadowDifferent
			line.Properties = append(line.Properties, name)
		}
	}
	return nil
}

// update compares a record that was there with what it had before and should have.
func (c *comparison) update(ctx context.Context, reader *crm.Reader, a store.Action, line *store.ShadowLine) error {
	names := planned(a)
	if len(names) == 0 {
		return notCompared("it would only have linked records")
	}
	var record hubspot.Record
	err := patiently(ctx, func() (err error) {
		record, err = reader.Get(ctx, a.Tool.Object, a.TargetID, hubspot.GetOptions{Properties: names})
		return err
	})
	if errors.Is(err, hubspot.ErrNotFound) {
		return notCompared("the record is gone")
	}
	if err != nil {
		return err
	}
	line.RecordID = record.ID
	touched := false
	for _, name := range names {
		now := record.Properties[name]
		if alike(now, a.Content.Properties[name]) {
			touched = true
			continue
		}
		line.Properties = append(line.Properties, name)
		touched = touched || !alike(now, a.Content.Before[name])
	}
	switch {
	case len(line.Properties) == 0:
		line.Outcome = store.ShadowSame
	case touched:
		line.Outcome = store.ShadowDifferent
	default:
		line.Outcome, line.Properties = store.ShadowNobody, nil
	}
	return nil
}

// contactOf is the contact with an address, if there is one by now.
func contactOf(ctx context.Context, reader *crm.Reader, a store.Action, email string) (*hubspot.Record, error) {
	var record hubspot.Record
	err := patiently(ctx, func() (err error) {
		record, err = reader.Get(ctx, a.Tool.Object, email, hubspot.GetOptions{IDProperty: "email", Properties: planned(a)})
		return err
	})
	if errors.Is(err, hubspot.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &record, nil
}

// companyOf is the company with a domain, if there is one by now.
func companyOf(ctx context.Context, reader *crm.Reader, a store.Action, domain string) (*hubspot.Record, error) {
	var found hubspot.SearchResult
	err := patiently(ctx, func() (err error) {
		found, err = reader.Search(ctx, a.Tool.Object, hubspot.SearchRequest{
			FilterGroups: []hubspot.FilterGroup{{Filters: []hubspot.Filter{{PropertyName: "domain", Operator: hubspot.Equal, Value: domain}}}},
			Properties:   planned(a), Limit: 2,
		})
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(found.Records) == 0:
		return nil, nil
	case len(found.Records) > 1:
		return nil, notCompared("several companies have the domain by now")
	default:
		return &found.Records[0], nil
	}
}

// linked is the deal or ticket that somebody opened since, for one of those that the
// planned one would have been linked to.
func (c *comparison) linked(ctx context.Context, reader *crm.Reader, a store.Action) (*hubspot.Record, error) {
	var ids []string
	asked := false
	for _, object := range []string{"company", "contact"} {
		var anchors []string
		for _, ref := range a.Content.Associations {
			if id := c.recordOf(a, ref); ref.Object == object && id != "" {
				anchors = append(anchors, id)
			}
		}
		if len(anchors) == 0 {
			continue
		}
		asked = true
		var read hubspot.AssociationsRead
		err := patiently(ctx, func() (err error) {
			read, err = reader.BatchReadAssociations(ctx, object, a.Tool.Object, anchors)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, anchor := range anchors {
			for _, linked := range read.Records[anchor] {
				if !slices.Contains(ids, linked.ID) {
					ids = append(ids, linked.ID)
				}
			}
		}
	}
	switch {
	case !asked:
		return nil, notCompared("nobody entered the records that it belongs to")
	case len(ids) == 0:
		return nil, nil
	case len(ids) > mostLinked:
		return nil, notCompared("too much is linked to the records that it belongs to")
	}
	return openedSince(ctx, reader, a, ids)
}

// openedSince picks among linked records the one that was created since.
func openedSince(ctx context.Context, reader *crm.Reader, a store.Action, ids []string) (*hubspot.Record, error) {
	title := map[string]string{"deal": "dealname", "ticket": "subject"}[a.Tool.Object]
	var read hubspot.BatchReadResult
	err := patiently(ctx, func() (err error) {
		read, err = reader.BatchRead(ctx, a.Tool.Object, hubspot.BatchReadInput{IDs: ids, Properties: planned(a)})
		return err
	})
	if err != nil {
		return nil, err
	}
	var opened []hubspot.Record
	for _, r := range read.Records {
		if !r.CreatedAt.After(a.CreatedAt.Add(-enteredBefore)) {
			continue
		}
		if alike(r.Properties[title], a.Content.Properties[title]) {
			return &r, nil
		}
		opened = append(opened, r)
	}
	switch len(opened) {
	case 0:
		return nil, nil
	case 1:
		return &opened[0], nil
	default:
		return nil, notCompared("several were opened since, none under this name")
	}
}

// recordOf is the ID of a record that an action would be linked to: one that was
// there, or one that somebody entered in the place of another planned action.
func (c *comparison) recordOf(a store.Action, ref store.AssociationRef) string {
	if ref.RecordID != "" {
		return ref.RecordID
	}
	return c.found[foundKey{a.Origin.ID, ref.Key}]
}

// planned are the names of the properties that HubSpot knows.
func planned(a store.Action) []string {
	names := slices.Sorted(maps.Keys(a.Content.Properties))
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, store.QuestionPrefix) })
}

// alike says that two people would call two values the same.
func alike(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	return strings.EqualFold(a, b) || crm.SameValue(a, b)
}

// patiently makes a call again when HubSpot wants it later.
func patiently(ctx context.Context, call func() error) error {
	for tries := 1; ; tries++ {
		err := call()
		later, ok := errors.AsType[*crm.RetryError](err)
		if !ok || tries == mostTries {
			return err
		}
		timer := time.NewTimer(later.After)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
