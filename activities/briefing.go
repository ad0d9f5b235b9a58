package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Why a brief has nothing of HubSpot's. Package words knows these sentences.
const (
	missingConnection = "The connection to HubSpot is gone. Once it is back, you are told the rest."
	missingHubSpot    = "HubSpot did not answer in time. Once it does, you are told the rest."
	missingChoice     = "It is not decided which connection to HubSpot acts for this meeting."
)

// now is the clock.
func (a *Activities) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// LookAtBriefing says what a briefing has to do next, and settles what time alone
// settles. One that is not there any more has ended.
func (a *Activities) LookAtBriefing(ctx context.Context, k store.BriefingKey) (store.BriefingLook, error) {
	look, err := a.Store.LookAtBriefing(ctx, k, a.now())
	if errors.Is(err, store.ErrNotFound) {
		return store.BriefingLook{Ended: true}, nil
	}
	return look, temporalError(err)
}

// PauseBriefingInput names the connection that is gone; zero stands for any of the
// organization's.
type PauseBriefingInput struct {
	Briefing     store.BriefingKey `json:"briefing"`
	ConnectionID uuid.UUID         `json:"connection_id,omitzero"`
}

// PauseBriefing makes a brief wait until the connection that it needs is back.
func (a *Activities) PauseBriefing(ctx context.Context, in PauseBriefingInput) error {
	var connection *uuid.UUID
	if in.ConnectionID != uuid.Nil {
		connection = &in.ConnectionID
	}
	return temporalError(a.Store.PauseBriefing(ctx, in.Briefing, connection, a.now()))
}

// ComposeBriefing makes a brief, and has its person told where there is something to
// tell: all of it the first time, and then what matters of what changed. Run again, it
// tells nothing twice. Shortly before the start, what can't be read in HubSpot is left
// out rather than told too late.
func (a *Activities) ComposeBriefing(ctx context.Context, k store.BriefingKey) error {
	defer alive(ctx)()
	err := a.composeBriefing(ctx, k)
	if errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrNotFound) {
		return nil // nothing is left to brief anybody on; the next look sees it
	}
	return notLaterThan(longestPatience, temporalError(err))
}

// longestPatience is how long a brief waits at most before it is tried again. HubSpot may
// ask for hours, once the day's calls are used up: but the meeting begins, with HubSpot
// or without, and it may begin sooner than it was to.
const longestPatience = time.Minute

func (a *Activities) composeBriefing(ctx context.Context, k store.BriefingKey) error {
	now := a.now()
	work, err := a.Store.BriefingWork(ctx, k, now)
	if err != nil || work.Gone || !work.Due {
		return err
	}
	lastCall := work.Bare || !work.Told && !now.Before(store.BriefingLastCall(work.Meeting.Content.Start(), work.Settings.LeadTime()))
	connection, missing, failed := a.connectionFor(ctx, k)
	if failed != nil && !lastCall && !work.Told {
		return failed
	}
	if failed != nil {
		missing = missingBecause(failed)
	}
	in, err := a.briefingInput(ctx, work, connection)
	if err != nil {
		return err
	}
	in.CRMMissing = missing
	reader := a.Gate.Reader(crm.Scope{
		OrganizationID: k.OrganizationID, ConnectionID: connection.ID, Origin: originOf(k),
		Actor: briefer, OnBehalfOf: k.PersonID.String(), Expects: briefing.Expected(in),
	})
	reading, err := a.read(ctx, reader, k.OrganizationID, &in)
	if err != nil && (lastCall || work.Told && !soon(work, now, err)) && ctx.Err() == nil {
		failed, in.CRMMissing = err, missingBecause(err)
		reading, err = a.read(ctx, reader, k.OrganizationID, &in)
	}
	if err != nil {
		return err
	}
	brief := keepingCRM(work, reading.Brief(in))
	made, err := a.madeOf(ctx, work, brief)
	if err != nil {
		return err
	}
	made.Bare = in.CRMMissing != ""
	if work.Settings.Note() && !in.NoteDenied && !made.Bare {
		made.Note = noteOf(work, brief)
	}
	version, err := a.Store.SaveBriefing(ctx, made.by(connection), now)
	if err != nil {
		return err
	}
	a.Log.Info().Stringer("meeting", k.MeetingID).Int64("version", version).Str("tells", string(made.Tell)).Bool("bare", made.Bare).
		Int("people", len(brief.People)).Int("records", len(brief.Records)).Msg("made a brief")
	if work.Told {
		return failed // the rest is still to be read
	}
	return nil
}

// soon says whether it is worth waiting for HubSpot with what changed of a meeting that
// its host was told of.
func soon(work store.BriefingWork, now time.Time, err error) bool {
	if retry, ok := errors.AsType[*crm.RetryError](err); ok && retry.After > longestPatience {
		return false
	}
	return missingBecause(err) != missingConnection && now.Before(store.BriefingLastCall(work.Meeting.Content.Start(), work.Settings.LeadTime()))
}

// keepingCRM is a brief that was made without HubSpot with what the one said of HubSpot
// that was told before: it says more than none.
func keepingCRM(work store.BriefingWork, brief briefing.Brief) briefing.Brief {
	var told briefing.Brief
	if brief.CRMMissing == "" || work.Last == nil || json.Unmarshal(work.Last, &told) != nil || told.CRMMissing != "" {
		return brief
	}
	return told.Knowing(brief)
}

// read reads for some meetings, and says which of the notes are briefs.
func (a *Activities) read(ctx context.Context, reader *crm.Reader, organizationID uuid.UUID, ins ...*briefing.Input) (*briefing.Reading, error) {
	all := make([]briefing.Input, 0, len(ins))
	for _, in := range ins {
		all = append(all, *in)
	}
	reading, err := briefing.Read(ctx, reader, all...)
	if err != nil {
		return nil, err
	}
	own, err := a.Store.BriefingNotes(ctx, organizationID, ins[0].Account.HubID, reading.NoteIDs())
	for _, in := range ins {
		in.OwnNotes = own
	}
	return reading, err
}

// noteOf is a brief as a note in HubSpot, on those of its people whom HubSpot knows and
// at the time of the meeting; nil where HubSpot does not have the meeting. HubSpot
// documents no association between a note and a meeting ("Associations", default types,
// November 2026).
func noteOf(work store.BriefingWork, brief briefing.Brief) *store.ActionContent {
	if brief.Meeting.RecordID == "" {
		return nil
	}
	view := briefing.View{Printer: words.In(work.Language), Zone: work.Notify.Location()}
	note := &store.ActionContent{
		Label: "Briefing: " + brief.Title(view), Purpose: "keeps the briefing on those who are coming",
		Properties: map[string]string{"hs_timestamp": hubspot.FormatDateTime(brief.Meeting.Start), "hs_note_body": brief.Note(view)},
	}
	if brief.Meeting.HostOwnerID != "" {
		note.Properties["hubspot_owner_id"] = brief.Meeting.HostOwnerID
	}
	for _, p := range brief.People {
		if ref := (store.AssociationRef{Object: "contact", RecordID: p.ContactID}); p.ContactID != "" && !slices.Contains(note.Associations, ref) {
			note.Associations = append(note.Associations, ref)
		}
	}
	return note
}

var briefer = store.Actor{Name: "briefing"}

func originOf(k store.BriefingKey) store.Origin {
	return store.Origin{Kind: "meeting", ID: k.MeetingID}
}

// connectionFor is the connection that a meeting's brief is read by. missing says why
// there is none to wait for.
func (a *Activities) connectionFor(ctx context.Context, k store.BriefingKey) (c store.Connection, missing string, err error) {
	c, err = a.Connections.ForMeeting(ctx, k.OrganizationID, k.MeetingID)
	if _, undecided := errors.AsType[*connections.UndecidedError](err); undecided {
		return store.Connection{}, missingChoice, nil
	}
	return c, "", err
}

func missingBecause(err error) string {
	var paused *connections.PausedError
	if errors.As(err, &paused) || errors.Is(err, connections.ErrNoConnection) || errors.Is(err, store.ErrNoConnection) {
		return missingConnection
	}
	return missingHubSpot
}

// madeBrief is what is stored of a brief.
type madeBrief struct{ store.BriefingMade }

// by says by which connection it was read.
func (m madeBrief) by(c store.Connection) store.BriefingMade {
	if c.ID != uuid.Nil && !m.Bare {
		m.ConnectionID = &c.ID
	}
	return m.BriefingMade
}

// madeOf holds a brief against the one that was told last, and says what is to be told.
func (a *Activities) madeOf(ctx context.Context, work store.BriefingWork, brief briefing.Brief) (made madeBrief, err error) {
	made.BriefingKey, made.Asked = work.BriefingKey, work.Asked
	made.Tell = store.TellBriefing
	if work.Last != nil {
		var before briefing.Brief
		if err := json.Unmarshal(work.Last, &before); err != nil {
			return made, fmt.Errorf("reading what was told of meeting %s", work.MeetingID)
		}
		changes := briefing.Changes(before, brief)
		if made.Tell = ""; len(changes) > 0 {
			made.Tell = store.TellBriefingUpdate
		}
		if made.Changes, err = json.Marshal(changes); err != nil {
			return made, fmt.Errorf("encoding what changed of meeting %s", work.MeetingID)
		}
	}
	brief.Points = a.pointsFor(ctx, work, brief)
	for _, r := range brief.Records {
		made.Records = append(made.Records, store.BriefingRecord{Object: r.Object, ID: r.ID})
	}
	if made.Brief, err = json.Marshal(brief); err != nil {
		return made, fmt.Errorf("encoding the brief of meeting %s", work.MeetingID)
	}
	return made, nil
}

// briefingInput is what Debrief itself knows of a meeting that somebody is briefed on.
func (a *Activities) briefingInput(ctx context.Context, work store.BriefingWork, c store.Connection) (briefing.Input, error) {
	content := work.Meeting.Content
	if c.HubID != 0 {
		if err := a.followMerges(ctx, work.OrganizationID, c.HubID, &content); err != nil {
			return briefing.Input{}, err
		}
	}
	people := planner.Who(planner.Subject{
		Meeting: content, Host: planner.Host{Email: work.Person.Email(), Name: work.Person.Name},
		Domains: work.Organization.Domains, Ignored: work.Organization.Settings.IgnoredAddresses,
	})
	in := briefing.Input{
		Meeting: briefing.Meeting{
			ID: work.MeetingID, Title: content.Title, Start: content.Start(), End: content.End(), JoinURL: content.Keys.JoinURL, Host: work.Person.Label(),
		},
		Account: briefing.Account{HubID: c.HubID}, At: a.now(),
	}
	if len(c.Currencies) > 0 {
		in.Account.Currency = c.Currencies[0]
	}
	for _, o := range work.Person.Owners {
		if o.HubID == c.HubID && c.HubID != 0 {
			in.Meeting.HostOwnerID = o.ID
		}
	}
	response := map[string]string{}
	for _, at := range content.Attendees {
		response[strings.ToLower(at.Email)] = strings.ToLower(at.Response)
	}
	var addresses []string
	// Who declined comes last, and is shown as such.
	for _, list := range [][]planner.Person{people.External, people.Unknown, people.Absent} {
		for _, p := range list {
			in.External = append(in.External, briefing.Guest{Name: p.Name, Email: p.Email, Domain: p.Domain, JobTitle: p.JobTitle, Response: response[p.Email]})
			if p.Email != "" && len(addresses) < briefing.MostPeople {
				addresses = append(addresses, p.Email)
			}
		}
	}
	for _, p := range people.Internal {
		if !slices.ContainsFunc(work.Person.Identities, func(i store.Identity) bool { return i.Kind == store.IdentityEmail && i.Value == p.Email }) {
			in.Colleagues = append(in.Colleagues, cmp.Or(p.Name, p.Email))
		}
	}
	if err := a.tools(ctx, work, &in); err != nil {
		return in, err
	}
	met, err := a.Store.MetBefore(ctx, work.BriefingKey, addresses, content.Start(), briefing.MostPast)
	if err != nil {
		return in, err
	}
	for _, m := range met {
		in.Past = append(in.Past, past(m))
		for _, p := range m.Open {
			in.Approvals = append(in.Approvals, briefing.Approval{
				MeetingID: m.Meeting.ID, Title: p.Action.Tool.Title(), Record: p.Action.Content.Label, Asked: p.AskedAt, Mine: m.Mine[p.ID],
			})
		}
	}
	return in, nil
}

// tools says what may be read for the meeting, whether contacts may be proposed, and
// whether there may be a note.
func (a *Activities) tools(ctx context.Context, work store.BriefingWork, in *briefing.Input) error {
	reads := briefing.ReadTools()
	create, note := policy.Tool{Object: "contact", Operation: policy.Create}, policy.Tool{Object: "note", Operation: policy.Create}
	decisions, err := a.Store.CallPermissions(ctx, work.OrganizationID, originOf(work.BriefingKey), append(reads, create, note))
	if err != nil {
		return err
	}
	for i, tool := range reads {
		if decisions[i].Permission != policy.Allow {
			in.Denied = append(in.Denied, tool)
		}
	}
	in.MayCreate = decisions[len(reads)].Permission != policy.Deny
	in.NoteDenied = work.Settings.Note() && decisions[len(reads)+1].Permission == policy.Deny
	return nil
}

// past is an earlier meeting as a brief tells of it: what was promised, and what it
// became in HubSpot.
func past(m store.MetBefore) briefing.Past {
	content := m.Meeting.Content
	p := briefing.Past{MeetingID: m.Meeting.ID, Title: content.Title, Start: content.Start(), Host: m.Host}
	for _, at := range content.Attendees {
		if at.Email != "" {
			p.With = append(p.With, strings.ToLower(at.Email))
		}
	}
	tasks := map[string]bool{}
	for _, action := range m.Actions {
		if !action.State.Happened() || action.RecordID == "" || action.Tool.Operation != policy.Create {
			continue
		}
		switch action.Tool.Object {
		case "meeting":
			p.RecordID = action.RecordID
		case "note":
			p.NoteIDs = append(p.NoteIDs, action.RecordID)
		case "task":
			promise := briefing.Promise{Text: action.Content.Label, TaskID: action.RecordID}
			promise.Text = cmp.Or(action.Content.Properties["hs_task_subject"], promise.Text)
			for _, item := range content.ActionItems {
				if strings.Contains(promise.Text, item.Text) || strings.Contains(item.Text, promise.Text) {
					promise.By, promise.Due, promise.Done = cmp.Or(item.AssigneeName, item.AssigneeEmail), item.DueAt, item.Completed
					tasks[item.Text] = true
				}
			}
			p.Promises = append(p.Promises, promise)
		}
	}
	for _, item := range content.ActionItems {
		if !tasks[item.Text] {
			p.Promises = append(p.Promises, briefing.Promise{
				Text: item.Text, By: cmp.Or(item.AssigneeName, item.AssigneeEmail), Due: item.DueAt, Done: item.Completed,
			})
		}
	}
	return p
}

// pointsFor are talking points, where somebody wants them and a model is configured.
// Those that were made for the same facts are kept. A brief is as good without.
func (a *Activities) pointsFor(ctx context.Context, work store.BriefingWork, brief briefing.Brief) []string {
	if !work.Settings.Talks() || work.Meeting.Content.Private || brief.CRMMissing != "" {
		return nil
	}
	var last briefing.Brief
	if work.Composed != nil && json.Unmarshal(work.Composed, &last) == nil && len(last.Points) > 0 && sameFacts(last, brief) {
		return last.Points
	}
	points, err := a.talkingPoints(ctx, work, brief)
	if err != nil {
		a.Log.Warn().Err(err).Stringer("meeting", work.MeetingID).Msg("a brief goes without talking points")
	}
	return points
}

func sameFacts(a, b briefing.Brief) bool {
	a.Points, b.Points, a.At, b.At = nil, nil, time.Time{}, time.Time{}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
