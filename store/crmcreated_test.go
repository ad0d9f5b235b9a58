package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// created is what HubSpot tells of a record that a user made.
func created(typeID, id string) hubspot.WebhookEvent {
	return hubspot.WebhookEvent{
		EventID: 1, AppID: 9, HubID: 1001, OccurredAt: time.Now(), Type: "object.creation", Kind: hubspot.EventCreation,
		ObjectTypeID: typeID, ObjectID: id, ChangeSource: "CRM_UI", ChangeFlag: "CREATED",
	}
}

// asked has somebody be asked about the creation of a record.
func (b *bench) asked(object string, properties map[string]string) {
	b.t.Helper()
	d := draft(policy.Tool{Object: object, Operation: policy.Create}, object+".create:1", properties)
	if email := properties["email"]; email != "" {
		d.Content.NaturalKey = "email:" + email
	}
	b.plan(d)
}

func askAboutCreates() policy.Permissions {
	p := policy.Permissions{}
	for _, object := range []string{"contact", "company", "deal", "ticket"} {
		p[policy.Tool{Object: object, Operation: policy.Create}] = policy.Ask
	}
	return p
}

// A human made in HubSpot what Debrief asks about: it is planned anew, with the record
// that there is, read by its ID.
func TestWhatOthersCreatedIsNotCreatedTwice(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		object, typeID string
		asked, is      map[string]string
		meets          bool
	}{
		"the contact":                 {"contact", "0-1", map[string]string{"email": "jane@northwind.example"}, map[string]string{"email": "Jane@Northwind.example "}, true},
		"by another of its addresses": {"contact", "0-1", map[string]string{"email": "jane@northwind.example"}, map[string]string{"email": "j@home.example", "hs_additional_emails": "x@home.example;jane@northwind.example"}, true},
		"another contact":             {"contact", "0-1", map[string]string{"email": "jane@northwind.example"}, map[string]string{"email": "joe@northwind.example"}, false},
		"a contact without address":   {"contact", "0-1", map[string]string{"email": "jane@northwind.example"}, map[string]string{}, false},
		"the company":                 {"company", "0-2", map[string]string{"domain": "northwind.example", "name": "Northwind"}, map[string]string{"domain": "www.northwind.example"}, true},
		"another company":             {"company", "0-2", map[string]string{"domain": "northwind.example"}, map[string]string{"domain": "southwind.example"}, false},
		"the deal":                    {"deal", "0-3", map[string]string{"dealname": "Renewal 2027"}, map[string]string{"dealname": "renewal 2027"}, true},
		"another deal":                {"deal", "0-3", map[string]string{"dealname": "Renewal 2027"}, map[string]string{"dealname": "Renewal"}, false},
		"the ticket":                  {"ticket", "0-5", map[string]string{"subject": "Login fails"}, map[string]string{"subject": "Login fails"}, true},
		"gone again":                  {"contact", "0-1", map[string]string{"email": "jane@northwind.example"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			b := newBench(t, askAboutCreates())
			b.asked(tc.object, tc.asked)
			got := b.tell(created(tc.typeID, "900"))
			require.True(t, got.Created)
			record := store.CRMRecord{OrganizationID: b.org, HubID: 1001, Object: tc.object, ID: "900"}
			due, err := b.CreationsToMeet(ctx, record)
			require.NoError(t, err)
			require.Equal(t, []string{"900"}, due.IDs)
			require.Equal(t, &b.connection, due.ConnectionID)
			read := map[string]map[string]string{}
			if tc.is != nil {
				read["900"] = tc.is
			}
			met, err := b.MeetCreations(ctx, record, due.IDs, read, "")
			require.NoError(t, err)
			require.Equal(t, 1, met.Events)
			told, err := b.ToldRecords(ctx, b.org, b.meeting)
			require.NoError(t, err)
			require.Equal(t, store.ActionAsking, b.action(tc.object+".create:1").State, "until it is planned anew, the question stands")
			if tc.meets {
				require.Equal(t, 1, met.Planned)
				require.Equal(t, store.NextPlan, b.look().Next)
				require.Equal(t, []store.RecordRef{{Object: tc.object, ID: "900"}}, told)
			} else {
				require.Zero(t, met.Planned)
				require.Equal(t, store.NextAnswer, b.look().Next)
				require.Empty(t, told)
			}
			again, err := b.MeetCreations(ctx, record, due.IDs, read, "")
			require.NoError(t, err)
			require.Zero(t, again.Events)
			if !tc.meets {
				return
			}
			// The plan that is made with it no longer wants to create one, and has no
			// need to be told any more.
			_, seen, err := b.Answers(ctx, b.org, b.meeting)
			require.NoError(t, err)
			require.NoError(t, b.SavePlan(ctx, store.Plan{
				OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: seen, ConnectionID: b.connection,
				Records: []store.RecordRef{{Object: tc.object, ID: "900"}},
			}))
			require.Equal(t, store.ActionWithdrawn, b.action(tc.object+".create:1").State)
			require.Equal(t, store.NextDone, b.look().Next)
			told, err = b.ToldRecords(ctx, b.org, b.meeting)
			require.NoError(t, err)
			require.Empty(t, told)
		})
	}
}

// HubSpot tells of an address before it tells of its contact, or instead: that is
// enough.
func TestAnAddressTellsOfItsContact(t *testing.T) {
	t.Parallel()
	b := newBench(t, askAboutCreates())
	b.asked("contact", map[string]string{"email": "jane@northwind.example"})
	e := created("0-1", "900")
	e.Type, e.Kind, e.PropertyName, e.PropertyValue = "object.propertyChange", hubspot.EventPropertyChange, "email", "jane@northwind.example"
	got := b.tell(e)
	require.Equal(t, 1, got.Planned)
	require.Equal(t, store.NextPlan, b.look().Next)
}

// What nobody is asked about costs no workflow and no call: an import makes thousands.
func TestNobodyWaitsForMostRecords(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, askAboutCreates())
	b.asked("company", map[string]string{"domain": "northwind.example"})
	source := hubspotSource(t, b.Store)
	_, waiting := crmDelivery(t, b.Store, source, created("0-1", "900"))
	require.Zero(t, waiting, "of another type")
	foreign := created("0-2", "901")
	foreign.HubID = 2002
	second := b.NewConnectionForTest(t, b.org, "connected")
	b.ExecForTest(t, `update connections set hub_id = 2002 where id = $1`, second)
	_, waiting = crmDelivery(t, b.Store, source, foreign)
	require.Zero(t, waiting, "in another account")

	// Of those that come together, one look reads all.
	var events []hubspot.WebhookEvent
	for i := range 120 {
		events = append(events, created("0-2", fmt.Sprint(1000+i)))
	}
	_, waiting = crmDelivery(t, b.Store, source, events...)
	require.Equal(t, 120, waiting)
	record := store.CRMRecord{OrganizationID: b.org, HubID: 1001, Object: "company", ID: "1119"}
	due, err := b.CreationsToMeet(ctx, record)
	require.NoError(t, err)
	require.Len(t, due.IDs, store.MostCreations)
	require.Equal(t, "1119", due.IDs[0], "its own is among them")
	_, err = b.MeetCreations(ctx, record, due.IDs, nil, "")
	require.NoError(t, err)
	due, err = b.CreationsToMeet(ctx, record)
	require.NoError(t, err)
	require.Len(t, due.IDs, 20)
}

// Our own creation is an echo, for whoever else waits, too: the claim of its natural
// key is what the other write meets.
func TestOurOwnCreationIsAnEcho(t *testing.T) {
	t.Parallel()
	b := newBench(t, askAboutCreates())
	b.asked("contact", map[string]string{"email": "jane@northwind.example"})
	require.NoError(t, b.Audit(context.Background(), store.AuditEntry{
		OrganizationID: b.org, Kind: store.AuditCall, Actor: store.Actor{Name: "follow-up"}, Origin: store.Origin{Kind: "meeting", ID: uuid.New()},
		Tool: createContact, ConnectionID: &b.connection, RecordID: "900", Values: map[string]string{"email": "x@northwind.example"}, Outcome: store.Attempted,
	}))
	e := created("0-1", "900")
	e.ChangeSource = "INTEGRATION"
	got := b.tell(e)
	require.Equal(t, 1, got.Echoes)
	require.False(t, got.Created)
}
