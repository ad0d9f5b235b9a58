package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// The meeting and its note. HubSpot gets two records, and no text twice: the
// meeting says that it took place, when and with whom; the note says what came of
// it, so that a correction of the summary rewrites the note alone, and so that
// a meeting which a calendar logged keeps its own description.

// logName and noteName name the meeting's own records in keys.
const (
	logName  = "log"
	noteName = "summary"
)

func (p *plan) title() string { return firstOf(p.in.Meeting.Title, "Meeting") }

// onBehalf is the line that says for whom an account-level connection logs.
func (p *plan) onBehalf() []line {
	if !p.in.OnBehalf || p.people.Host.Name+p.people.Host.Email == "" {
		return nil
	}
	return []line{{text: "Logged by Debrief on behalf of " + literal(firstOf(p.people.Host.Name, p.people.Host.Email)) + "."}}
}

// literal keeps a name from being read as Markdown.
func literal(s string) string {
	return strings.NewReplacer("*", "", "`", "", "__", "_", "[", "(", "]", ")").Replace(s)
}

// logProperties are the meeting's, as Debrief would log it.
func (p *plan) logProperties() map[string]string {
	m := p.in.Meeting
	var names []string
	for _, list := range [][]Person{p.people.External, p.people.Internal, p.people.Unknown} {
		for _, person := range list {
			names = append(names, literal(person.display()))
		}
	}
	slices.Sort(names)
	lines := p.onBehalf()
	if names = slices.Compact(names); len(names) > 0 {
		lines = append(lines, line{text: "Attendees: " + strings.Join(names, ", ")})
	}
	out := map[string]string{
		"hs_timestamp":       hubspot.FormatDateTime(p.in.start()),
		"hs_meeting_title":   p.title(),
		"hs_meeting_body":    htmlBody(lines),
		"hs_meeting_outcome": "COMPLETED",
		"hubspot_owner_id":   p.hostOwner(),
	}
	if start := m.Start(); !start.IsZero() {
		out["hs_meeting_start_time"] = hubspot.FormatDateTime(start)
		if end := m.End(); end.After(start) {
			out["hs_meeting_end_time"] = hubspot.FormatDateTime(end)
		}
	}
	return properties(out)
}

// planLog logs the meeting, and its note.
func (p *plan) planLog() {
	refs := p.present()
	deals, doubt := p.deals()
	refs = p.uniqueRefs(append(refs, deals...))
	waitsFor := p.planMeeting(refs, doubt)
	p.planNote(refs, waitsFor)
}

// planMeeting drafts the meeting's record: a new one, a correction of the one
// that an earlier round wrote, or an update of the one that HubSpot has already.
// It returns the key of the draft if it asks a question that concerns the note.
func (p *plan) planMeeting(refs []store.AssociationRef, doubt string) (asks string) {
	wanted := p.logProperties()
	label := p.title() + ", " + p.in.start().In(p.in.location()).Format("2 January 2006")
	if w, ok := p.in.Written[createKey("meeting", logName)]; ok {
		p.update("meeting", logName, w.RecordID, nil, store.ActionContent{
			Label: label, Purpose: "what is known of the meeting has changed", Properties: wanted,
		}, w)
		p.linkToLog("meeting", logName, w.RecordID, label, refs, p.loggedOn(w))
		return ""
	}
	if revisions, _ := p.revisions("meeting", logName); len(revisions) > 0 {
		// An earlier round found it in HubSpot: it stays this one, wherever its
		// times have moved since.
		id := revisions[0].RecordID
		known, ok := byID(p.res.Meetings, id)
		if !ok {
			_, actual := planned(revisions)
			known = Record{ID: id, Properties: actual}
			maps.DeleteFunc(wanted, func(property, _ string) bool { return actual[property] == "" })
			for _, ref := range refs { // what it is on was not read: taken as done
				known.Links = append(known.Links, Link{Object: ref.Object, ID: p.recordID(ref)})
			}
		}
		p.completeMeeting(known, false, label, wanted, refs)
		return ""
	}
	if known, several := p.knownMeeting(); known.ID != "" {
		p.completeMeeting(known, several, label, wanted, refs)
		return ""
	}
	d := p.add("meeting", logName, store.ActionContent{Label: label, Purpose: "logs the meeting on those who attended", Properties: wanted, Doubt: doubt})
	for _, ref := range refs {
		p.link(d.Key, ref)
	}
	if doubt == "" {
		return ""
	}
	wanted[DealProperty] = ""
	d.Content.Candidates, d.Content.CandidateProperty = p.candidates("deal", p.work("deal")), DealProperty
	return d.Key
}

// knownMeeting is the meeting that HubSpot has of the same people at the same
// time: the one with the nearest start, and whether there are others.
func (p *plan) knownMeeting() (Record, bool) {
	var best Record
	var distance time.Duration
	n := 0
	for _, m := range p.res.Meetings { // sorted by ID: of two as near, the older
		at, ok := startOf(m)
		if !ok || at.Sub(p.in.Meeting.Start()).Abs() > sameTime {
			continue
		}
		n++
		if d := at.Sub(p.in.Meeting.Start()).Abs(); best.ID == "" || d < distance {
			best, distance = m, d
		}
	}
	return best, n > 1
}

// completeMeeting updates a meeting that HubSpot has from elsewhere, a calendar
// say. What stands there was put there by someone: only what is empty is
// filled, and a scheduled meeting becomes a completed one.
func (p *plan) completeMeeting(known Record, several bool, label string, wanted map[string]string, refs []store.AssociationRef) {
	for property := range wanted {
		if was := known.Properties[property]; was != "" && (property != "hs_meeting_outcome" || was != "SCHEDULED") {
			delete(wanted, property)
		}
	}
	var doubt string
	if several {
		doubt = "HubSpot has more than one meeting of these people at this time; this is the nearest"
	}
	p.update("meeting", logName, known.ID, known.Properties, store.ActionContent{
		Label: label, Purpose: "HubSpot has this meeting already; it is completed instead of logged twice", Properties: wanted, Doubt: doubt,
	})
	logged := map[store.AssociationRef]bool{}
	for _, l := range known.Links {
		logged[store.AssociationRef{Object: l.Object, RecordID: l.ID}] = true
	}
	p.linkToLog("meeting", logName, known.ID, label, refs, logged)
}

// loggedOn are the records that a meeting or note of an earlier round is on.
func (p *plan) loggedOn(w Written) map[store.AssociationRef]bool {
	logged := map[store.AssociationRef]bool{}
	for _, a := range w.Content.Associations {
		logged[store.AssociationRef{Object: a.Object, RecordID: p.recordID(a)}] = true
	}
	return logged
}

// linkToLog puts a meeting or a note that is there on the records that it is not
// on yet. A new contact, company or deal takes the link along when it is
// created: that belongs to its creation. An existing one needs an update of its
// own, apart from the text's, since other permissions decide about it.
func (p *plan) linkToLog(object, name, recordID, label string, refs []store.AssociationRef, logged map[store.AssociationRef]bool) {
	for key, w := range p.in.Written {
		for _, a := range w.Content.Associations {
			if a.Object == object && p.recordID(a) == recordID {
				made, _, _ := strings.Cut(key, ".")
				logged[store.AssociationRef{Object: made, RecordID: w.RecordID}] = true
			}
		}
	}
	log := store.AssociationRef{Object: object, RecordID: recordID}
	if key := createKey(object, name); p.in.Written[key].RecordID == recordID {
		// By its key, as before it was written: an open question about the new
		// record stays the same question.
		log = store.AssociationRef{Object: object, Key: key}
	}
	var missing []store.AssociationRef
	for _, ref := range refs {
		there := store.AssociationRef{Object: ref.Object, RecordID: p.recordID(ref)}
		if there.RecordID == "" {
			p.link(ref.Key, log)
		} else if !logged[there] {
			missing = append(missing, there)
		}
	}
	p.update(object, name+"-links", recordID, nil, store.ActionContent{
		Label: label, Purpose: "puts it on the timeline of records that it is not on yet", Associations: missing, Properties: map[string]string{},
	})
}

// deals are those that the meeting is about: the ones that proposals or the
// platform name, else the likeliest one of those who were there. If it could be
// either of several, it is none, with a doubt, unless an approver named it.
func (p *plan) deals() ([]store.AssociationRef, string) {
	id, none := p.answered(createKey("meeting", logName), DealProperty)
	if r, ok := byID(p.res.Deals, id); ok {
		return []store.AssociationRef{{Object: "deal", RecordID: r.ID}}, ""
	}
	meant := slices.Clone(p.dealsMeant)
	for _, hint := range p.in.Meeting.CRMHints {
		if r, ok := byID(p.res.open("deal"), hint.ID); ok && hint.Object == "deal" {
			meant = append(meant, store.AssociationRef{Object: "deal", RecordID: r.ID})
		}
	}
	open := p.work("deal")
	_, ofMany := p.talk()
	meant = p.uniqueRefs(meant)
	if p.dealUnclear && (ofMany || len(meant) == 0) && !none && len(open) > 1 && len(p.dealsLogged()) == 0 {
		return nil, fmt.Sprintf("it could belong to either of %d open deals: pick one, or it is put on none of them", len(open))
	}
	if len(meant) > 0 {
		return meant, ""
	}
	if logged := p.dealsLogged(); len(logged) > 0 {
		return logged, ""
	}
	switch likeliest := p.likeliest("deal", open); len(likeliest) {
	case 0:
		return nil, ""
	case 1:
		return []store.AssociationRef{{Object: "deal", RecordID: likeliest[0].ID}}, ""
	}
	if none {
		return nil, ""
	}
	return nil, fmt.Sprintf("it could belong to either of %d open deals: pick one, or it is put on none of them", len(open))
}

// dealsLogged are those that an earlier round put the meeting or its note on. It was
// about them whatever has become of them since: once such a deal is won, the next
// open one of its company is not what was spoken of.
func (p *plan) dealsLogged() []store.AssociationRef {
	var refs []store.AssociationRef
	for _, key := range sortedKeys(p.in.Written) {
		object, name, _ := strings.Cut(key, ".")
		_, name, _ = strings.Cut(name, ":")
		name, _, _ = strings.Cut(name, ":")
		name = strings.TrimSuffix(name, "-links")
		if (object != "meeting" || name != logName) && (object != "note" || name != noteName) {
			continue
		}
		for _, a := range p.in.Written[key].Content.Associations {
			if a.Object == "deal" {
				refs = append(refs, store.AssociationRef{Object: "deal", RecordID: p.recordID(a)})
			}
		}
	}
	return p.uniqueRefs(refs)
}

// planNote drafts the note, or corrects the one that an earlier round wrote.
func (p *plan) planNote(refs []store.AssociationRef, waitsFor string) {
	lines := p.noteLines()
	if len(lines) == 0 {
		return
	}
	label := "Summary of " + p.title()
	wanted := properties(map[string]string{
		"hs_timestamp":     hubspot.FormatDateTime(p.in.start()),
		"hs_note_body":     htmlBody(append(p.onBehalf(), lines...)),
		"hubspot_owner_id": p.hostOwner(),
	})
	if w, ok := p.in.Written[createKey("note", noteName)]; ok {
		p.update("note", noteName, w.RecordID, nil, store.ActionContent{
			Label: label, Purpose: "the summary or the next steps have changed", Properties: wanted,
		}, w)
		p.linkToLog("note", noteName, w.RecordID, label, refs, p.loggedOn(w))
		return
	}
	d := p.add("note", noteName, store.ActionContent{Label: label, Purpose: "keeps the summary and the next steps on those who attended", Properties: wanted})
	for _, ref := range refs {
		p.link(d.Key, ref)
	}
	if waitsFor != "" {
		// The answer about the meeting's deal is the note's, too.
		d.DependsOn = append(d.DependsOn, waitsFor)
	}
}

// noteLines are the summary and the next steps; where nobody wrote next steps, the open
// action items are. Where nobody wrote anything of the talk, there is no note.
func (p *plan) noteLines() []line {
	summary, next := linesOf(p.in.Meeting.Summary), linesOf(p.in.Meeting.NextSteps)
	if len(summary) == 0 && len(next) == 0 {
		return nil // the action items alone are tasks
	}
	if len(next) == 0 {
		for _, item := range p.items() {
			next = append(next, line{kind: bullet, text: literal(item.Text)})
		}
	}
	var lines []line
	if len(summary) > 0 {
		lines = append(lines, line{heading, 1, "Summary"})
		lines = append(lines, summary...)
	}
	if len(next) > 0 {
		lines = append(lines, line{heading, 1, "Next steps"})
		lines = append(lines, next...)
	}
	return lines
}

// askWhoWasThere drafts the meeting as a question: nobody outside the
// organization is known by address, so there is nothing to log it on. Note and
// tasks wait for the answer.
func (p *plan) askWhoWasThere() {
	if _, logged := p.in.Written[createKey("meeting", logName)]; logged {
		return
	}
	wanted := p.logProperties()
	wanted[store.AttendeesProperty] = ""
	doubt := "nobody's address is known: who was there?"
	if len(p.people.Unknown) > 0 {
		var names []string
		for _, person := range p.people.Unknown {
			names = append(names, person.display())
		}
		doubt = "nobody's address is known: who was there? The platform names " + strings.Join(names, ", ")
	}
	p.add("meeting", logName, store.ActionContent{
		Label: p.title() + ", " + p.in.start().In(p.in.location()).Format("2 January 2006"), Purpose: "logs the meeting on those who attended",
		Properties: wanted, Doubt: doubt,
	})
}
