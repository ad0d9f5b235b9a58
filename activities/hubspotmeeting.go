package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// meetingProperties are what is read of a meeting of HubSpot's. The last three are
// not in HubSpot's guide to meetings (developers.hubspot.com, "Meetings", 2026), but
// in accounts; one that an account lacks is left out of the answer.
var meetingProperties = []string{
	"hs_timestamp", "hs_lastmodifieddate", "hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome",
	"hs_meeting_location", "hs_internal_meeting_notes", "hubspot_owner_id",
	"hs_i_cal_uid", "hs_video_conference_url", "hs_attendee_owner_ids",
}

const (
	// mostMeetingContacts bounds whom a meeting is read with: an invitation to
	// everybody is no meeting to follow up on.
	mostMeetingContacts = 2 * hubspot.MaxBatch
	mostOwnerPages      = 20
)

// ReadHubSpotMeeting reads a meeting that others created or changed in HubSpot, and
// stores it as a delivery of the organization's source of such meetings. It goes
// through the gate: where Debrief may not read meetings, contacts and owners, the
// meeting is none of its business.
func (a *Activities) ReadHubSpotMeeting(ctx context.Context, r store.CRMRecord) error {
	defer alive(ctx)()
	return temporalError(a.readHubSpotMeeting(ctx, r))
}

func (a *Activities) readHubSpotMeeting(ctx context.Context, r store.CRMRecord) error {
	due, err := a.Store.MeetingToRead(ctx, r)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case errors.Is(err, store.ErrNoConnection):
		return nil // its events wait, and are told again
	case err != nil:
		return err
	}
	reader := a.Gate.Reader(crm.Scope{OrganizationID: r.OrganizationID, ConnectionID: due.ConnectionID, Actor: store.Actor{Name: "debrief"}})
	record, err := readMeeting(ctx, reader, r)
	var denied *policy.DeniedError
	var paused *connections.PausedError
	switch {
	case errors.As(err, &denied):
		return a.Store.SettleMeetingEvents(ctx, due.Events, fmt.Sprintf("Debrief may not read it: %s is not allowed", denied.Tool))
	case errors.As(err, &paused), errors.Is(err, connections.ErrNoConnection):
		return nil
	case err != nil:
		return err
	}
	if record.Gone && !due.Known {
		return a.Store.SettleMeetingEvents(ctx, due.Events, "the meeting is gone, and was never read")
	}
	// A link changes no time of the record.
	if due.At.After(record.At) {
		record.At = due.At
	}
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encoding a meeting of HubSpot's: %w", err)
	}
	_, inserted, err := a.Store.InsertPolled(ctx, store.PolledDelivery{NewDelivery: store.NewDelivery{
		Source: due.Source, DedupeKey: record.DedupeKey(), Body: body, ReceivedAt: time.Now(),
	}})
	if err != nil {
		return err
	}
	outcome := "the meeting was read, and is as it was known"
	if inserted {
		outcome = "the meeting was read"
	}
	return a.Store.SettleMeetingEvents(ctx, due.Events, outcome)
}

func readMeeting(ctx context.Context, reader *crm.Reader, r store.CRMRecord) (store.MeetingRecord, error) {
	out := store.MeetingRecord{HubID: r.HubID, ID: r.ID}
	record, err := reader.Get(ctx, r.Object, r.ID, hubspot.GetOptions{Properties: meetingProperties})
	if errors.Is(err, hubspot.ErrNotFound) || err == nil && record.Archived {
		out.Gone = true
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Properties, out.At = record.Properties, record.UpdatedAt
	if at, err := hubspot.ParseDateTime(record.Properties["hs_lastmodifieddate"]); err == nil {
		out.At = at
	}
	if err := readMeetingOwners(ctx, reader, &out); err != nil {
		return out, err
	}
	if err := readMeetingContacts(ctx, reader, r, &out); err != nil {
		return out, err
	}
	deals, err := reader.BatchReadAssociations(ctx, r.Object, "deal", []string{r.ID})
	if err != nil && !errors.Is(err, policy.ErrDenied) {
		return out, err
	}
	for _, link := range deals.Records[r.ID] {
		out.DealIDs = append(out.DealIDs, link.ID)
	}
	return out, nil
}

// readMeetingOwners finds the host and the colleagues among the account's owners.
func readMeetingOwners(ctx context.Context, reader *crm.Reader, m *store.MeetingRecord) error {
	host := m.Properties["hubspot_owner_id"]
	others := strings.FieldsFunc(m.Properties["hs_attendee_owner_ids"], func(c rune) bool { return c == ';' || c == ',' || c == ' ' })
	in := hubspot.OwnersQuery{Limit: 500}
	for range mostOwnerPages {
		page, err := reader.Owners(ctx, in)
		if err != nil {
			return err
		}
		for _, o := range page.Owners {
			person := meeting.Person{Name: strings.TrimSpace(o.FirstName + " " + o.LastName), Email: o.Email}
			switch {
			case o.ID == host:
				m.Host = person
			case slices.Contains(others, o.ID):
				m.Colleagues = append(m.Colleagues, person)
			}
		}
		if page.After == "" {
			break
		}
		in.After = page.After
	}
	return nil
}

func readMeetingContacts(ctx context.Context, reader *crm.Reader, r store.CRMRecord, m *store.MeetingRecord) error {
	linked, err := reader.BatchReadAssociations(ctx, r.Object, "contact", []string{r.ID})
	if err != nil {
		return err
	}
	var ids []string
	for _, link := range linked.Records[r.ID] {
		ids = append(ids, link.ID)
	}
	for some := range slices.Chunk(ids[:min(len(ids), mostMeetingContacts)], hubspot.MaxBatch) {
		read, err := reader.BatchRead(ctx, "contact", hubspot.BatchReadInput{IDs: some, Properties: []string{"email", "firstname", "lastname", "jobtitle"}})
		if err != nil {
			return err
		}
		for _, c := range read.Records {
			m.Contacts = append(m.Contacts, store.MeetingContact{
				Person:   meeting.Person{Name: strings.TrimSpace(c.Properties["firstname"] + " " + c.Properties["lastname"]), Email: c.Properties["email"]},
				JobTitle: c.Properties["jobtitle"],
			})
		}
	}
	return nil
}
