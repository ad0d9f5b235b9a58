package crm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Touched is what HubSpot shows of a record that Debrief created, beside what
// Debrief did to it.
type Touched struct {
	// Gone: it is archived or deleted.
	Gone bool
	// MergedInto is the record that it is part of now.
	MergedInto string
	// Changed are the names of properties that others changed.
	Changed []string
	// Links are the records that others linked it with, and those of Debrief's own
	// that stay.
	Links []store.AssociationRef
	// Elsewhere: another meeting uses it.
	Elsewhere bool
	// Hidden is why not all of that can be seen.
	Hidden string
}

// Why is the reason to leave the record, without personal data; empty if nobody
// touched it.
func (t Touched) Why() string {
	var why []string
	if t.MergedInto != "" {
		return "it was merged into " + word(t.MergedInto) + " in HubSpot"
	}
	if len(t.Changed) > 0 {
		why = append(why, "somebody changed it since: "+list(t.Changed))
	}
	if len(t.Links) > 0 {
		names := make([]string, 0, len(t.Links))
		for _, l := range t.Links {
			names = append(names, strings.TrimSpace(l.Object+" "+word(l.RecordID)))
		}
		why = append(why, "it is linked with what stays: "+list(names))
	}
	if t.Elsewhere {
		why = append(why, "another meeting uses it")
	}
	if t.Hidden != "" {
		why = append(why, t.Hidden)
	}
	return strings.Join(why, "; ")
}

// Touched compares a record that Debrief created for a meeting with what HubSpot
// shows of it now. going are the records, as "object/ID", that go with it.
func (r *Reader) Touched(ctx context.Context, object, id string, going map[string]bool) (Touched, error) {
	made, err := r.gate.store.MadeOf(ctx, r.scope.OrganizationID, r.scope.Origin.ID, object, id)
	if err != nil {
		return Touched{}, err
	}
	maps.Copy(made.Going, going)
	v := viewer{reader: r, object: object, read: func(ctx context.Context, properties []string, what string, call recordCall) error {
		return r.read(ctx, what, properties, []policy.Tool{readTool(object)}, call)
	}}
	return v.touched(ctx, id, made)
}

type recordCall = func(context.Context, *hubspot.Client) (recordID string, err error)

// viewer reads one record, whoever wants to know.
type viewer struct {
	reader *Reader
	object string
	read   func(ctx context.Context, properties []string, what string, call recordCall) error
}

// around are the types that a record is looked for links with. Custom objects are
// not among them: their links go unseen.
var around = []string{hubspot.Contacts, hubspot.Companies, hubspot.Deals, hubspot.Tickets}

// activity are the types of what stands on a record's timeline.
var activity = []string{hubspot.Notes, hubspot.Tasks, hubspot.Meetings, hubspot.Calls, hubspot.Emails}

func (v viewer) touched(ctx context.Context, id string, made store.Made) (Touched, error) {
	t := Touched{Elsewhere: made.UsedElsewhere}
	ends := around
	if !slices.Contains(activity, hubspot.Plural(v.object)) {
		ends = append(slices.Clone(around), activity...)
	}
	var record hubspot.Record
	err := v.read(ctx, slices.Sorted(maps.Keys(made.Sent)), "reading the record before archiving it", func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		record, err = c.Get(ctx, hubspot.Plural(v.object), id, hubspot.GetOptions{Properties: slices.Sorted(maps.Keys(made.Sent)), Associations: ends})
		return record.ID, err
	})
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		t.Gone = true
		return t, nil
	case errors.Is(err, hubspot.ErrMissingScopes):
		t.Hidden = "what is linked with it can't be seen: " + whyRefused(err)
		return t, nil
	case err != nil:
		return Touched{}, err
	case record.ID != id:
		t.MergedInto = record.ID
		return t, nil
	}
	t.Links = foreignLinks(record, made)
	names, err := v.reader.changeable(ctx, v.object)
	if err != nil {
		return Touched{}, err
	}
	var read hubspot.BatchReadResult
	err = v.read(ctx, nil, "reading who changed the record", func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		read, err = c.BatchRead(ctx, hubspot.Plural(v.object), hubspot.BatchReadInput{IDs: []string{id}, PropertiesWithHistory: names})
		return id, err
	})
	switch {
	case err != nil:
		return Touched{}, err
	case len(read.Records) != 1 || read.Records[0].ID != id:
		return Touched{}, &RetryError{After: time.Second, Reason: "the record is changing in HubSpot"}
	}
	t.Changed = foreignChanges(read.Records[0], made.Sent)
	return t, nil
}

// foreignLinks are those that are not Debrief's own. A list that is cut may hide
// one.
func foreignLinks(record hubspot.Record, made store.Made) []store.AssociationRef {
	var links []store.AssociationRef
	for _, name := range slices.Sorted(maps.Keys(record.Associations)) {
		object := hubspot.Singular(name)
		for _, end := range record.Associations[name] {
			ref := store.AssociationRef{Object: object, RecordID: end.ID}
			if !made.Own(object, end.ID) && !slices.Contains(links, ref) {
				links = append(links, ref)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(record.MoreAssociations)) {
		links = append(links, store.AssociationRef{Object: "many " + name})
	}
	return links
}

// settling is how long after a create HubSpot may still be setting defaults.
const settling = 10 * time.Second

// foreignChanges are the properties that others changed: one that was sent and
// has another value, and one that was not sent and was set by a person, or later
// than the record was made. Values that HubSpot computes are nobody's.
func foreignChanges(record hubspot.Record, sent map[string]string) []string {
	var changed []string
	for name, value := range sent {
		if !SameValue(record.Properties[name], value) {
			changed = append(changed, name)
		}
	}
	for name, versions := range record.History {
		if _, ours := sent[name]; ours || name == store.KeyProperty {
			continue
		}
		if slices.ContainsFunc(versions, func(v hubspot.PropertyVersion) bool { return byOthers(v, record.CreatedAt) }) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

func byOthers(v hubspot.PropertyVersion, created time.Time) bool {
	switch {
	// Of HubSpot's source types none is documented as a list; a user of its own
	// pages is CRM_UI with "userId:…" (developers.hubspot.com, changelog, "CRM
	// property change source will show user ID instead of owner email").
	case strings.HasPrefix(v.SourceType, "CRM_UI"), strings.HasPrefix(v.SourceID, "userId:"):
		return true
	case v.SourceType == "CALCULATED", v.SourceType == "INTERNAL_PROCESSING":
		return false
	default:
		return v.Timestamp.After(created.Add(settling))
	}
}

// changeable are the properties of an object type that people and apps can write;
// cached for [Options].CacheAge.
func (r *Reader) changeable(ctx context.Context, object string) ([]string, error) {
	k := cacheKey{r.scope.OrganizationID, r.scope.ConnectionID, "what can be changed of " + hubspot.Plural(object)}
	if v, ok := r.gate.cache.get(k); ok {
		return v.([]string), nil //nolint:forcetypeassert // the key says which type
	}
	properties, err := r.listProperties(ctx, object)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range properties {
		if p.Archived || p.Calculated || p.Modification != nil && p.Modification.ReadOnlyValue {
			continue
		}
		names = append(names, p.Name)
	}
	r.gate.cache.put(k, names)
	return names, nil
}

// archive puts a record that Debrief created into the recycle bin, if nobody
// touched it. What is read and compared is read in the same attempt.
func (w *writer) archive(ctx context.Context, looked int64) (WriteResult, error) {
	a := w.Action
	made, err := w.gate.store.MadeOf(ctx, a.OrganizationID, a.Origin.ID, w.object(), w.TargetID)
	if err != nil {
		return WriteResult{}, err
	}
	touched, err := viewer{reader: w.reader(), object: w.object(), read: w.own}.touched(ctx, w.TargetID, made)
	switch {
	case errors.Is(err, hubspot.ErrMissingScopes):
		return w.ask(ctx, looked, whyRefused(err), nil)
	case refused(err):
		return w.settle(ctx, store.ActionFailed, "", whyRefused(err))
	case err != nil:
		return WriteResult{}, retry(err)
	case touched.Gone && looked != 0:
		return w.end(ctx, store.WriteEnd{CallID: looked, State: store.ActionWritten, RecordID: w.TargetID, Call: foundAfterwards()})
	case touched.Gone:
		return w.settle(ctx, store.ActionUnchanged, w.TargetID, "it was archived or deleted in HubSpot already")
	case touched.MergedInto != "":
		return w.settle(ctx, store.ActionSkipped, "", touched.Why())
	}
	// Whoever was told of just this and wants it all the same is obeyed.
	if why := touched.Why(); why != "" && (!w.insisted() || a.Content.Doubt != why) {
		return w.ask(ctx, looked, why, nil)
	}
	if err := w.begin(ctx, store.WriteIntent{Looked: looked}); err != nil {
		return WriteResult{}, err
	}
	if w.Step != store.WriteSend {
		return verdict(w.Write)
	}
	err = w.send(ctx, func(ctx context.Context, c *hubspot.Client) error {
		return c.Archive(ctx, hubspot.Plural(w.object()), w.TargetID)
	})
	if err == nil || errors.Is(err, hubspot.ErrNotFound) {
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: w.TargetID, Call: outcome(nil)})
	}
	return w.sent(ctx, err)
}

// lookForArchive: what is not there any more was archived, by whomever. What is
// there can be archived again: twice is once.
func (w *writer) lookForArchive(ctx context.Context) (sighting, string, error) {
	record, err := w.read(ctx, w.TargetID, nil, "looking whether the record was archived")
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		return there, w.TargetID, nil
	case err != nil:
		return uncertain, "", err
	case record.ID != w.TargetID:
		return uncertain, "", nil
	default:
		return repeatable, "", nil
	}
}

// foundAfterwards is the outcome of a call whose answer was lost.
func foundAfterwards() store.CallResult {
	return store.CallResult{Outcome: store.Done, Reason: "its answer was lost; it was found afterwards"}
}

// Restorable says what of a record can go back to what it was.
type Restorable struct {
	// Gone and MergedInto: nothing can.
	Gone       bool
	MergedInto string
	// Changes can be restored: the record still has what Debrief wrote.
	Changes []store.Change
	// Changed were changed by somebody since.
	Changed []store.Change
}

// Restorable compares a record with what Debrief wrote to it (Change.Before) and
// with what was there before that (Change.After). What is back already is in
// neither list.
func (r *Reader) Restorable(ctx context.Context, object, id string, changes []store.Change) (Restorable, error) {
	names := make([]string, 0, len(changes))
	for _, c := range changes {
		names = append(names, c.Property)
	}
	record, err := r.Get(ctx, object, id, hubspot.GetOptions{Properties: names})
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		return Restorable{Gone: true}, nil
	case err != nil:
		return Restorable{}, err
	case record.ID != id:
		return Restorable{MergedInto: word(record.ID)}, nil
	}
	var found Restorable
	for _, c := range changes {
		switch now := record.Properties[c.Property]; {
		case SameValue(now, c.After):
		case SameValue(now, c.Before):
			found.Changes = append(found.Changes, c)
		default:
			found.Changed = append(found.Changed, c)
		}
	}
	return found, nil
}
