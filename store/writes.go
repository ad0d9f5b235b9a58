package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/net/publicsuffix"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// ErrNoConnection is reported for an action that no connection is chosen for, or
// whose connection is gone.
var ErrNoConnection = errors.New("no HubSpot connection is chosen for this action: connect one")

// WriteStep is what has to be done next about an action.
type WriteStep string

// The steps of carrying out an action.
const (
	// WriteSettled: nothing; the action's state says how it ended.
	WriteSettled WriteStep = "settled"
	// WriteAsk: a human has to be asked; [Write.Reason] says why.
	WriteAsk WriteStep = "ask"
	// WriteWait: not yet; [Write.After] and [Write.Reason] say for how long and why.
	WriteWait WriteStep = "wait"
	// WriteLook: an earlier call was sent, and its outcome is not recorded.
	WriteLook WriteStep = "look"
	// WriteAdopt: another action made the record with this natural key already:
	// [Write.RecordID].
	WriteAdopt WriteStep = "adopt"
	// WriteSend: it may be sent. From [Store.BeginWrite]: its intent stands.
	WriteSend WriteStep = "send"
)

// Write is an action on its way to HubSpot.
type Write struct {
	Step   WriteStep
	Action Action
	// Reason is a sentence without personal data.
	Reason string
	// After is how long to wait, of [WriteWait].
	After time.Duration

	ConnectionID uuid.UUID
	HubID        int64
	// ApprovalID is the human's word that this action may run, if there is one.
	ApprovalID *uuid.UUID
	// Properties are what to send: the action's, as edited by the approver, and
	// [KeyProperty] if the intent says so. Of [WriteLook]: what was sent. Of an
	// archive they only say that.
	Properties map[string]string
	// NaturalKey belongs to those properties.
	NaturalKey string
	// TargetID is the record to update. TargetIsNew says that the action that it
	// waited for created it, and did not find it there.
	TargetID    string
	TargetIsNew bool
	// Associations have their record IDs; those whose record did not come to be
	// are left out.
	Associations []AssociationRef
	// RecordID is the record to adopt.
	RecordID string

	// CallID is the audit row of the call that was begun: by this call of
	// BeginWrite, or of WriteLook by an earlier one, Age ago.
	CallID      int64
	AttemptedAt time.Time
	Age         time.Duration

	begunAt   time.Time
	dataKeyID *uuid.UUID
}

// KeyProperty is the property with unique values, where an account has it, that
// holds the ID of the action that created a record: HubSpot then refuses to
// create it twice.
const KeyProperty = "debrief_key"

const (
	// claimWait is for a create that is under way elsewhere: seconds, as a rule.
	claimWait = 2 * time.Second
	// doubtWait is for what only a human can clear up.
	doubtWait = time.Minute
	// underWay is how long a call that was begun is taken to be under way: its
	// time and HubSpot's are over by then, and who is at it has looked. After it,
	// nobody may be: its connection ended, say.
	underWay = 5 * time.Minute
)

// CheckWrite says what has to be done about an action. Where that is nothing (its
// tool is denied, what it needs did not happen) it settles the action, in the
// same transaction. It starts nothing: see [Store.BeginWrite].
func (s *Store) CheckWrite(ctx context.Context, actionID uuid.UUID) (Write, error) {
	return s.write(ctx, actionID, nil)
}

// WriteIntent is what [Store.BeginWrite] needs to know beside the action.
type WriteIntent struct {
	Actor      Actor
	OnBehalfOf string
	// Looked is the call whose outcome was not known (Write.CallID of
	// [WriteLook]) and which, as was seen since, did not happen.
	Looked int64
	// Gone is a record to adopt that HubSpot turned out not to have any more.
	Gone string
	// Keyed: a create carries the action's ID in [KeyProperty].
	Keyed bool
}

// BeginWrite is [Store.CheckWrite] at the very moment of the call. If the action
// may be sent, one transaction reads permission and approval anew, claims the
// natural key of a create, writes the call's audit row as attempted and moves the
// action to writing: after it, the caller must send or say by [Store.EndWrite]
// that it did not.
func (s *Store) BeginWrite(ctx context.Context, actionID uuid.UUID, in WriteIntent) (Write, error) {
	return s.write(ctx, actionID, &in)
}

func (s *Store) write(ctx context.Context, actionID uuid.UUID, in *WriteIntent) (Write, error) {
	var w Write
	var shared *vault.DataKey
	if in != nil {
		// Before the transaction: making it takes one of its own.
		var err error
		if _, shared, err = s.InstallationKey(ctx); err != nil {
			return Write{}, fmt.Errorf("preparing action %s: %w", actionID, err)
		}
	}
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		t := writeTx{s: s, tx: tx, intent: in, shared: shared}
		w, err = t.run(ctx, actionID)
		return err
	})
	if err != nil {
		return Write{}, fmt.Errorf("preparing action %s: %w", actionID, err)
	}
	if !w.begunAt.IsZero() {
		w.Age = time.Since(w.begunAt) // the commit took its time, too
	}
	return w, nil
}

// writeTx is one look at one action, under its row's lock.
type writeTx struct {
	s      *Store
	tx     pgx.Tx
	intent *WriteIntent
	// shared is the installation's key; nil without an intent.
	shared *vault.DataKey
	w      Write
}

func (t *writeTx) run(ctx context.Context, actionID uuid.UUID) (Write, error) {
	w := &t.w
	if err := lockFollowUpOf(ctx, t.tx, actionID); err != nil {
		return Write{}, err
	}
	actions, err := t.s.queryActions(ctx, t.tx, `where a.id = $1 for update of a`, actionID)
	if err != nil {
		return Write{}, err
	}
	if len(actions) == 0 {
		return Write{}, ErrNotFound
	}
	w.Action = actions[0]
	w.dataKeyID = w.Action.dataKeyID
	if w.Action.State.Settled() || w.Action.State == ActionUnknown {
		w.Step, w.Reason = WriteSettled, w.Action.Reason
		return *w, nil
	}
	steps := []func(context.Context) error{
		t.openCall, t.words, t.permitted, t.dependencies, t.connection, t.lookFirst, t.keyLost, t.claim, t.begin,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return Write{}, err
		}
		if w.Step != "" {
			break
		}
	}
	return *w, nil
}

// lockFollowUpOf locks the row of the follow-up that an action belongs to, if it
// belongs to one. It comes before the locks of actions and questions: that is the
// order in which rounds and decisions take them, so that nobody waits in a circle.
func lockFollowUpOf(ctx context.Context, tx pgx.Tx, actionID uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		select from follow_ups where meeting_id = (select origin_id from actions where id = $1) for update`, actionID)
	if err != nil {
		return fmt.Errorf("locking its follow-up: %w", err)
	}
	return nil
}

// openCall finds the call that was begun and not completed. The gate's reads on
// behalf of an action have open rows too; only a write has values.
func (t *writeTx) openCall(ctx context.Context) error {
	w := &t.w
	if w.Action.State != ActionWriting {
		return nil
	}
	var seconds float64
	err := t.tx.QueryRow(ctx, `
		select id, at, approval_id, extract(epoch from clock_timestamp() - at)::float8 from audit
		where action_id = $1 and outcome = 'attempted' and value_macs <> '{}'
		order by id desc limit 1`, w.Action.ID).Scan(&w.CallID, &w.AttemptedAt, &w.ApprovalID, &seconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return t.settle(ctx, ActionUnknown, "it was being written, and the record of its call is missing")
	}
	if err != nil {
		return fmt.Errorf("reading its open call: %w", err)
	}
	w.Age = time.Duration(seconds * float64(time.Second))
	return nil
}

// words makes sure that what the action is about can still be read.
func (t *writeTx) words(ctx context.Context) error {
	_, err := t.s.dataKey(ctx, t.tx, t.w.dataKeyID)
	if !errors.Is(err, ErrErased) {
		return err
	}
	if t.w.CallID != 0 {
		return t.settle(ctx, ActionUnknown, "its words were erased while the outcome of its call was open")
	}
	return t.settle(ctx, ActionFailed, "its words were erased")
}

// permitted reads the tool's permission, its rules and what a human said, now.
// Rules judge the values that would be sent.
func (t *writeTx) permitted(ctx context.Context) error {
	w := &t.w
	judge, err := t.s.judgeOfThese(ctx, t.tx, w.Action.OrganizationID, w.Action.Origin, w.Action)
	if err != nil {
		return err
	}
	if sabotage.Is(sabotage.Unpermitted) {
		judge.policy = policy.Policy{Permissions: policy.Permissions{w.Action.Tool.Canonical(): policy.Allow}}
	}
	if decision := judge.tool(w.Action.Tool); decision.Permission == policy.Deny {
		return t.denied(ctx, judge.denial(w.Action, decision))
	}
	if t.mustLook() {
		// What was sent was permitted when it was sent. What is sent again has
		// to pass here again, after the look.
		return t.sent(ctx)
	}
	if w.Action.State == ActionAsking {
		// Whatever was decided before: this question is open.
		return t.ask(ctx, "its question is not answered yet")
	}
	if w.Action.MayExistSince != nil {
		return t.ask(ctx, "it was sent before, and nothing tells whether it happened")
	}
	approved, edit, err := t.approval(ctx)
	if err != nil {
		return err
	}
	decision := judge.action(w.Action, edit)
	switch {
	case decision.Permission == policy.Deny:
		return t.denied(ctx, judge.denial(w.Action, decision))
	case approved:
	case decision.Permission == policy.Ask:
		return t.ask(ctx, decision.Reason)
	case w.Action.Content.Doubt != "":
		return t.ask(ctx, "it is in doubt")
	}
	w.Properties = map[string]string{}
	maps.Copy(w.Properties, w.Action.Content.Properties)
	maps.Copy(w.Properties, edit)
	if w.Action.Tool.Operation == policy.Archive {
		// By its values a write's audit row is known.
		w.Properties = map[string]string{"archived": "true"}
	}
	// What asks the approver something beside yes or no is not HubSpot's.
	maps.DeleteFunc(w.Properties, func(name, _ string) bool { return strings.HasPrefix(name, QuestionPrefix) })
	w.NaturalKey = naturalKey(w.Action.Content.NaturalKey, w.Properties)
	if len(w.Properties) == 0 && (w.Action.Tool.Operation == policy.Create || len(w.Action.Content.Associations) == 0) {
		return t.settle(ctx, ActionFailed, "it has nothing to write")
	}
	return nil
}

// mustLook says that an earlier call's outcome is open and the caller has not
// looked after just that call.
func (t *writeTx) mustLook() bool {
	return t.w.CallID != 0 && (t.intent == nil || t.intent.Looked != t.w.CallID)
}

// denied ends an action whose tool is denied. Nothing is sent, not even a look.
func (t *writeTx) denied(ctx context.Context, reason string) error {
	a := t.w.Action
	if t.w.CallID != 0 {
		return t.settle(ctx, ActionUnknown, reason+", and the outcome of an earlier call is not known")
	}
	refused := AuditEntry{
		OrganizationID: a.OrganizationID, Kind: AuditCall, Actor: t.actor(), Origin: a.Origin, Round: a.Round,
		ActionID: &a.ID, Tool: a.Tool, ConnectionID: a.ConnectionID, RecordID: a.TargetID, Outcome: Refused, Reason: reason,
	}
	if err := t.s.audit(ctx, t.tx, refused); err != nil {
		return err
	}
	return t.settle(ctx, ActionDenied, reason)
}

func (t *writeTx) actor() Actor {
	if t.intent != nil && t.intent.Actor.Name != "" {
		return t.intent.Actor
	}
	return Actor{Name: "gate"}
}

// sent reads what the open call carried.
func (t *writeTx) sent(ctx context.Context) error {
	w := &t.w
	var keyID *uuid.UUID
	var sealed []byte
	err := t.tx.QueryRow(ctx, `select data_key_id, sealed from audit_details where audit_id = $1`, w.CallID).Scan(&keyID, &sealed)
	if err != nil {
		return notFound(err, "reading what its open call carried")
	}
	key, err := t.s.dataKey(ctx, t.tx, keyID)
	if err != nil {
		return err
	}
	if err := openJSON(key, sealed, &w.Properties, auditDetailsPlace(w.CallID)); err != nil {
		return err
	}
	w.NaturalKey = naturalKey(w.Action.Content.NaturalKey, w.Properties)
	return nil
}

// approval finds the latest decision about exactly this content.
func (t *writeTx) approval(ctx context.Context) (approved bool, edit map[string]string, err error) {
	w := &t.w
	var id uuid.UUID
	var state string
	var sealed []byte
	err = t.tx.QueryRow(ctx, `
		select id, state, sealed_edit from approvals
		where action_id = $1 and content_mac = $2 and state in ('approved', 'edited', 'rejected', 'expired')
		order by decided_at desc nulls last, id desc limit 1`, w.Action.ID, w.Action.ContentMAC).Scan(&id, &state, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, fmt.Errorf("reading its approval: %w", err)
	}
	switch state {
	case "approved":
	case "edited":
		key, err := t.s.dataKey(ctx, t.tx, w.dataKeyID)
		if err != nil {
			return false, nil, err
		}
		if err := openJSON(key, sealed, &edit, "approvals.sealed_edit:"+id.String()); err != nil {
			return false, nil, err
		}
	default:
		return false, nil, nil
	}
	w.ApprovalID = &id
	return true, edit, nil
}

// ask stops before sending. An action whose earlier call did not happen goes
// back to ready: its question is a new one.
func (t *writeTx) ask(ctx context.Context, why string) error {
	w := &t.w
	w.Step, w.Reason = WriteAsk, why
	if w.CallID == 0 {
		return nil
	}
	if _, err := closeCall(ctx, t.tx, w.CallID, CallResult{Outcome: Unknown, Reason: "looked: it did not happen"}); err != nil {
		return err
	}
	w.Action.State = ActionReady
	return setActionState(ctx, t.tx, w.Action.ID, ActionReady, "")
}

// naturalKey is the planner's key, or the one that belongs to the properties as
// the approver edited them: who corrects an address wants that contact.
func naturalKey(planned string, properties map[string]string) string {
	for prefix, property := range map[string]string{"email:": "email", "domain:": "domain"} {
		if value := strings.ToLower(strings.TrimSpace(properties[property])); strings.HasPrefix(planned, prefix) && value != "" {
			return prefix + value
		}
	}
	return planned
}

type dependency struct {
	id       uuid.UUID
	key      string
	tool     policy.Tool
	state    ActionState
	recordID string
	// settledAt is when it was last touched.
	settledAt time.Time
}

// dependencies wait, are filled in, or end the action.
func (t *writeTx) dependencies(ctx context.Context) error {
	w := &t.w
	a := w.Action
	keys := []string{}
	if a.Content.TargetKey != "" {
		keys = append(keys, a.Content.TargetKey)
	}
	for _, ref := range a.Content.Associations {
		if ref.RecordID == "" && ref.Key != "" {
			keys = append(keys, ref.Key)
		}
	}
	found, err := t.readDependencies(ctx, keys)
	if err != nil {
		return err
	}
	for _, d := range found {
		if !d.state.Settled() {
			w.Step, w.Reason, w.After = WriteWait, d.tool.Title()+", which it needs, is not settled", claimWait
			if d.state == ActionAsking || d.state == ActionUnknown {
				w.After = doubtWait
			}
			return nil
		}
	}
	byKey := map[string]dependency{}
	for _, d := range found {
		byKey[d.key] = d
		if !d.state.Happened() && needs(a, d.key) {
			return t.settle(ctx, ActionSkipped, "it needs "+d.tool.Title()+", which was not carried out ("+string(d.state)+")")
		}
	}
	w.TargetID = a.TargetID
	if a.Tool.Operation != policy.Create && w.TargetID == "" {
		target := byKey[a.Content.TargetKey]
		w.TargetID, w.TargetIsNew = target.recordID, target.state == ActionWritten
		if w.TargetID == "" {
			return t.settle(ctx, ActionSkipped, "the record that it is about did not come to be")
		}
	}
	w.Associations = nil
	for _, ref := range a.Content.Associations {
		if ref.RecordID == "" {
			d := byKey[ref.Key]
			ref.RecordID = d.recordID
			if t.mustLook() && !ref.Required && d.settledAt.After(w.AttemptedAt) {
				continue // the call that went out before did not name it
			}
		}
		switch {
		case ref.RecordID != "":
			w.Associations = append(w.Associations, ref)
		case ref.Required:
			return t.settle(ctx, ActionSkipped, "it needs the "+ref.Object+" that it belongs to, which did not come to be")
		}
	}
	return nil
}

func (t *writeTx) readDependencies(ctx context.Context, keys []string) ([]dependency, error) {
	a := t.w.Action
	rows, err := t.tx.Query(ctx, `
		select id, key, object_type, operation, state, record_id, updated_at from actions
		where organization_id = $1 and id <> $2 and (id = any($3) or (origin_id = $4 and key = any($5)))
		order by position`, a.OrganizationID, a.ID, a.DependsOn, a.Origin.ID, keys)
	if err != nil {
		return nil, fmt.Errorf("reading what it depends on: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (dependency, error) {
		var d dependency
		err := row.Scan(&d.id, &d.key, &d.tool.Object, &d.tool.Operation, &d.state, &d.recordID, &d.settledAt)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what it depends on: %w", err)
	}
	return found, nil
}

// connection finds the account that the action is for.
func (t *writeTx) connection(ctx context.Context) error {
	w := &t.w
	err := t.tx.QueryRow(ctx, `
		select c.id, c.hub_id from connections c
		where c.organization_id = $1
		  and c.id = coalesce($2, (select f.connection_id from follow_ups f where f.meeting_id = $3 and f.organization_id = $1))`,
		w.Action.OrganizationID, w.Action.ConnectionID, w.Action.Origin.ID).Scan(&w.ConnectionID, &w.HubID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoConnection
	}
	if err != nil {
		return fmt.Errorf("reading its connection: %w", err)
	}
	return nil
}

func (t *writeTx) lookFirst(context.Context) error {
	if t.mustLook() {
		t.w.Step = WriteLook
	}
	return nil
}

// heldInDoubt is the reason to ask about a create whose natural key is held by an
// action that may have been written. Who approves an action with just this doubt
// has been told.
const heldInDoubt = "the same record may have been created for another meeting, and nothing tells whether it was"

// keyLost stops a create that carried its key when its answer was lost, and can't
// carry it any more: whether the first one happened, or still will, is told by
// nothing. Who approved it after that has been told.
func (t *writeTx) keyLost(ctx context.Context) error {
	w := &t.w
	if t.intent == nil || t.intent.Keyed || w.Action.Tool.Operation != policy.Create {
		return nil
	}
	var lost bool
	err := t.tx.QueryRow(ctx, `
		select exists (select from audit
			where origin_id = $1 and action_id = $2 and outcome = 'unknown' and $3 = any(properties)
			  and at > coalesce((select decided_at from approvals where id = $4), '-infinity'))`,
		w.Action.Origin.ID, w.Action.ID, KeyProperty, w.ApprovalID).Scan(&lost)
	if err != nil {
		return fmt.Errorf("looking for a lost call with a key: %w", err)
	}
	if !lost {
		return nil
	}
	return t.settle(ctx, ActionUnknown, "its answer was lost, and the property "+KeyProperty+" that would have told is not usable any more")
}

// claim takes the natural key of a create, so that two actions that want the
// same new record make one.
func (t *writeTx) claim(ctx context.Context) error {
	w := &t.w
	if t.intent == nil || w.Action.Tool.Operation != policy.Create || w.NaturalKey == "" {
		return nil
	}
	mac, err := t.s.naturalKeyMAC(ctx, t.tx, t.shared, w.Action.OrganizationID, w.NaturalKey)
	if err != nil {
		return err
	}
	// HubSpot keeps addresses unique itself; the domain of one is for whoever
	// creates that company.
	var domainMAC []byte
	if address, ok := strings.CutPrefix(w.NaturalKey, "email:"); ok {
		domainMAC = domainKey(t.shared, address)
	}
	tag, err := t.tx.Exec(ctx, `
		insert into write_claims (hub_id, object_type, natural_key_mac, organization_id, action_id, domain_mac) values ($1, $2, $3, $4, $5, $6)
		on conflict do nothing`, w.HubID, w.Action.Tool.Object, mac, w.Action.OrganizationID, w.Action.ID, domainMAC)
	if err != nil {
		return fmt.Errorf("claiming its natural key: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	const which = ` where hub_id = $1 and object_type = $2 and natural_key_mac = $3`
	var holder *uuid.UUID
	var organizationID uuid.UUID
	var recordID string
	err = t.tx.QueryRow(ctx, `select action_id, organization_id, record_id from write_claims`+which+` for update`,
		w.HubID, w.Action.Tool.Object, mac).Scan(&holder, &organizationID, &recordID)
	if err != nil {
		return notFound(err, "reading who claimed its natural key")
	}
	if recordID != "" && recordID != t.intent.Gone {
		w.Step, w.RecordID = WriteAdopt, recordID
		return nil
	}
	if holder != nil && *holder != w.Action.ID && recordID == "" {
		// A statement of its own, begun after the claim's lock was had: a join
		// above would show the holder as it was before the wait.
		var state ActionState
		var mayExist, readable, recent bool
		err = t.tx.QueryRow(ctx, `
			select state, may_exist_since is not null or state = 'writing', data_key_id is not null, updated_at > clock_timestamp() - $2::interval
			from actions where id = $1`, *holder, underWay).Scan(&state, &mayExist, &readable, &recent)
		if err != nil {
			return notFound(err, "reading who claimed its natural key")
		}
		// Another organization's people are not waited for.
		answerable := !state.Settled() && readable && organizationID == w.Action.OrganizationID
		switch {
		case state == ActionWriting && recent:
			w.Step, w.After, w.Reason = WriteWait, claimWait, "the same record is being created for another meeting"
			return nil
		case mayExist && answerable:
			w.Step, w.After, w.Reason = WriteWait, doubtWait, "whether the same record was created for another meeting is not known yet"
			return nil
		case mayExist && (w.ApprovalID == nil || w.Action.Content.Doubt != heldInDoubt):
			// Nobody will say any more what became of it.
			return t.ask(ctx, heldInDoubt)
		}
	}
	_, err = t.tx.Exec(ctx, `
		update write_claims set organization_id = $4, action_id = $5, domain_mac = $6, record_id = '', claimed_at = now()`+which,
		w.HubID, w.Action.Tool.Object, mac, w.Action.OrganizationID, w.Action.ID, domainMAC)
	if err != nil {
		return fmt.Errorf("taking its natural key over: %w", err)
	}
	return nil
}

// naturalKeyMAC is the name of a claim. Organizations that share a HubSpot account
// meet in a company's domain, and in nothing else: of an address, only HubSpot
// tells one that another has it.
func (s *Store) naturalKeyMAC(ctx context.Context, q querier, shared *vault.DataKey, organizationID uuid.UUID, naturalKey string) ([]byte, error) {
	if strings.HasPrefix(naturalKey, "domain:") {
		return shared.MAC([]byte(naturalKey)), nil
	}
	var keyID *uuid.UUID
	err := q.QueryRow(ctx, `select data_key_id from organizations where id = $1`, organizationID).Scan(&keyID)
	if err != nil {
		return nil, notFound(err, "reading the organization")
	}
	key, err := s.dataKey(ctx, q, keyID)
	if err != nil {
		return nil, err
	}
	return key.MAC([]byte(naturalKey)), nil
}

// domainKey is the keyed hash of the domain that a company would have, of a host
// or an address: sales.northwind.example and northwind.example are one.
func domainKey(key *vault.DataKey, hostOrAddress string) []byte {
	host := strings.ToLower(hostOrAddress[strings.LastIndex(hostOrAddress, "@")+1:])
	if registrable, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		host = registrable
	}
	return key.MAC([]byte("contact's domain:" + host))
}

// DomainContacts are the contacts of a company's domain that Debrief created in a
// HubSpot account lately, for whichever organization.
type DomainContacts struct {
	// RecordIDs are the newest first, and at most 100.
	RecordIDs []string
	// Creating: one of them is being created now.
	Creating bool
	// Quiet is how long ago the last of them was created; a day if none was.
	Quiet time.Duration
}

// DomainContacts returns the contacts of a domain for which a claim was made in
// the last day.
func (s *Store) DomainContacts(ctx context.Context, hubID int64, domain string) (DomainContacts, error) {
	_, key, err := s.InstallationKey(ctx)
	if err != nil {
		return DomainContacts{}, fmt.Errorf("reading the contacts of a domain: %w", err)
	}
	rows, err := s.pool.Query(ctx, `
		select c.record_id, coalesce(a.state, ''), clock_timestamp() - coalesce(a.updated_at, c.claimed_at)
		from write_claims c left join actions a on a.id = c.action_id
		where c.hub_id = $1 and c.object_type = 'contact' and c.domain_mac = $2 and c.claimed_at > now() - interval '1 day'
		order by c.claimed_at desc limit 100`, hubID, domainKey(key, domain))
	if err != nil {
		return DomainContacts{}, fmt.Errorf("reading the contacts of a domain: %w", err)
	}
	defer rows.Close()
	found := DomainContacts{Quiet: 24 * time.Hour}
	for rows.Next() {
		var recordID string
		var state ActionState
		var ago time.Duration
		if err := rows.Scan(&recordID, &state, &ago); err != nil {
			return DomainContacts{}, fmt.Errorf("reading the contacts of a domain: %w", err)
		}
		if recordID != "" {
			found.RecordIDs = append(found.RecordIDs, recordID)
		}
		found.Creating = found.Creating || state == ActionWriting && ago < underWay
		if state == ActionWritten {
			found.Quiet = min(found.Quiet, ago)
		}
	}
	if err := rows.Err(); err != nil {
		return DomainContacts{}, fmt.Errorf("reading the contacts of a domain: %w", err)
	}
	return found, nil
}

// begin writes the intent. Without one the action stays as it is.
func (t *writeTx) begin(ctx context.Context) error {
	w := &t.w
	w.Step = WriteSend
	if t.intent == nil {
		return nil
	}
	a := &w.Action
	if len(w.Properties) == 0 {
		return errors.New("a call that writes no property")
	}
	if w.CallID != 0 {
		if _, err := closeCall(ctx, t.tx, w.CallID, CallResult{Outcome: Unknown, Reason: "looked: it was not there; sent again"}); err != nil {
			return err
		}
	}
	if t.intent.Keyed && a.Tool.Operation == policy.Create {
		w.Properties[KeyProperty] = a.ID.String()
	}
	w.begunAt = time.Now()
	var err error
	w.CallID, err = t.s.insertAudit(ctx, t.tx, AuditEntry{
		OrganizationID: a.OrganizationID, Kind: AuditCall, Actor: t.actor(), OnBehalfOf: t.intent.OnBehalfOf,
		Origin: a.Origin, Round: a.Round, ActionID: &a.ID, ApprovalID: w.ApprovalID, Tool: a.Tool, ConnectionID: &w.ConnectionID,
		RecordID: w.TargetID, Outcome: Attempted, Values: w.Properties, DataKeyID: w.dataKeyID,
	})
	if err != nil {
		return err
	}
	w.Age = 0
	err = t.tx.QueryRow(ctx, `
		update actions set state = 'writing', reason = '', connection_id = $2, updated_at = now() where id = $1
		returning clock_timestamp()`, a.ID, w.ConnectionID).Scan(&w.AttemptedAt)
	if err != nil {
		return fmt.Errorf("recording the intent: %w", err)
	}
	a.State = ActionWriting
	return nil
}

// settle ends the action here, without a call.
func (t *writeTx) settle(ctx context.Context, state ActionState, reason string) error {
	w := &t.w
	if w.CallID != 0 {
		if _, err := closeCall(ctx, t.tx, w.CallID, CallResult{Outcome: Unknown, Reason: reason}); err != nil {
			return err
		}
	}
	if err := t.s.withdrawQuestion(ctx, t.tx, w.Action.Origin, w.Action, reason); err != nil {
		return err
	}
	reason = w.Action.because(reason)
	w.Step, w.Reason = WriteSettled, reason
	w.Action.State, w.Action.Reason = state, reason
	return setActionState(ctx, t.tx, w.Action.ID, state, reason)
}

// WriteEnd is how carrying out an action ended.
type WriteEnd struct {
	ActionID uuid.UUID
	// CallID is the call that [Store.BeginWrite] began; 0 if nothing was begun
	// and the action is settled without a call of its own.
	CallID int64
	// State is the action's from now on: ready if it may be tried again.
	State ActionState
	// RecordID is the record that was written or found.
	RecordID string
	// NaturalKey is what it was written or found under ([Write.NaturalKey]): an
	// approver may have changed it since the action was tried before.
	NaturalKey string
	// Reason is a sentence without personal data.
	Reason string
	// Call completes the audit row.
	Call CallResult
}

// closeCall completes an open audit row, and says whether it was open.
func closeCall(ctx context.Context, q querier, id int64, r CallResult) (bool, error) {
	var open bool
	err := q.QueryRow(ctx, `select outcome = 'attempted' from audit where id = $1 for update`, id).Scan(&open)
	if err != nil {
		return false, notFound(err, fmt.Sprintf("reading audit row %d", id))
	}
	return open, endCall(ctx, q, id, r)
}

// closeCallsOf completes the open rows of an action's writes: nobody will learn
// how they ended.
func closeCallsOf(ctx context.Context, q querier, actionID uuid.UUID, reason string) error {
	_, err := q.Exec(ctx, `
		update audit set outcome = 'unknown', reason = $2, completed_at = now()
		where action_id = $1 and outcome = 'attempted' and value_macs <> '{}'`, actionID, reason)
	if err != nil {
		return fmt.Errorf("completing the calls of action %s: %w", actionID, err)
	}
	return nil
}

// EndWrite records how it ended: the action's state, the claim's record, the
// completed audit row, in one transaction; a question that is pending about it is
// withdrawn. It returns the action as it then stands. What another attempt has
// settled meanwhile is not changed, and an attempt that was overtaken changes
// nothing but to say that it wrote; that counts also for an action that was given
// up in doubt.
func (s *Store) EndWrite(ctx context.Context, end WriteEnd) (Action, error) {
	var a Action
	// Before the transaction: making it takes one of its own.
	_, shared, err := s.InstallationKey(ctx)
	if err != nil {
		return Action{}, fmt.Errorf("ending action %s: %w", end.ActionID, err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockFollowUpOf(ctx, tx, end.ActionID); err != nil {
			return err
		}
		actions, err := s.queryActions(ctx, tx, `where a.id = $1 for update of a`, end.ActionID)
		if err != nil {
			return err
		}
		if len(actions) == 0 {
			return ErrNotFound
		}
		a = actions[0]
		current := a.State == ActionReady || a.State == ActionAsking
		if end.CallID != 0 {
			end.Call.RecordID = end.RecordID
			if current, err = closeCall(ctx, tx, end.CallID, end.Call); err != nil {
				return err
			}
			if sabotage.Is(sabotage.NoTrail) {
				_, _ = tx.Exec(ctx, `delete from audit where id = $1`, end.CallID)
			}
		}
		wrote := end.CallID != 0 && end.State.Happened()
		switch {
		case a.MayExistSince != nil:
			// Nothing but that it happened tells more than was known.
			if !wrote && (a.State.Settled() || !current || !end.State.Happened()) {
				return nil
			}
		case a.State.Settled(), !current && !wrote:
			return nil
		}
		why := end.Reason
		if why == "" {
			why = "it is " + string(end.State) + " by now"
		}
		if err := s.withdrawQuestion(ctx, tx, a.Origin, a, why); err != nil {
			return err
		}
		a.State, a.Reason, a.RecordID, a.UpdatedAt = end.State, end.Reason, end.RecordID, time.Now()
		err = tx.QueryRow(ctx, `
			update actions set state = $2::text, reason = $3, record_id = $4, `+mayExist+`, updated_at = now() where id = $1
			returning may_exist_since`, a.ID, a.State, a.Reason, a.RecordID).Scan(&a.MayExistSince)
		if err != nil {
			return fmt.Errorf("moving it to %s: %w", a.State, err)
		}
		if a.State.Happened() && a.Tool.Operation == policy.Create && end.NaturalKey != "" {
			mac, err := s.naturalKeyMAC(ctx, tx, shared, a.OrganizationID, end.NaturalKey)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update write_claims set record_id = $3 where action_id = $1 and natural_key_mac = $2`, a.ID, mac, a.RecordID); err != nil {
				return fmt.Errorf("recording the claim's record: %w", err)
			}
		}
		if a.State.Happened() && a.Tool.Operation == policy.Archive {
			// Who wants such a record later makes a new one.
			if _, err := tx.Exec(ctx, `
				delete from write_claims where organization_id = $1 and object_type = $2 and record_id = $3`, a.OrganizationID, a.Tool.Object, a.TargetID); err != nil {
				return fmt.Errorf("giving the claim of an archived record up: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return Action{}, fmt.Errorf("ending action %s: %w", end.ActionID, err)
	}
	return a, nil
}

// RecordsOfOthers returns which of the records were written by other actions of
// the organization: they are not what a lost call of this one made.
func (s *Store) RecordsOfOthers(ctx context.Context, a Action, recordIDs []string) ([]string, error) {
	rows, err := s.pool.Query(ctx, `
		select distinct record_id from actions
		where organization_id = $1 and object_type = $2 and id <> $3 and record_id = any($4) and operation = 'create'`,
		a.OrganizationID, a.Tool.Object, a.ID, recordIDs)
	if err != nil {
		return nil, fmt.Errorf("reading the records of other actions: %w", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the records of other actions: %w", err)
	}
	return known, nil
}

// BeginToolCall reads the permissions of the tools that a call needs and, if they
// let it, writes the call's audit row as attempted, in one transaction. A call
// that a human approved passes where a tool is set to ask. Where they don't, it
// fails with a [*policy.DeniedError], which has its row too: nothing may be sent.
// No tools means a call of the gate's own.
func (s *Store) BeginToolCall(ctx context.Context, e AuditEntry, tools []policy.Tool, approved bool) (int64, error) {
	e.Kind, e.Outcome = AuditCall, Attempted
	if sabotage.Is(sabotage.Unpermitted) {
		tools = nil
	}
	var id int64
	var denied *policy.DeniedError
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// A scope that names another organization's connection is a bug that
		// must end here.
		var ours bool
		err := tx.QueryRow(ctx, `select exists (select from connections where id = $1 and organization_id = $2)`,
			e.ConnectionID, e.OrganizationID).Scan(&ours)
		if err != nil {
			return fmt.Errorf("reading the connection: %w", err)
		}
		if !ours {
			return ErrNoConnection
		}
		for _, tool := range tools {
			d, err := s.decideCall(ctx, tx, e.OrganizationID, tool, e.Origin)
			if err != nil {
				return err
			}
			if d.Permission == policy.Allow || d.Permission == policy.Ask && approved {
				continue
			}
			denied = &policy.DeniedError{Tool: tool, Reason: d.Reason}
			e.Outcome, e.Reason = Refused, d.Reason
			break
		}
		id, err = s.insertAudit(ctx, tx, e)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("beginning a call: %w", err)
	}
	if denied != nil {
		return 0, denied
	}
	return id, nil
}
