package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

type erasuresCmd struct {
	Person erasuresPersonCmd `cmd:"" help:"Erase a person everywhere in the organization, and print what proves it."`
	List   erasuresListCmd   `cmd:"" help:"List who was erased, by contact ID, and what proves it."`
}

type erasuresPersonCmd struct {
	jsonFlag

	Hub     int64    `help:"The HubSpot account of the contact." placeholder:"ID"`
	Contact string   `help:"The contact's ID there; its addresses are learned from what Debrief knows of it." placeholder:"ID"`
	Email   []string `help:"An e-mail address of the person's; may be repeated." placeholder:"ADDRESS"`
}

func (c *erasuresPersonCmd) Run(ctx context.Context, a *app) error {
	if c.Contact == "" && len(c.Email) == 0 || (c.Contact == "") != (c.Hub == 0) {
		return usagef("name the person: --hub and --contact, --email, or all three")
	}
	s, o, err := a.open(ctx, "erasures")
	if err != nil {
		return err
	}
	report, err := s.EraseContact(ctx, store.ErasureRequest{OrganizationID: o.ID, HubID: c.Hub, ContactID: c.Contact, Emails: c.Email}, store.Operator)
	if err != nil && !errors.Is(err, store.ErrErasureUnfinished) {
		return err
	}
	left, histories := a.forgetHistories(ctx, s, o.ID)
	report.HistoriesLeft = left
	if shown := a.show(c.JSON, report, func() { a.erasure(report) }); shown != nil {
		return shown
	}
	if err != nil {
		return &publicError{sentence: "It is not done yet: what is left is being worked on. Run this again in a while.", cause: err}
	}
	if histories != nil {
		return &publicError{sentence: "It is not done yet: what Temporal keeps of their follow-ups could not be deleted. Run this again once Temporal is there.", cause: histories}
	}
	return nil
}

// historiesWait bounds how long a command waits for Temporal to delete histories.
const historiesWait = 2 * time.Minute

// forgetHistories deletes what Temporal keeps of the follow-ups of meetings that a
// person was struck out of, and says of how many it still does.
func (a *app) forgetHistories(ctx context.Context, s *store.Store, organizationID uuid.UUID) (left int, err error) {
	meetings, err := s.HistoriesToForget(ctx, organizationID)
	if err != nil || len(meetings) == 0 {
		return len(meetings), err
	}
	temporal, err := a.temporal(s, a.logger())
	if err != nil {
		return len(meetings), err
	}
	step, done := context.WithTimeout(ctx, historiesWait)
	defer done()
	err = activities.ForgetHistories(step, s, workflows.Histories{Client: temporal, Namespace: a.TemporalNamespace}, organizationID)
	meetings, again := s.HistoriesToForget(ctx, organizationID)
	return len(meetings), errors.Join(err, again)
}

func (a *app) erasure(e store.Erasure) {
	a.say("Addresses known: %d. Meetings erased: %d. Meetings sealed without the person: %d. Other texts dropped: %d.",
		e.Addresses, e.MeetingsErased, e.MeetingsRedacted, e.Texts)
	if e.Addresses == 0 {
		a.say("Debrief knows no address of that contact: name one with --email if there is one.")
	}
	a.say("Afterwards %d sealed texts were opened; the person is in %d of them.", e.Searched, len(e.Left))
	for _, place := range e.Left {
		a.say("  %s", place)
	}
	if e.HistoriesLeft > 0 {
		a.say("Still to be deleted at Temporal: the histories of %d follow-ups.", e.HistoriesLeft)
	}
	a.say("Not erased: what HubSpot, Slack and mailboxes hold, and backups of the database.")
}

type erasuresListCmd struct {
	jsonFlag

	Limit int `help:"How many." default:"50"`
}

func (c *erasuresListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "erasures")
	if err != nil {
		return err
	}
	all, err := s.Erasures(ctx, o.ID, c.Limit)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"ERASURE", "BEGUN", "DONE", "ACCOUNT", "CONTACT", "MEETINGS", "LEFT", "HISTORIES LEFT"}}
		for _, e := range all {
			done := "not yet"
			if e.DoneAt != nil {
				done = e.DoneAt.Local().Format("2006-01-02 15:04")
			}
			rows = append(rows, []string{
				e.ID.String(), e.BegunAt.Local().Format("2006-01-02 15:04"), done, strconv.FormatInt(e.HubID, 10), e.ContactID,
				strconv.Itoa(e.MeetingsErased + e.MeetingsRedacted), strconv.Itoa(len(e.Left)), strconv.Itoa(e.HistoriesLeft),
			})
		}
		a.table("Nobody was erased yet.", rows)
	})
}
