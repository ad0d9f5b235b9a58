package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// OriginUndo is the kind of origin of what undoes a meeting's actions. The
// origin's ID is the meeting's: its follow-up carries the undo.
const OriginUndo = "undo"

// ofMeeting says whether the origin's ID is that of a row among the meetings.
func (o Origin) ofMeeting() bool {
	return o.Kind == originMeeting || o.Kind == OriginUndo || o.ofCall()
}

// UndoState is how far the latest undo of a meeting has come.
type UndoState string

// The states of an undo. One that is planned goes on as its actions say.
const (
	UndoNone      UndoState = ""
	UndoRequested UndoState = "requested"
	UndoPlanned   UndoState = "planned"
)

// Undo is what an undo of a meeting would do, as far as Postgres can tell:
// whether somebody changed the records since is for HubSpot to say.
type Undo struct {
	// Number of the undo that is requested, or else of the next one; from 1.
	Number int `json:"number"`
	// State is that of the latest one.
	State       UndoState  `json:"state,omitempty"`
	RequestedAt *time.Time `json:"requested_at,omitempty"`
	RequestedBy string     `json:"requested_by,omitempty"`
	// Items in the order in which they should be read and run.
	Items []UndoItem `json:"items"`
}

// UndoItem is one record that an undo restores or archives.
type UndoItem struct {
	// Key is that of the action that it becomes.
	Key string `json:"key"`
	// Tool is the update that restores values, or the archive of a record that
	// the meeting created.
	Tool     policy.Tool `json:"tool"`
	RecordID string      `json:"record_id"`
	Label    string      `json:"label"`
	// ConnectionID is what the record was written through.
	ConnectionID *uuid.UUID `json:"connection_id,omitempty"`
	// Actions are what it undoes, the oldest first.
	Actions []uuid.UUID `json:"actions"`
	// Changes of an update: from what was written (Before) to what was there
	// before that (After).
	Changes []Change `json:"changes,omitempty"`
	// DependsOn are keys of items that come first: what hangs on a record goes
	// before the record.
	DependsOn []string `json:"depends_on,omitempty"`
	// Permission is what the tool may do now, whatever it is used for.
	Permission policy.Permission `json:"permission"`
	// Why is the reason, without personal data, for which it can't be undone;
	// empty if it can be tried.
	Why string `json:"why,omitempty"`
}

// Undone says which actions were undone, of all actions of a meeting.
func Undone(actions []Action) map[uuid.UUID]bool {
	undone := map[uuid.UUID]bool{}
	for _, a := range actions {
		if a.Origin.Kind != OriginUndo || !a.State.Happened() {
			continue
		}
		for _, id := range a.Content.Undoes {
			undone[id] = true
		}
	}
	return undone
}

// UndoPreview says what an undo of a meeting would do.
func (s *Store) UndoPreview(ctx context.Context, organizationID, meetingID uuid.UUID) (Undo, error) {
	var u Undo
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var requested, planned int
		err := tx.QueryRow(ctx, `
			select undo_requested, undo_planned, undo_requested_at, undo_requested_by from follow_ups
			where organization_id = $1 and meeting_id = $2`, organizationID, meetingID).Scan(&requested, &planned, &u.RequestedAt, &u.RequestedBy)
		if err != nil {
			return notFound(err, "reading the follow-up")
		}
		u.Number = requested + 1
		switch {
		case requested > planned:
			u.Number, u.State = requested, UndoRequested
		case planned > 0:
			u.State = UndoPlanned
		}
		actions, err := s.queryActions(ctx, tx, `where a.organization_id = $1 and a.origin_id = $2 order by a.position, a.id`, organizationID, meetingID)
		if err != nil {
			return err
		}
		if u.Items, err = s.undoItems(ctx, tx, meetingID, u.Number, actions); err != nil {
			return err
		}
		judge, err := s.judgeOf(ctx, tx, organizationID, Origin{Kind: OriginUndo, ID: meetingID})
		if err != nil {
			return err
		}
		for i := range u.Items {
			u.Items[i].Permission = judge.tool(u.Items[i].Tool).Permission
		}
		return nil
	})
	if err != nil {
		return Undo{}, fmt.Errorf("looking what an undo of meeting %s would do: %w", meetingID, err)
	}
	return u, nil
}

// sentCall is a write of a meeting's action that went through.
type sentCall struct {
	actionID uuid.UUID
	// order is that in which calls began.
	order int64
	// values that were sent; the key of a create is none of the record's.
	values map[string]string
}

// sentCalls reads what was sent for a meeting's actions, in order. A call whose
// words were erased is left out.
func (s *Store) sentCalls(ctx context.Context, q querier, meetingID uuid.UUID) ([]sentCall, error) {
	rows, err := q.Query(ctx, `
		select a.id, a.action_id, d.data_key_id, d.sealed from audit a join audit_details d on d.audit_id = a.id
		where a.origin_id = $1 and a.origin_kind <> $2 and a.kind = 'call' and a.outcome = 'done' and a.value_macs <> '{}' and a.action_id is not null
		order by a.id`, meetingID, OriginUndo)
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	type row struct {
		id       int64
		actionID uuid.UUID
		keyID    *uuid.UUID
		sealed   []byte
	}
	raws, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (raw row, err error) {
		err = r.Scan(&raw.id, &raw.actionID, &raw.keyID, &raw.sealed)
		return raw, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	var calls []sentCall
	for _, raw := range raws {
		key, err := s.dataKey(ctx, q, raw.keyID)
		if errors.Is(err, ErrErased) {
			continue
		}
		if err != nil {
			return nil, err
		}
		call := sentCall{actionID: raw.actionID, order: raw.id}
		if err := openJSON(key, raw.sealed, &call.values, auditDetailsPlace(raw.id)); err != nil {
			return nil, err
		}
		delete(call.values, KeyProperty)
		calls = append(calls, call)
	}
	return calls, nil
}

// undoItems says what an undo would do about each record that the meeting's
// actions have written and that was not undone before.
func (s *Store) undoItems(ctx context.Context, q querier, meetingID uuid.UUID, number int, actions []Action) ([]UndoItem, error) {
	calls, err := s.sentCalls(ctx, q, meetingID)
	if err != nil {
		return nil, err
	}
	last := map[uuid.UUID]sentCall{}
	for _, c := range calls {
		last[c.actionID] = c
	}
	undone := Undone(actions)
	var originals []Action
	for _, a := range actions {
		if a.Origin.Kind != OriginUndo && !undone[a.ID] {
			originals = append(originals, a)
		}
	}
	// As they were written, so that the oldest value of a property is met first.
	slices.SortStableFunc(originals, func(a, b Action) int { return int(last[a.ID].order - last[b.ID].order) })

	u := undoer{number: number, sent: last, byRecord: map[string]int{}}
	for _, a := range originals {
		u.add(a)
	}
	return u.ordered(actions), nil
}

// undoer collects what has to be undone, record by record.
type undoer struct {
	number   int
	sent     map[uuid.UUID]sentCall
	items    []UndoItem
	byRecord map[string]int
}

func (u *undoer) key(a Action) string { return fmt.Sprintf("%s%d/%s", undoPrefix, u.number, a.Key) }

const undoPrefix = "undo/"

func (u *undoer) add(a Action) {
	item := UndoItem{
		Key: u.key(a), Tool: policy.Tool{Object: a.Tool.Object, Operation: policy.Update}, RecordID: a.RecordID, Label: a.Content.Label,
		ConnectionID: a.ConnectionID, Actions: []uuid.UUID{a.ID},
	}
	if a.MayExistSince != nil || a.State == ActionUnknown {
		item.RecordID = a.TargetID
		if a.Tool.Operation == policy.Create {
			item.Tool.Operation = policy.Archive
		}
		item.Why = "whether it was written is not known: look in HubSpot, answer the question about it, and undo again"
		u.items = append(u.items, item)
		return
	}
	if !a.State.Happened() {
		return
	}
	if links := linksMade(a); links != "" {
		stay := item
		stay.Key, stay.Why = item.Key+"/links", "its links stay ("+links+"): Debrief takes none away"
		defer func() { u.items = append(u.items, stay) }()
	}
	if a.State != ActionWritten {
		return // the record was there, and is as it was
	}
	record := a.Tool.Object + "/" + a.RecordID
	known, isKnown := u.byRecord[record]
	switch {
	case a.Tool.Operation == policy.Create:
		item.Tool.Operation = policy.Archive
	case len(u.sent[a.ID].values) == 0:
		return // links alone, or its words were erased
	case isKnown && u.items[known].Tool.Operation == policy.Archive:
		// It goes with its record.
		u.items[known].Actions = append(u.items[known].Actions, a.ID)
		return
	default:
	}
	if !isKnown {
		u.byRecord[record] = len(u.items)
		known = len(u.items)
		u.items = append(u.items, item)
	} else {
		u.items[known].Actions = append(u.items[known].Actions, a.ID)
	}
	if item.Tool.Operation == policy.Update {
		u.items[known].Changes = restored(u.items[known].Changes, a.Content.Before, u.sent[a.ID].values)
	}
}

// restored adds what one write changed to what earlier ones of the same record
// did: the oldest value is the one to go back to.
func restored(changes []Change, before, sent map[string]string) []Change {
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		i := slices.IndexFunc(changes, func(c Change) bool { return c.Property == name })
		if i < 0 {
			changes = append(changes, Change{Property: name, Before: sent[name], After: before[name]})
			continue
		}
		changes[i].Before = sent[name]
	}
	// What an approver or a later round put back needs nothing.
	return slices.DeleteFunc(changes, func(c Change) bool { return c.Before == c.After })
}

// linksMade are the types of what an action linked a record with that was there.
func linksMade(a Action) string {
	if a.Tool.Operation == policy.Create && a.State == ActionWritten {
		return "" // they go with the record
	}
	var objects []string
	for _, ref := range a.Content.Associations {
		if !slices.Contains(objects, ref.Object) {
			objects = append(objects, ref.Object)
		}
	}
	slices.Sort(objects)
	return strings.Join(objects, ", ")
}

// ordered puts what is restored first, and makes what hangs on a record go before
// the record; else what was written last comes first.
func (u *undoer) ordered(actions []Action) []UndoItem {
	u.items = slices.DeleteFunc(u.items, func(i UndoItem) bool {
		return i.Tool.Operation == policy.Update && i.Why == "" && len(i.Changes) == 0
	})
	byID, byKey := map[uuid.UUID]Action{}, map[string]Action{}
	for _, a := range actions {
		byID[a.ID], byKey[a.Key] = a, a
	}
	slices.SortStableFunc(u.items, func(a, b UndoItem) int { return byID[b.Actions[0]].Position - byID[a.Actions[0]].Position })
	archives := map[uuid.UUID]*UndoItem{} // by the create
	for i := range u.items {
		if item := &u.items[i]; item.Tool.Operation == policy.Archive && item.Why == "" {
			archives[item.Actions[0]] = item
		}
	}
	for id, item := range archives {
		for _, ref := range byID[id].Content.Associations {
			other := archives[byKey[ref.Key].ID]
			switch {
			case other == nil:
			case hangsOn(item.Tool.Object, other.Tool.Object):
				other.DependsOn = append(other.DependsOn, item.Key)
			case hangsOn(other.Tool.Object, item.Tool.Object):
				item.DependsOn = append(item.DependsOn, other.Key)
			}
		}
	}
	for i := range u.items {
		slices.Sort(u.items[i].DependsOn)
		u.items[i].DependsOn = slices.Compact(u.items[i].DependsOn)
	}
	// Dependents are read, and run, after what they depend on.
	slices.SortStableFunc(u.items, func(a, b UndoItem) int { return standing(a) - standing(b) })
	return u.items
}

// standing orders object types by what hangs on what: the log on all, deals and
// tickets on people and companies, people on their company.
func standing(i UndoItem) int {
	if i.Tool.Operation != policy.Archive {
		return 0
	}
	return rankOf(i.Tool.Object)
}

func rankOf(object string) int {
	switch object {
	case "meeting", "note", "task":
		return 1
	case "contact":
		return 3
	case "company":
		return 4
	default:
		return 2
	}
}

// hangsOn says whether records of a type are there for those of another one.
func hangsOn(object, on string) bool { return rankOf(object) < rankOf(on) }

// RequestUndo asks for what was written for a meeting to be undone. What was not
// written yet is not going to be: open questions are withdrawn. The follow-up's
// workflow plans the undo; each step of it passes permissions like any other. It
// fails with a [*Refusal] where there is nothing to undo, where one is under way,
// and for a person who may not answer for the meeting.
func (s *Store) RequestUndo(ctx context.Context, organizationID, meetingID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
		if err != nil {
			return err
		}
		if err := s.mayUndo(ctx, tx, f, actor); err != nil {
			return err
		}
		if f.over() {
			return refuse("The words of this meeting were erased: nobody knows any more what was there before.")
		}
		if f.undoPending() {
			return refuse("It is being undone already.")
		}
		actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update`, meetingID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(actions, func(a Action) bool { return a.Origin.Kind == OriginUndo && !a.State.Settled() }) {
			return refuse("Its undo is under way: answer first what is asked about it.")
		}
		items, err := s.undoItems(ctx, tx, meetingID, f.undoRequested+1, actions)
		if err != nil {
			return err
		}
		writing := slices.ContainsFunc(actions, func(a Action) bool { return a.State == ActionWriting })
		if !writing && !slices.ContainsFunc(items, func(i UndoItem) bool { return i.Why == "" }) {
			return refuse("Nothing was written for this meeting that could be undone.")
		}
		if err := s.leaveOpen(ctx, tx, f, actions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			update follow_ups set undo_requested = undo_requested + 1, undo_requested_at = now(), undo_requested_by = $2, undo_requested_by_id = $3,
			                      state = 'open', closed_at = null
			where meeting_id = $1`, meetingID, actor.Name, actor.PersonID); err != nil {
			return fmt.Errorf("recording the request: %w", err)
		}
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditDecision, Actor: actor, Origin: Origin{Kind: OriginUndo, ID: meetingID}, Round: f.round,
			Reason: fmt.Sprintf("undo %d asked for", f.undoRequested+1),
		}); err != nil {
			return err
		}
		return s.wake(ctx, tx, organizationID, meetingID, "undo asked for")
	})
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	if err != nil {
		return fmt.Errorf("asking to undo meeting %s: %w", meetingID, err)
	}
	return nil
}

// mayUndo lets those undo who may answer questions about the meeting.
func (s *Store) mayUndo(ctx context.Context, tx pgx.Tx, f *followUp, actor Actor) error {
	if actor.PersonID == nil {
		return nil
	}
	_, err := s.rightsOfPerson(ctx, tx, f, Action{OrganizationID: f.organizationID, Origin: f.origin()}, *actor.PersonID)
	if _, refused := errors.AsType[*Refusal](err); refused {
		return refuse("Only the meeting's host, those who attended it, and approvers may undo what was done for it.")
	}
	return err
}

// undoPending says that an undo was asked for and is not planned.
func (f *followUp) undoPending() bool { return f.undoRequested > f.undoPlanned }

// undoNext says whether the undo that is pending can be planned: what is being
// written has to end before.
func (f *followUp) undoNext(actions []Action) bool {
	return f.undoPending() && !slices.ContainsFunc(actions, func(a Action) bool { return a.State == ActionWriting })
}

// AfterUndo is the doubt about everything that a meeting wants written after what
// it had written was undone.
const AfterUndo = "what was written for this meeting before was undone, so nothing is written for it again without asking"

// leaveOpen settles what was not written before an undo: whoever undoes a meeting
// says no to the rest of it. What may have been written stays a question.
func (s *Store) leaveOpen(ctx context.Context, tx pgx.Tx, f *followUp, actions []Action) error {
	for _, a := range actions {
		if a.Origin.Kind == OriginUndo || a.MayExistSince != nil || (a.State != ActionAsking && a.State != ActionReady) {
			continue
		}
		if err := s.settle(ctx, tx, f, a, ActionRejected, "the meeting was undone"); err != nil {
			return err
		}
	}
	return nil
}

// UndoPlan is what an undo is going to do, after a look at HubSpot.
type UndoPlan struct {
	OrganizationID uuid.UUID
	MeetingID      uuid.UUID
	// Number is that of the undo: [Undo.Number].
	Number int
	Steps  []UndoStep
}

// UndoStep is one action of an undo.
type UndoStep struct {
	Draft

	ConnectionID *uuid.UUID
	// Kept is why it is left as it is, without personal data; empty if it is to
	// be done.
	Kept string
}

// SaveUndo stores the plan of an undo that was asked for: each step gets its
// permission, and what is left as it is stands there with the reason, for people
// to read. Saving it again changes nothing; and while something is being written
// for the meeting, it is not saved: look again.
func (s *Store) SaveUndo(ctx context.Context, p UndoPlan) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, p.OrganizationID, p.MeetingID)
		if err != nil {
			return err
		}
		if f.over() || p.Number != f.undoRequested || !f.undoPending() {
			return nil
		}
		actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update`, p.MeetingID)
		if err != nil {
			return err
		}
		if !f.undoNext(actions) {
			return nil
		}
		// A plan that was on its way when the undo was asked for may have come since.
		if err := s.leaveOpen(ctx, tx, f, actions); err != nil {
			return err
		}
		position := 0
		for _, a := range actions {
			position = max(position, a.Position+1)
		}
		if err := s.saveSteps(ctx, tx, f, p.Steps, position); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update follow_ups set undo_planned = $2, state = 'open', closed_at = null where meeting_id = $1`, p.MeetingID, p.Number); err != nil {
			return fmt.Errorf("recording the plan: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("saving the undo of meeting %s: %w", p.MeetingID, err)
	}
	return nil
}

func (s *Store) saveSteps(ctx context.Context, tx pgx.Tx, f *followUp, steps []UndoStep, position int) error {
	key, err := s.dataKey(ctx, tx, f.dataKeyID)
	if err != nil {
		return err
	}
	origin := Origin{Kind: OriginUndo, ID: f.meetingID}
	judge, err := s.judgeOf(ctx, tx, f.organizationID, origin)
	if err != nil {
		return err
	}
	ids := map[string]uuid.UUID{}
	for _, step := range steps {
		ids[step.Key] = newID()
	}
	for i, step := range steps {
		var dependsOn []uuid.UUID
		for _, on := range step.DependsOn {
			if id, ok := ids[on]; ok {
				dependsOn = append(dependsOn, id)
			}
		}
		a := &Action{
			ID: ids[step.Key], OrganizationID: f.organizationID, Origin: origin, Round: f.round, Key: step.Key, Tool: step.Tool,
			TargetID: step.TargetID, Position: position + i, DependsOn: append([]uuid.UUID{}, dependsOn...), Content: step.Content,
			ConnectionID: step.ConnectionID, dataKeyID: f.dataKeyID,
		}
		if err := s.insertAction(ctx, tx, key, a); err != nil {
			return err
		}
		if step.Kept != "" {
			if err := setActionState(ctx, tx, a.ID, ActionSkipped, step.Kept); err != nil {
				return err
			}
			continue
		}
		if err := s.permit(ctx, tx, f, a, judge); err != nil {
			return err
		}
	}
	return nil
}

// Made is what Debrief has done to a record for one meeting, to compare with what
// HubSpot shows of it.
type Made struct {
	// Sent is the last value that was sent of each property.
	Sent map[string]string
	// Linked are the records that the meeting's actions linked it with, as
	// "object/ID"; Hanging those of them that the meeting created and that are there
	// for it: its note, its deal.
	Linked, Hanging map[string]bool
	// Going are the records that the meeting's undos archive, or have.
	Going map[string]bool
	// UsedElsewhere: another meeting has written to it, found it or wants to.
	UsedElsewhere bool
}

// Own says whether a link with a record is Debrief's own and no reason to keep
// it: what hangs on it goes, too.
func (m Made) Own(object, recordID string) bool {
	record := object + "/" + recordID
	return m.Going[record] || m.Linked[record] && !m.Hanging[record]
}

// MadeOf reads what Debrief has done to a record for a meeting.
func (s *Store) MadeOf(ctx context.Context, organizationID, meetingID uuid.UUID, object, recordID string) (Made, error) {
	m := Made{Sent: map[string]string{}, Linked: map[string]bool{}, Hanging: map[string]bool{}, Going: map[string]bool{}}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		actions, err := s.queryActions(ctx, tx, `where a.organization_id = $1 and a.origin_id = $2 order by a.position, a.id`, organizationID, meetingID)
		if err != nil {
			return err
		}
		m.read(actions, object+"/"+recordID)
		calls, err := s.sentCalls(ctx, tx, meetingID)
		if err != nil {
			return err
		}
		for _, c := range calls {
			i := slices.IndexFunc(actions, func(a Action) bool { return a.ID == c.actionID })
			if i >= 0 && actions[i].Tool.Object == object && actions[i].RecordID == recordID {
				maps.Copy(m.Sent, c.values)
			}
		}
		err = tx.QueryRow(ctx, `
			select exists (select from actions
			where organization_id = $1 and origin_id <> $2 and object_type = $3 and (record_id = $4 or target_id = $4)
			  and state in ('written', 'unchanged', 'writing', 'unknown', 'ready', 'asking'))`, organizationID, meetingID, object, recordID).Scan(&m.UsedElsewhere)
		if err != nil {
			return fmt.Errorf("looking who else uses the record: %w", err)
		}
		return nil
	})
	if err != nil {
		return Made{}, fmt.Errorf("reading what was done to a record for meeting %s: %w", meetingID, err)
	}
	return m, nil
}

func (m Made) read(actions []Action, record string) {
	object, _, _ := strings.Cut(record, "/")
	byKey, created := map[string]string{}, map[string]bool{}
	for _, a := range actions {
		self := a.Tool.Object + "/" + a.RecordID
		switch {
		case a.Tool.Operation == policy.Archive:
			if !a.State.Settled() || a.State.Happened() {
				m.Going[a.Tool.Object+"/"+a.TargetID] = true
			}
		case a.RecordID != "":
			byKey[a.Key] = self
			created[self] = created[self] || a.Tool.Operation == policy.Create && a.State == ActionWritten
		}
	}
	link := func(end string) {
		m.Linked[end] = true
		if other, _, _ := strings.Cut(end, "/"); created[end] && hangsOn(other, object) {
			m.Hanging[end] = true
		}
	}
	for _, a := range actions {
		if !a.State.Happened() || a.Origin.Kind == OriginUndo {
			continue
		}
		self := a.Tool.Object + "/" + a.RecordID
		for _, ref := range a.Content.Associations {
			end := ref.Object + "/" + ref.RecordID
			if ref.RecordID == "" {
				end = byKey[ref.Key]
			}
			switch record {
			case self:
				link(end)
			case end:
				link(self)
			}
		}
	}
}
