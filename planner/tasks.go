package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// mostSubject keeps a task's subject to one line; the whole text is in its body.
const mostSubject = 200

// items are the open action items, each once: two with one text are one, and of
// them the one with an ID, since that stays when its text is corrected.
func (p *plan) items() []meeting.ActionItem {
	var open []meeting.ActionItem
	for _, item := range p.in.Meeting.ActionItems {
		item.Text = plain(item.Text)
		if !item.Completed && item.Text != "" && !isPrivateLine(item.Text) {
			open = append(open, item)
		}
	}
	slices.SortFunc(open, func(a, b meeting.ActionItem) int {
		return cmp.Or(cmp.Compare(normal(a.Text), normal(b.Text)), -cmp.Compare(a.ID, b.ID), cmp.Compare(a.AssigneeEmail, b.AssigneeEmail), a.DueAt.Compare(b.DueAt))
	})
	return slices.CompactFunc(open, func(a, b meeting.ActionItem) bool { return normal(a.Text) == normal(b.Text) })
}

// normal is a text without what does not change its meaning.
func normal(s string) string {
	return strings.Trim(strings.ToLower(strings.Join(strings.Fields(s), " ")), " .!;")
}

func (p *plan) itemName(item meeting.ActionItem) string {
	if item.ID != "" {
		return p.in.Hash("item:" + item.ID)
	}
	return p.in.Hash("text:" + normal(item.Text))
}

// planTasks drafts a task for each action item, for its owner in HubSpot.
func (p *plan) planTasks() {
	for _, item := range p.items() {
		p.planTask(item)
	}
	for _, item := range p.in.Meeting.ActionItems {
		// Done meanwhile: the task that an earlier round made is done, too.
		item.Text = plain(item.Text)
		name := p.itemName(item)
		if w, ok := p.in.Written[createKey("task", name)]; ok && item.Completed {
			p.update("task", name, w.RecordID, nil, store.ActionContent{
				Label: clip(item.Text, mostSubject), Purpose: "the action item was completed", Properties: map[string]string{"hs_task_status": "COMPLETED"},
			}, w)
			p.linkToTask(item)
		}
	}
}

// taskRefs are the records that a task is logged on.
func (p *plan) taskRefs(item meeting.ActionItem) []store.AssociationRef {
	refs := p.present()
	if person, ok := p.promisedOutside(item); ok {
		// It concerns that person and their company, not everyone who was there.
		refs = p.refsOf(person)
	}
	deals, _ := p.deals()
	return p.uniqueRefs(append(refs, deals...))
}

// promisedOutside is the attendee from outside who promised an item.
func (p *plan) promisedOutside(item meeting.ActionItem) (Person, bool) {
	email := address(item.AssigneeEmail)
	at := slices.IndexFunc(p.people.External, func(x Person) bool { return x.Email == email && email != "" })
	if at < 0 {
		return Person{}, false
	}
	return p.people.External[at], true
}

// linkToTask lets new records take along the link to a task that is there. It
// names the task by its key, as before it was written: an open question about
// the new record stays the same question.
func (p *plan) linkToTask(item meeting.ActionItem) {
	key := createKey("task", p.itemName(item))
	for _, ref := range p.taskRefs(item) {
		if p.recordID(ref) == "" {
			p.link(ref.Key, store.AssociationRef{Object: "task", Key: key})
		}
	}
}

// planTask drafts one task. What one of the organization's own people promised
// is that person's, if HubSpot knows them as an owner, else the host's. What an
// attendee from outside promised is the host's to wait for: a promise that
// nobody follows up is lost, and a customer can't be given a task.
func (p *plan) planTask(item meeting.ActionItem) {
	subject, owner := item.Text, p.hostOwner()
	email := address(item.AssigneeEmail)
	var remark string
	person, external := p.promisedOutside(item)
	internal := slices.IndexFunc(p.people.Internal, func(x Person) bool { return x.Email == email && email != "" })
	switch known, isOwner := p.res.Owner(email); {
	case external:
		subject = "Waiting on " + person.display() + ": " + item.Text
	case isOwner:
		owner = known.ID
	case email != "" && email == p.people.Host.Email:
	case internal >= 0:
		remark = "For " + p.people.Internal[internal].display() + ", who is no owner in HubSpot."
	case item.AssigneeName != "":
		remark = "For " + item.AssigneeName + "."
	}
	lines := []line{}
	if clipped := clip(subject, mostSubject); clipped != subject {
		lines = append(lines, line{text: literal(item.Text)})
		subject = clipped
	}
	if remark != "" {
		lines = append(lines, line{text: literal(remark)})
	}
	lines = append(lines, line{text: fmt.Sprintf("From the meeting “%s” on %s.", literal(p.title()), p.in.start().In(p.in.location()).Format("2 January 2006"))})
	name := p.itemName(item)
	wanted := properties(map[string]string{
		"hs_task_subject":  subject,
		"hs_task_body":     htmlBody(lines),
		"hs_timestamp":     hubspot.FormatDateTime(p.due(item)),
		"hs_task_type":     "TODO",
		"hubspot_owner_id": owner,
	})
	if w, ok := p.in.Written[createKey("task", name)]; ok {
		// Its status is its owner's by now.
		p.update("task", name, w.RecordID, nil, store.ActionContent{Label: subject, Purpose: "the action item has changed", Properties: wanted}, w)
		p.linkToTask(item)
		return
	}
	wanted["hs_task_status"] = "NOT_STARTED"
	d := p.add("task", name, store.ActionContent{Label: subject, Purpose: "an action item of the meeting", Properties: wanted})
	for _, ref := range p.taskRefs(item) {
		p.link(d.Key, ref)
	}
}

// dueHour is when on its day a task is due: at the end of it, so that it does
// not show as overdue on the very morning.
const dueHour = 17

// due is when a task is due. HubSpot asks for a date of every task; where nobody
// named one it is the next business day after the meeting: soon enough to be
// seen while the meeting is remembered, and never overdue from the start. Which
// days are holidays is not known.
func (p *plan) due(item meeting.ActionItem) time.Time {
	loc := p.in.location()
	if at := item.DueAt; !at.IsZero() {
		if at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 {
			// A day without a time. As midnight UTC it would show as the day
			// before to everyone west of Greenwich.
			return time.Date(at.Year(), at.Month(), at.Day(), dueHour, 0, 0, 0, loc)
		}
		return at
	}
	last := p.in.Meeting.End()
	if last.IsZero() {
		last = p.in.start()
	}
	day := last.In(loc).AddDate(0, 0, 1)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, 1)
	}
	return time.Date(day.Year(), day.Month(), day.Day(), dueHour, 0, 0, 0, loc)
}
