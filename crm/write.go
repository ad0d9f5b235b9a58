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
	// Actor is who calls; empty means "follow-up".
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
	if attempt.Actor.Name == "" {
		attempt.Actor.Name = defaultActor
	}
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
	s, err := g.connect(ctx, checked.ConnectionID)
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
}

func (w *writer) object() string { return w.Action.Tool.Object }

// begin records the intent. Unless the result's Step is [store.WriteSend],
// nothing may be sent.
func (w *writer) begin(ctx context.Context, looked int64, gone string) error {
	begun, err := w.gate.store.BeginWrite(ctx, w.Action.ID, store.WriteIntent{
		Actor: w.attempt.Actor, OnBehalfOf: w.attempt.OnBehalfOf, Looked: looked, Gone: gone,
	})
	if err != nil {
		return err
	}
	w.Write, w.since = begun, time.Now().Add(-begun.Age)
	return nil
}

// end records how it ended, even if nobody waits for it any more.
func (w *writer) end(ctx context.Context, end store.WriteEnd) (WriteResult, error) {
	end.ActionID = w.Action.ID
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
	if looked == 0 {
		existing, result, err := w.existing(ctx)
		if err != nil || result != nil {
			return deref(result), err
		}
		if existing != "" {
			return w.adopt(ctx, existing, "HubSpot has the "+w.object()+" by now")
		}
	}
	gone := ""
	// Bounded: each turn needs a claim whose record is gone.
	for range 3 {
		if err := w.begin(ctx, looked, gone); err != nil {
			return WriteResult{}, err
		}
		if w.Step != store.WriteAdopt {
			break
		}
		record, err := w.read(ctx, w.RecordID, nil, "seeing whether the record that another action created is there")
		switch {
		case err == nil:
			return w.adopt(ctx, record.ID, "another action created the same "+w.object())
		case errors.Is(err, hubspot.ErrNotFound):
			gone = w.RecordID
		case errors.Is(err, hubspot.ErrMissingScopes):
			return w.ask(ctx, looked, whyRefused(err), nil)
		case refused(err):
			return w.settle(ctx, store.ActionFailed, "", whyRefused(err))
		default:
			return WriteResult{}, retry(err)
		}
	}
	if w.Step != store.WriteSend {
		return verdict(w.Write)
	}
	in := hubspot.CreateInput{Properties: w.Properties}
	for _, ref := range w.Associations {
		id, ok := hubspot.AssociationTypeID(plural(w.object()), plural(ref.Object))
		if !ok {
			reason := fmt.Sprintf("a %s can't be created with a link to a %s", w.object(), ref.Object)
			return w.notSent(ctx, store.ActionFailed, reason)
		}
		in.Associations = append(in.Associations, hubspot.Association{
			ToID: ref.RecordID, Types: []hubspot.AssociationType{{Category: hubspot.HubSpotDefined, TypeID: id}},
		})
	}
	var record hubspot.Record
	err := w.send(ctx, func(ctx context.Context, c *hubspot.Client) (err error) {
		record, err = c.Create(ctx, plural(w.object()), in)
		return err
	})
	if conflict, ok := errors.AsType[*hubspot.Error](err); ok && w.object() == "contact" && errors.Is(err, hubspot.ErrConflict) {
		return w.conflict(ctx, conflict)
	}
	return w.sent(ctx, record.ID, err)
}

// send makes the call that begin recorded. Its time counts from the record: who
// looks later must know when the call can no longer be on its way.
func (w *writer) send(ctx context.Context, call func(context.Context, *hubspot.Client) error) error {
	ctx, cancel := context.WithDeadline(ctx, w.since.Add(w.gate.callTimeout))
	defer cancel()
	return w.session.do(ctx, call)
}

func deref(r *WriteResult) WriteResult {
	if r == nil {
		return WriteResult{}
	}
	return *r
}

// sent records what came of the call that begin recorded.
func (w *writer) sent(ctx context.Context, recordID string, err error) (WriteResult, error) {
	switch {
	case err == nil:
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: recordID, Call: outcome(nil)})
	case hubspot.OutcomeUnknown(err):
		if ctx.Err() != nil {
			return WriteResult{}, err // the next attempt looks
		}
		result, settled, err := w.look(ctx)
		if err == nil && !settled {
			err = w.later()
		}
		return result, err
	case errors.Is(err, hubspot.ErrMissingScopes):
		// Reconnecting helps, and then somebody has to say so.
		reason := whyRefused(err)
		a, err := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionReady, Call: outcome(err)})
		if err == nil && a.State == store.ActionReady {
			a.NeedsQuestion, a.Reason = true, reason
		}
		return a, err
	case refused(err):
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionFailed, Reason: whyRefused(err), Call: outcome(err)})
	default:
		// Nothing happened: the next attempt begins anew.
		if _, endErr := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionReady, Call: outcome(err)}); endErr != nil {
			return WriteResult{}, errors.Join(err, endErr)
		}
		return WriteResult{}, retry(err)
	}
}

// notSent ends what begin recorded without a call.
func (w *writer) notSent(ctx context.Context, state store.ActionState, reason string) (WriteResult, error) {
	return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: state, Reason: reason, Call: store.CallResult{Outcome: store.Refused, Reason: reason}})
}

// conflict is a contact that exists: its record is the one, and not ours.
func (w *writer) conflict(ctx context.Context, e *hubspot.Error) (WriteResult, error) {
	id := word(e.ExistingID)
	if id == "" && w.Properties["email"] != "" {
		record, err := w.readBy(ctx, "email", w.Properties["email"], nil, "finding the contact that has the address")
		if err != nil && !errors.Is(err, hubspot.ErrNotFound) {
			_, endErr := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionReady, Call: outcome(e)})
			return WriteResult{}, errors.Join(retry(err), endErr)
		}
		id = record.ID
	}
	if id == "" {
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionFailed, Reason: whyRefused(e), Call: outcome(e)})
	}
	// Back to ready first: the links that follow are calls of their own, and a
	// process that dies among them comes here again by the same conflict.
	if _, err := w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionReady, Call: outcome(e)}); err != nil {
		return WriteResult{}, err
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
	names := slices.Sorted(maps.Keys(w.Properties))
	same, target := true, w.TargetID
	if len(names) > 0 {
		record, err := w.read(ctx, target, names, "reading the record before changing it")
		switch {
		case errors.Is(err, hubspot.ErrNotFound):
			return w.settle(ctx, store.ActionFailed, "", "the record does not exist any more")
		case errors.Is(err, hubspot.ErrMissingScopes):
			return w.ask(ctx, looked, whyRefused(err), nil)
		case refused(err):
			return w.settle(ctx, store.ActionFailed, "", whyRefused(err))
		case err != nil:
			return WriteResult{}, retry(err)
		case record.ID != target && !w.insisted():
			return w.ask(ctx, looked, "the record was merged into "+word(record.ID), nil)
		}
		target = record.ID
		var foreign []string
		foreign, same = w.compare(record.Properties)
		if len(foreign) > 0 {
			return w.ask(ctx, looked, "changed in HubSpot since the question: "+list(foreign), values(record.Properties, names))
		}
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
	if err := w.begin(ctx, looked, ""); err != nil {
		return WriteResult{}, err
	}
	if w.Step != store.WriteSend {
		return verdict(w.Write)
	}
	err = w.send(ctx, func(ctx context.Context, c *hubspot.Client) error {
		_, err := c.Update(ctx, plural(w.object()), target, w.Properties)
		return err
	})
	if err == nil {
		return w.end(ctx, store.WriteEnd{CallID: w.CallID, State: store.ActionWritten, RecordID: target, Reason: reason, Call: outcome(nil)})
	}
	return w.sent(ctx, target, err)
}

// compare says which properties somebody else changed: they have neither the
// value from which the plan was made nor the one to write. A property without a
// value in Before had none, unless the record is one that this origin creates.
func (w *writer) compare(current map[string]string) (foreign []string, same bool) {
	c := w.Action.Content
	same = true
	for _, name := range slices.Sorted(maps.Keys(w.Properties)) {
		if sameValue(current[name], w.Properties[name]) {
			continue
		}
		same = false
		before, known := c.Before[name]
		if !known && c.TargetKey != "" {
			continue
		}
		if !sameValue(current[name], before) {
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

// sameValue says that two property values mean the same to HubSpot, which
// rewrites numbers and times as it likes.
func sameValue(a, b string) bool {
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
			return recordID, c.AssociateDefault(ctx, plural(w.object()), recordID, plural(ref.Object), ref.RecordID)
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
		record, err = c.Get(ctx, plural(w.object()), id, hubspot.GetOptions{Properties: properties, IDProperty: idProperty})
		return record.ID, err
	})
	return record, err
}
