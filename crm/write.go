package crm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Attempt says who carries an action out, for the trail.
type Attempt struct {
	// Actor is who calls; empty means "follow-up", or the agent or script whose call
	// the action is.
	Actor store.Actor
	// OnBehalfOf is the ID of whom it is done for. No name, no address.
	OnBehalfOf string
}

// WriteResult is what became of an action. Reason holds no personal data.
type WriteResult struct {
	State    store.ActionState `json:"state"`
	RecordID string            `json:"record_id,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	// NeedsQuestion: nothing was written, and a human has to be asked first, for
	// Reason. The action can be asked about again (State is ready), or is being
	// asked about (asking).
	NeedsQuestion bool `json:"needs_question,omitempty"`
	// Current are the values that somebody else gave the record since the plan
	// was made, of the properties to write, if that is the reason. They are
	// words: never into a workflow's history.
	Current map[string]string `json:"-"`
	// Words are HubSpot's own about what it refused, for the question; Missing names
	// the properties whose values it asks for. They may quote values: never into a
	// workflow's history, a log or a column in clear.
	Words   string   `json:"-"`
	Missing []string `json:"-"`
	// OutcomeUnknown: it was sent, and nothing tells whether it happened (State
	// is unknown). A human has to look.
	OutcomeUnknown bool `json:"outcome_unknown,omitempty"`
}

// Write carries out one action, at most once. It may be called any number of
// times, at once or later, by any process: what is settled stays settled, and
// what was begun is looked after before anything is sent again. See the
// package's documentation for what is done when.
//
// An error means that the action is not settled: a [*RetryError] says when to
// call again; an error of the token's owner (a paused connection) passes through
// and the action is as it was.
func (g *Gate) Write(ctx context.Context, actionID uuid.UUID, attempt Attempt) (WriteResult, error) {
	result, err := g.write(ctx, actionID, attempt)
	if errors.Is(err, policy.ErrDenied) {
		// Its tool was turned to deny between two calls of this attempt.
		var checked store.Write
		if checked, err = g.store.CheckWrite(ctx, actionID); err == nil {
			result, err = verdict(checked)
		}
	}
	return result, wrap("carrying out action "+actionID.String(), err)
}

func (g *Gate) write(ctx context.Context, actionID uuid.UUID, attempt Attempt) (WriteResult, error) {
	checked, err := g.store.CheckWrite(ctx, actionID)
	if err != nil {
		return WriteResult{}, err
	}
	if checked.Step != store.WriteSend && checked.Step != store.WriteLook {
		return verdict(checked)
	}
	if attempt.Actor.Name == "" {
		attempt.Actor.Name = actorOf(checked.Action.Origin)
	}
	s, err := g.connect(ctx, g.limiter.writeAttempt(checked))
	if err != nil {
		return WriteResult{}, retry(err)
	}
	w := &writer{gate: g, session: s, attempt: attempt, Write: checked, since: time.Now().Add(-checked.Age)}
	var looked int64
	if checked.Step == store.WriteLook {
		result, settled, err := w.look(ctx)
		if err != nil || settled {
			return result, err
		}
		looked = checked.CallID
	}
	switch checked.Action.Tool.Operation {
	case policy.Create:
		return w.create(ctx, looked)
	case policy.Update:
		return w.update(ctx, looked)
	case policy.Archive:
		return w.archive(ctx, looked)
	default:
		return w.settle(ctx, store.ActionFailed, "", "this version does not "+string(checked.Action.Tool.Operation)+" records")
	}
}

// verdict is the result of a step at which nothing is sent.
func verdict(w store.Write) (WriteResult, error) {
	switch w.Step {
	case store.WriteSettled:
		return settled(w.Action), nil
	case store.WriteAsk:
		return WriteResult{State: w.Action.State, NeedsQuestion: true, Reason: w.Reason}, nil
	case store.WriteWait:
		return WriteResult{}, &RetryError{After: w.After, Reason: w.Reason}
	default:
		// Another attempt began meanwhile: whoever looks next finds its call.
		return WriteResult{}, &RetryError{After: time.Second, Reason: "another attempt at it has just begun"}
	}
}

func settled(a store.Action) WriteResult {
	return WriteResult{State: a.State, RecordID: a.RecordID, Reason: a.Reason, OutcomeUnknown: a.State == store.ActionUnknown}
}

// writer carries out one action once.
type writer struct {
	store.Write

	gate    *Gate
	session *session
	attempt Attempt
	// since is when the call that is open was begun.
	since time.Time
	// moved are records to be linked that were merged or archived since, by
	// "object/ID": the ID that they have now, or nothing. Known only after
	// HubSpot refused to link them.
	moved map[string]string
}

func (w *writer) object() string { return w.Action.Tool.Object }

// begin records the intent. Unless the result's Step is [store.WriteSend],
// nothing may be sent.
func (w *writer) begin(ctx context.Context, in store.WriteIntent) error {
	in.Actor, in.OnBehalfOf = w.attempt.Actor, w.attempt.OnBehalfOf
	begun, err := w.gate.store.BeginWrite(ctx, w.Action.ID, in)
	if err != nil {
		return err
	}
	w.Write, w.since = begun, time.Now().Add(-begun.Age)
	return nil
}

// end records how it ended, even if nobody waits for it any more.
func (w *writer) end(ctx context.Context, end store.WriteEnd) (WriteResult, error) {
	end.ActionID, end.NaturalKey = w.Action.ID, w.NaturalKey
	ctx, cancel := completing(ctx)
	defer cancel()
	a, err := w.gate.store.EndWrite(ctx, end)
	switch {
	case err != nil:
		return WriteResult{}, err
	case !a.State.Settled() && a.State != store.ActionUnknown && a.State != end.State:
		// Another attempt holds it: what this one found out, that one will, too.
		return WriteResult{}, &RetryError{After: time.Second, Reason: "another attempt at it is under way"}
	default:
		return settled(a), nil
	}
}

// settle ends the action without a call of its own. If an earlier call is open,
// its row says that its outcome was never learned.
func (w *writer) settle(ctx context.Context, state store.ActionState, recordID, reason string) (WriteResult, error) {
	return w.end(ctx, store.WriteEnd{
		CallID: w.CallID, State: state, RecordID: recordID, Reason: reason, Call: store.CallResult{Outcome: store.Unknown, Reason: reason},
	})
}

// insisted says that a human knew of the doubt and approved all the same: the
// question is not asked twice.
func (w *writer) insisted() bool { return w.ApprovalID != nil && w.Action.Content.Doubt != "" }

// ask stops for a human's word. What the caller has looked after did not happen.
func (w *writer) ask(ctx context.Context, looked int64, reason string, current map[string]string) (WriteResult, error) {
	if looked != 0 {
		end := store.WriteEnd{CallID: looked, State: store.ActionReady, Call: store.CallResult{Outcome: store.Unknown, Reason: "looked: " + reason}}
		if _, err := w.end(ctx, end); err != nil {
			return WriteResult{}, err
		}
	}
	return WriteResult{State: store.ActionReady, NeedsQuestion: true, Reason: reason, Current: current}, nil
}

// create sends a new record.
func (w *writer) create(ctx context.Context, looked int64) (WriteResult, error) {
	if result, done, err := w.existing(ctx, looked); done || err != nil {
		return result, err
	}
	keyed, err := w.reader().keyed(ctx, w.object())
	if err != nil {
		return WriteResult{}, err
	}
	// Bounded: what HubSpot refuses for the key is sent without, and for a link
	// that is gone, without that.
	for range 3 {
		if result, done, err := w.claim(ctx, looked, keyed); done || err != nil {
			return result, err
		}
		looked = 0 // its row is closed; the open one is this call's
		in, notes, unlinkable := w.input()
		if unlinkable != "" {
			return w.notSent(ctx, store.ActionFailed, unlinkable)
		}
		var record hubspot.Record
		err := w.send(ctx, func(ctx context.Context, c *hubspot.Client) (err error) {
			record, err = c.Create(ctx, hubspot.Plural(w.object()), in)
			return err
		})
		refusal, _ := errors.AsType[*hubspot.Error](err)
		switch {
		case err == nil:
			return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: record.ID, Reason: notes, Call: outcome(nil)})
		case keyed && keyRefused(err):
			w.reader().notKeyed(w.object())
			keyed = false
		case refusal != nil && errors.Is(err, hubspot.ErrConflict):
			return w.conflict(ctx, refusal)
		case w.moved == nil && linkRefused(refusal) && len(in.Associations) > 0:
			if result, done, err := w.followLinks(ctx, refusal); done || err != nil {
				return result, err
			}
			continue
		default:
			return w.sent(ctx, err)
		}
		if result, err := w.notDone(ctx, err); result.State != store.ActionReady || err != nil {
			return result, err
		}
	}
	return WriteResult{}, &RetryError{After: time.Second, Reason: "what it needs in HubSpot is changing"}
}

// claim begins the create, or adopts the record that another action made for its
// natural key. Not done and no error means: begun, it has to be sent.
func (w *writer) claim(ctx context.Context, looked int64, keyed bool) (result WriteResult, done bool, err error) {
	gone := ""
	// Bounded: each turn needs a claim whose record is gone.
	for range 3 {
		if err := w.begin(ctx, store.WriteIntent{Looked: looked, Gone: gone, Keyed: keyed}); err != nil {
			return WriteResult{}, true, err
		}
		if w.Step == store.WriteSend {
			return WriteResult{}, false, nil
		}
		if w.Step != store.WriteAdopt {
			break
		}
		claimed := w.RecordID
		record, err := w.read(ctx, claimed, nil, "seeing whether the record that another action created is there")
		switch {
		case err == nil: // with another ID, if it was merged
			result, err = w.adopt(ctx, record.ID, "another action created the same "+w.object())
			return result, true, err
		case errors.Is(err, hubspot.ErrNotFound):
			archived, err := w.archived(ctx, claimed)
			if err != nil {
				return WriteResult{}, true, retry(err)
			}
			if archived && !w.insisted() {
				result, err = w.ask(ctx, looked, "the same "+w.object()+" was created before, and archived in HubSpot since", nil)
				return result, true, err
			}
			gone = claimed
		case errors.Is(err, hubspot.ErrMissingScopes):
			result, err = w.ask(ctx, looked, whyRefused(err), nil)
			return result, true, err
		case refused(err):
			result, err = w.settle(ctx, store.ActionFailed, "", whyRefused(err))
			return result, true, err
		default:
			return WriteResult{}, true, retry(err)
		}
	}
	result, err = verdict(w.Write)
	return result, true, err
}

// input is what to send, with a note on each link that is left out. unlinkable is
// why it can't be sent at all.
func (w *writer) input() (in hubspot.CreateInput, notes, unlinkable string) {
	in.Properties = w.Properties
	var left []string
	for _, ref := range w.Associations {
		typeID, ok := hubspot.AssociationTypeID(hubspot.Plural(w.object()), hubspot.Plural(ref.Object))
		if !ok {
			return in, "", fmt.Sprintf("a %s can't be created with a link to a %s", w.object(), ref.Object)
		}
		id := ref.RecordID
		if now, moved := w.moved[ref.Object+"/"+id]; moved {
			id = now
		}
		if id == "" {
			left = append(left, "not linked with the "+ref.Object+": it was archived in HubSpot")
			continue
		}
		if slices.ContainsFunc(in.Associations, func(a hubspot.Association) bool { return a.ToID == id && a.Types[0].TypeID == typeID }) {
			continue // two that were merged
		}
		in.Associations = append(in.Associations, hubspot.Association{
			ToID: id, Types: []hubspot.AssociationType{{Category: hubspot.HubSpotDefined, TypeID: typeID}},
		})
	}
	return in, strings.Join(left, "; "), ""
}

// linkRefused says that HubSpot may have refused a create for what it links: it
// names no property.
func linkRefused(e *hubspot.Error) bool {
	return e != nil && len(e.Properties) == 0 && (errors.Is(e, hubspot.ErrValidation) || errors.Is(e, hubspot.ErrNotFound))
}

// followLinks sees what became of the records that HubSpot refused to link. Not
// done and no error means: some were merged or archived, it may be sent without.
func (w *writer) followLinks(ctx context.Context, refusal *hubspot.Error) (result WriteResult, done bool, err error) {
	associations := w.Associations
	if result, err := w.notDone(ctx, refusal); result.State != store.ActionReady || err != nil {
		return result, true, err
	}
	w.CallID = 0
	moved := map[string]string{}
	for _, ref := range associations {
		now, err := w.follow(ctx, ref)
		switch {
		case refused(err): // nobody lets us look
		case err != nil:
			return WriteResult{}, true, retry(err)
		case now == "" && ref.Required && !w.insisted():
			result, err = w.ask(ctx, 0, "the "+ref.Object+" that it belongs to was archived in HubSpot", nil)
			return result, true, err
		case now == "" && ref.Required:
			result, err = w.settle(ctx, store.ActionSkipped, "", "it needs the "+ref.Object+" that it belongs to, which is archived in HubSpot")
			return result, true, err
		case now != ref.RecordID:
			moved[ref.Object+"/"+ref.RecordID] = now
		}
	}
	if len(moved) == 0 {
		result, err = w.settle(ctx, store.ActionFailed, "", whyRefused(refusal))
		return result, true, err
	}
	w.moved = moved
	return WriteResult{}, false, nil
}

// send makes the call that begin recorded. Its time counts from the record: who
// looks later must know when the call can no longer be on its way.
func (w *writer) send(ctx context.Context, call func(context.Context, *hubspot.Client) error) error {
	ctx, cancel := context.WithDeadline(ctx, w.since.Add(w.gate.callTimeout))
	defer cancel()
	return w.session.do(ctx, call)
}

// sent records what came of the call that begin recorded and that did not succeed.
func (w *writer) sent(ctx context.Context, err error) (WriteResult, error) {
	switch {
	case hubspot.OutcomeUnknown(err):
		if ctx.Err() != nil {
			return WriteResult{}, err // the next attempt looks
		}
		result, settled, err := w.look(ctx)
		if err == nil && !settled {
			err = &RetryError{After: unsentWait, Reason: "its answer was lost, and it did not happen; it can be sent again"}
		}
		return result, err
	case errors.Is(err, hubspot.ErrMissingScopes):
		// Reconnecting helps, and then somebody has to say so.
		result, endErr := w.notDone(ctx, err)
		if endErr == nil && result.State == store.ActionReady {
			result.NeedsQuestion, result.Reason = true, whyRefused(err)
		}
		return result, endErr
	case amendable(err):
		// Another value helps, and a human may write one.
		result, endErr := w.notDone(ctx, err)
		if endErr == nil && result.State == store.ActionReady {
			result.NeedsQuestion, result.Reason = true, whyRefused(err)
			result.Words, result.Missing = wordsOf(err)
		}
		return result, endErr
	case refused(err):
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionFailed, Reason: whyRefused(err), Call: outcome(err)})
	default:
		// The next attempt begins anew.
		if _, endErr := w.notDone(ctx, err); endErr != nil {
			return WriteResult{}, errors.Join(err, endErr)
		}
		return WriteResult{}, retry(err)
	}
}

// notDone ends the call that begin recorded, which changed nothing: the action is
// ready again.
func (w *writer) notDone(ctx context.Context, err error) (WriteResult, error) {
	return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionReady, Call: outcome(err)})
}

// notSent ends what begin recorded without a call.
func (w *writer) notSent(ctx context.Context, state store.ActionState, reason string) (WriteResult, error) {
	return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: state, Reason: reason, Call: store.CallResult{Outcome: store.Refused, Reason: reason}})
}

// conflict is a record that has a value which must be unique. If that is the
// action's key, an earlier send made it; if it is a contact's address, the contact
// is the one, and not ours.
func (w *writer) conflict(ctx context.Context, e *hubspot.Error) (WriteResult, error) {
	id := word(e.ExistingID)
	var err error
	if key := w.Properties[store.KeyProperty]; key != "" {
		idProperty, by := "", id
		if id == "" {
			idProperty, by = store.KeyProperty, key
		}
		var record hubspot.Record
		names := slices.Sorted(maps.Keys(w.Properties))
		record, err = w.readBy(ctx, idProperty, by, names, "seeing whether the record is this action's")
		if err == nil && record.Properties[store.KeyProperty] == key {
			found := store.CallResult{Outcome: store.Done, Reason: "an earlier call had created it; HubSpot refused to do it twice"}
			reason := ""
			names = slices.DeleteFunc(names, func(name string) bool { return SameValue(record.Properties[name], w.Properties[name]) })
			if len(names) > 0 {
				// It may have been asked about and edited in between.
				reason = "an earlier call created it; not as it was sent last: " + list(names)
			}
			return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: record.ID, Reason: reason, Call: found})
		}
	}
	contact := w.object() == "contact" && w.Properties["email"] != ""
	if (err == nil || refused(err)) && contact && id == "" {
		var record hubspot.Record
		record, err = w.readBy(ctx, "email", w.Properties["email"], nil, "finding the contact that has the address")
		id = record.ID
	}
	switch {
	case err != nil && !refused(err):
		_, endErr := w.notDone(ctx, e)
		return WriteResult{}, errors.Join(retry(err), endErr)
	case !contact || id == "":
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionFailed, Reason: whyRefused(e), Call: outcome(e)})
	}
	// Back to ready first: the links that follow are calls of their own, and a
	// process that dies among them comes here again by the same conflict.
	if result, err := w.notDone(ctx, e); result.State != store.ActionReady || err != nil {
		return result, err
	}
	w.CallID = 0
	return w.adopt(ctx, id, "HubSpot has the contact already")
}

// adopt takes a record that exists for the one to be created. The links that the
// create would have made are made; that is an update of both ends.
func (w *writer) adopt(ctx context.Context, recordID, reason string) (WriteResult, error) {
	notes, _, err := w.associate(ctx, recordID)
	if err != nil {
		return WriteResult{}, err
	}
	return w.settle(ctx, store.ActionUnchanged, recordID, strings.Join(append([]string{reason}, notes...), "; "))
}

// update changes a record.
func (w *writer) update(ctx context.Context, looked int64) (WriteResult, error) {
	target, same, result, done, err := w.current(ctx, looked)
	if done || err != nil {
		return result, err
	}
	notes, denied, err := w.associate(ctx, target)
	switch {
	case err != nil:
		return WriteResult{}, err
	case denied != nil && denied.ask:
		return w.ask(ctx, looked, denied.reason, nil)
	case denied != nil:
		return w.settle(ctx, store.ActionDenied, "", denied.reason)
	}
	reason := strings.Join(notes, "; ")
	if same {
		state := store.ActionUnchanged
		if looked != 0 || len(w.Associations) > len(notes) {
			state = store.ActionWritten
		}
		return w.settle(ctx, state, target, reason)
	}
	if len(w.Associations) > 0 {
		// The links took their time: what stands there is read directly before it
		// is overwritten.
		if target, _, result, done, err = w.current(ctx, looked); done || err != nil {
			return result, err
		}
	}
	if err := w.begin(ctx, store.WriteIntent{Looked: looked}); err != nil {
		return WriteResult{}, err
	}
	if w.Step != store.WriteSend {
		return verdict(w.Write)
	}
	err = w.send(ctx, func(ctx context.Context, c *hubspot.Client) error {
		_, err := c.Update(ctx, hubspot.Plural(w.object()), target, w.Properties)
		return err
	})
	if err == nil {
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: target, Reason: reason, Call: outcome(nil)})
	}
	return w.sent(ctx, err)
}

// current reads the record to be changed: which one it is by now, and whether it
// has the values already. done says that the result is the answer to the attempt:
// the record is not there any more, or is not as the plan knew it.
func (w *writer) current(ctx context.Context, looked int64) (target string, same bool, result WriteResult, done bool, err error) {
	names := slices.Sorted(maps.Keys(w.Properties))
	answer := func(r WriteResult, err error) (string, bool, WriteResult, bool, error) {
		return "", false, r, true, err
	}
	record, err := w.read(ctx, w.TargetID, names, "reading the record before changing it")
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		archived, err := w.archived(ctx, w.TargetID)
		switch {
		case err != nil:
			return answer(WriteResult{}, retry(err))
		case archived && !w.insisted():
			return answer(w.ask(ctx, looked, "the record was archived in HubSpot: restore it there and approve, or reject", nil))
		case archived:
			return answer(w.settle(ctx, store.ActionFailed, "", "the record is archived in HubSpot"))
		}
		return answer(w.settle(ctx, store.ActionFailed, "", "the record does not exist any more"))
	case errors.Is(err, hubspot.ErrMissingScopes):
		return answer(w.ask(ctx, looked, whyRefused(err), nil))
	case refused(err):
		return answer(w.settle(ctx, store.ActionFailed, "", whyRefused(err)))
	case err != nil:
		return answer(WriteResult{}, retry(err))
	case record.ID != w.TargetID && !w.insisted():
		return answer(w.ask(ctx, looked, "the record was merged into "+word(record.ID), nil))
	}
	foreign, same := w.compare(record.Properties)
	if len(foreign) > 0 {
		return answer(w.ask(ctx, looked, "changed in HubSpot since the question: "+list(foreign), values(record.Properties, names)))
	}
	return record.ID, same, WriteResult{}, false, nil
}

// archived says that a record is in HubSpot's recycle bin.
func (w *writer) archived(ctx context.Context, id string) (bool, error) {
	err := w.own(ctx, nil, "seeing whether the record was archived", func(ctx context.Context, c *hubspot.Client) (string, error) {
		_, err := c.Get(ctx, hubspot.Plural(w.object()), id, hubspot.GetOptions{Archived: true})
		return id, err
	})
	if refused(err) {
		return false, nil // gone for good, for all that can be told
	}
	return err == nil, err
}

// compare says which properties somebody else changed: they have neither the
// value from which the plan was made nor the one to write. A property without a
// value in Before had none, unless the record is one that this origin created.
func (w *writer) compare(current map[string]string) (foreign []string, same bool) {
	c := w.Action.Content
	same = true
	for _, name := range slices.Sorted(maps.Keys(w.Properties)) {
		if SameValue(current[name], w.Properties[name]) {
			continue
		}
		same = false
		before, known := c.Before[name]
		if !known && w.TargetIsNew {
			continue
		}
		if !SameValue(current[name], before) {
			foreign = append(foreign, name)
		}
	}
	return foreign, same
}

func values(all map[string]string, names []string) map[string]string {
	out := make(map[string]string, len(names))
	for _, name := range names {
		out[name] = all[name]
	}
	return out
}

// SameValue says that two property values mean the same to HubSpot, which
// rewrites numbers and times as it likes.
func SameValue(a, b string) bool {
	if a == b {
		return true
	}
	if plainNumber(a) && plainNumber(b) {
		return hubspot.SameNumber(a, b)
	}
	if strings.ContainsAny(a, "-T") || strings.ContainsAny(b, "-T") {
		x, err1 := hubspot.ParseDateTime(a)
		y, err2 := hubspot.ParseDateTime(b)
		return err1 == nil && err2 == nil && x.Equal(y)
	}
	return false
}

// plainNumber leaves out what is digits and no number: "+49 30…", "007".
func plainNumber(s string) bool {
	trimmed := strings.TrimPrefix(s, "-")
	if trimmed == "" || strings.Trim(trimmed, "0123456789.") != "" {
		return false
	}
	return trimmed[0] != '0' || len(trimmed) == 1 || trimmed[1] == '.'
}

// refusal is why links may not be made.
type refusal struct {
	reason string
	// ask: a human's approval of the action would do.
	ask bool
}

// associate links a record that exists with what the action names. Links are
// updates of both ends; a human's approval of the action covers them where such
// a tool is set to ask. What may not or can't be linked is left out and noted,
// unless an update requires it: then it is the refusal.
func (w *writer) associate(ctx context.Context, recordID string) (notes []string, denied *refusal, err error) {
	for _, ref := range w.Associations {
		tools := []policy.Tool{{Object: w.object(), Operation: policy.Update}}
		if other := (policy.Tool{Object: ref.Object, Operation: policy.Update}); other != tools[0] {
			tools = append(tools, other)
		}
		e := w.entry(tools[0], "linking it with "+ref.Object+" "+word(ref.RecordID))
		e.RecordID = recordID
		err := w.gate.audited(ctx, w.session, e, tools, w.ApprovalID != nil, func(ctx context.Context, c *hubspot.Client) (string, error) {
			return recordID, c.AssociateDefault(ctx, hubspot.Plural(w.object()), recordID, hubspot.Plural(ref.Object), ref.RecordID)
		})
		refusedTool, isDenied := errors.AsType[*policy.DeniedError](err)
		switch {
		case err == nil:
		case isDenied && w.Action.Tool.Operation == policy.Update && w.ApprovalID == nil && w.asks(ctx, refusedTool.Tool):
			return notes, &refusal{reason: refusedTool.Reason, ask: true}, nil
		case isDenied && w.Action.Tool.Operation == policy.Update && ref.Required:
			return notes, &refusal{reason: refusedTool.Reason}, nil
		case isDenied:
			notes = append(notes, "not linked with the "+ref.Object+": "+refusedTool.Reason)
		case refused(err):
			notes = append(notes, "not linked with the "+ref.Object+": "+whyRefused(err))
		default:
			return notes, nil, retry(err)
		}
	}
	return notes, nil, nil
}

// asks says that a tool is set to ask, rather than denied.
func (w *writer) asks(ctx context.Context, tool policy.Tool) bool {
	d, err := w.gate.store.Permission(ctx, w.Action.OrganizationID, tool)
	return err == nil && d.Permission == policy.Ask
}

// entry is the audit row of a call beside the write itself. It carries no
// values: that is how the write's own row is known.
func (w *writer) entry(tool policy.Tool, reason string) store.AuditEntry {
	a := w.Action
	return store.AuditEntry{
		OrganizationID: a.OrganizationID, Actor: w.attempt.Actor, OnBehalfOf: w.attempt.OnBehalfOf, Origin: a.Origin, Round: a.Round,
		ActionID: &a.ID, ApprovalID: w.ApprovalID, Tool: tool, ConnectionID: &w.ConnectionID, Reason: reason,
	}
}

// own makes a read that the write itself needs. It goes through the write's tool,
// which the action may use.
func (w *writer) own(ctx context.Context, properties []string, reason string, call func(context.Context, *hubspot.Client) (string, error)) error {
	e := w.entry(w.Action.Tool, reason)
	e.Properties = slices.Clone(properties)
	return w.gate.audited(ctx, w.session, e, []policy.Tool{w.Action.Tool}, true, call)
}

func (w *writer) read(ctx context.Context, id string, properties []string, reason string) (hubspot.Record, error) {
	return w.readBy(ctx, "", id, properties, reason)
}

func (w *writer) readBy(ctx context.Context, idProperty, id string, properties []string, reason string) (hubspot.Record, error) {
	var record hubspot.Record
	err := w.own(ctx, properties, reason, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		record, err = c.Get(ctx, hubspot.Plural(w.object()), id, hubspot.GetOptions{Properties: properties, IDProperty: idProperty})
		return record.ID, err
	})
	return record, err
}
