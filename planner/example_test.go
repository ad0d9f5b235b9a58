package planner_test

import (
	"fmt"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
)

// A meeting with someone whom HubSpot knows and a colleague whom it doesn't.
func ExamplePlan() {
	in := planner.Input{
		Resolution: planner.Resolution{
			Contacts: []planner.Record{{
				ID: "101", Properties: map[string]string{"email": "jane@northwind.example"},
				Links: []planner.Link{{Object: "company", ID: "201", Primary: true}},
			}},
			Companies:     []planner.Record{{ID: "201", Properties: map[string]string{"name": "Northwind", "domain": "northwind.example"}}},
			Deals:         []planner.Record{{ID: "301", Properties: map[string]string{"dealname": "Renewal", "dealstage": "new"}, Links: []planner.Link{{Object: "company", ID: "201"}}}},
			DealPipelines: []hubspot.Pipeline{{ID: "default", Stages: []hubspot.Stage{{ID: "new", Label: "New"}, {ID: "offer", Label: "Offer sent"}}}},
		},
		Hash: hash, // the store's keyed hash
	}
	in.Domains = []string{"acme.example"}
	in.Host = planner.Host{Name: "Dana Host", Email: "dana@acme.example", OwnerID: "77"}
	in.Meeting.Title = "Renewal review"
	in.Meeting.ActualStart = time.Date(2026, time.November, 20, 14, 0, 0, 0, time.UTC)
	in.Meeting.Attendees = []meeting.Attendee{
		{Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}},
		{Person: meeting.Person{Name: "Bay, Bob", Email: "bob@northwind.example"}},
		{Person: meeting.Person{Name: "Dana's Notetaker"}},
	}
	in.Meeting.Transcript.Segments = []meeting.Segment{{Speaker: "Jane Roe", StartSeconds: 300, Text: "Fine. Please send us the offer."}}
	in.Meeting.Summary = meeting.Text{Format: "markdown", Text: "They renew, **if** the price holds."}
	in.Meeting.ActionItems = []meeting.ActionItem{{Text: "Send the offer"}, {Text: "Get a signature", AssigneeEmail: "jane@northwind.example"}}
	in.Meeting.ProposedActions = []meeting.ProposedAction{{
		Tool: "deal.update", Ref: "stage", Target: meeting.RecordRef{ID: "301"}, Properties: map[string]string{"dealstage": "Offer sent"},
		Evidence: []meeting.Evidence{{Quote: "please send us the offer", Speaker: "Jane Roe"}},
	}}

	for _, d := range planner.Plan(in).Drafts {
		fmt.Printf("%s: %s\n", d.Tool.Title(), d.Content.Label)
		for _, a := range d.Content.Associations {
			if a.Key != "" {
				fmt.Printf("  with the new %s\n", a.Object)
			} else {
				fmt.Printf("  with %s %s\n", a.Object, a.RecordID)
			}
		}
		for name, old := range d.Content.Before {
			fmt.Printf("  %s: %s → %s\n", name, old, d.Content.Properties[name])
		}
	}
	// Output:
	// Update Deal: Renewal
	//   dealstage: new → offer
	// Create Meeting: Renewal review, 20 November 2026
	//   with company 201
	//   with contact 101
	//   with deal 301
	// Create Note: Summary of Renewal review
	//   with company 201
	//   with contact 101
	//   with deal 301
	// Create Task: Send the offer
	//   with company 201
	//   with contact 101
	//   with deal 301
	// Create Contact: Bob Bay (bob@northwind.example)
	//   with company 201
	//   with the new meeting
	//   with the new note
	//   with the new task
	// Create Task: Waiting on Jane Roe: Get a signature
	//   with company 201
	//   with contact 101
	//   with deal 301
}
