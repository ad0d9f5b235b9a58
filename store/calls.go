package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// The origins of what no meeting asks for. The origin's ID is the call's; of a read
// that nobody has to be asked about, of which nothing is kept, the person's for whom
// it is done.
const (
	OriginAgent  = "agent"
	OriginScript = "script"
)

// ofCall says whether the origin is an agent's or a script's call.
func (o Origin) ofCall() bool { return o.Kind == OriginAgent || o.Kind == OriginScript }

// NewCall is what an agent or a script wants done for a person: one write, or reads
// that somebody has to be asked about.
type NewCall struct {
	OrganizationID uuid.UUID
	PersonID       uuid.UUID
	// Source is [OriginAgent] or [OriginScript]: rules may ask for it.
	Source string
	// Client names who calls, as it says itself. For people, and believed by nobody.
	Client string
	// Key is the caller's own name for the call. With the same key it is always the
	// same call; without one, the same content is, until its result was handed over.
	Key          string
	ConnectionID uuid.UUID

	Tool     policy.Tool
	TargetID string
	// Also are further tools that a read needs.
	Also []policy.Tool
	// Asked tells reads of the same records apart.
	Asked string
	// Label names the record for people, and Purpose is why, as the caller says.
	Label, Purpose string
	Properties     map[string]string
	// Before are the values that the record has now.
	Before       map[string]string
	Associations []AssociationRef
	// Resolution is what HubSpot knows of it, as of a [Plan].
	Resolution any
}

func (n NewCall) reads() bool { return n.Tool.Operation == policy.Read }

// Call is how a call stands.
type Call struct {
	ID uuid.UUID `json:"id"`
	// Tool is the write's; that of a read stands for all that is read.
	Tool policy.Tool `json:"tool"`
	// State is its action's; of a read, ready says that it was approved.
	State    ActionState `json:"state"`
	Reason   string      `json:"reason,omitempty"`
	RecordID string      `json:"record_id,omitempty"`
	// ApprovalID is the question that waits for an answer, until ExpiresAt.
	ApprovalID *uuid.UUID `json:"approval_id,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	// Origin is that of what is done for it.
	Origin Origin `json:"-"`
}

// Over says that nothing more will happen to it by itself.
func (c Call) Over() bool {
	return c.State.Settled() || c.State == ActionReady && c.Tool == readTool
}

// Asking says that somebody has to answer first.
func (c Call) Asking() bool { return c.State == ActionAsking }

// The most that a call may say of itself, in bytes.
const (
	mostCallWords = 500
	mostCallKey   = 200
	mostCallValue = 65_536
)

// mostAsked bounds how many questions of one person's agents and scripts are open at
// once: people are told of each.
const mostAsked = 500

// callKey is the key of a call's one action.
const callKey = "call"

// BeginCall writes down what an agent or a script wants done, with its permission: a
// worker carries it out, at once or after somebody approved it, whether or not the
// caller is still there. The same call twice is one ([NewCall.Key]). A denied one is
// not kept: it fails with a [*policy.DeniedError], which has its row in the trail. A
// [*Refusal] says what else is wrong with it.
func (s *Store) BeginCall(ctx context.Context, n NewCall) (Call, error) {
	n.Tool = n.Tool.Canonical()
	n.Client, n.Label, n.Purpose = plain(n.Client), plain(n.Label), plain(n.Purpose)
	if err := n.check(); err != nil {
		return Call{}, err
	}
	var id uuid.UUID
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		id, err = s.beginCall(ctx, tx, n)
		return err
	})
	var refusal *Refusal
	var denied *policy.DeniedError
	switch {
	case errors.As(err, &refusal):
		return Call{}, refusal
	case errors.As(err, &denied):
		// The call itself was rolled back with its row.
		err := s.audit(ctx, s.pool, AuditEntry{
			OrganizationID: n.OrganizationID, Kind: AuditCall, Actor: Actor{Name: n.Source}, OnBehalfOf: n.PersonID.String(),
			Origin: Origin{Kind: n.Source, ID: n.PersonID}, Tool: denied.Tool, ConnectionID: &n.ConnectionID, RecordID: n.TargetID,
			Outcome: Refused, Reason: denied.Reason,
		})
		if err != nil {
			return Call{}, fmt.Errorf("beginning a call: %w", err)
		}
		return Call{}, denied
	case err != nil:
		return Call{}, fmt.Errorf("beginning a call: %w", err)
	}
	return s.Call(ctx, n.OrganizationID, n.PersonID, id)
}

// plain makes one bounded line of what a caller says, without anything invisible.
func plain(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)), " ")
	if len(text) > mostCallWords {
		text = strings.ToValidUTF8(text[:mostCallWords], "") + "…"
	}
	return text
}

func (n NewCall) check() error {
	switch {
	case n.Source != OriginAgent && n.Source != OriginScript:
		return fmt.Errorf("a call comes from an agent or a script, not from %q", n.Source)
	case n.Tool.Operation == policy.Archive:
		return refuse("Records are archived by an undo alone.")
	case n.Tool.Operation == policy.Update && !hubspot.IsID(n.TargetID):
		return refuse("Say which record is to be updated: its ID is a number.")
	case n.Tool.Operation == policy.Create && n.TargetID != "":
		return refuse("A record that is to be created has no ID yet.")
	case !n.reads() && len(n.Properties) == 0 && (len(n.Associations) == 0 || n.Tool.Operation == policy.Create):
		return refuse("Say what is to be written: there is no property.")
	case len(n.Key) > mostCallKey:
		return refuse("The call's key is longer than %d bytes.", mostCallKey)
	}
	for name, value := range n.Properties {
		switch {
		case strings.HasPrefix(name, QuestionPrefix):
			return refuse("Properties that begin with %q are Debrief's own.", QuestionPrefix)
		case len(value) > mostCallValue:
			return refuse("The value of %q is longer than HubSpot takes (65,536 characters).", plain(name))
		}
	}
	for _, ref := range n.Associations {
		if !hubspot.IsID(ref.RecordID) || ref.Object == "" {
			return refuse("A record to link with is named by its object type and its ID, which is a number.")
		}
	}
	return nil
}

func (s *Store) beginCall(ctx context.Context, tx pgx.Tx, n NewCall) (uuid.UUID, error) {
	if err := s.mayCall(ctx, tx, n); err != nil {
		return uuid.Nil, err
	}
	request, name, err := s.callMACs(ctx, tx, n)
	if err != nil {
		return uuid.Nil, err
	}
	// The same call at once from two places waits here for the first.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))`, name); err != nil {
		return uuid.Nil, fmt.Errorf("waiting for the same call: %w", err)
	}
	var id uuid.UUID
	var before []byte
	err = tx.QueryRow(ctx, `
		select meeting_id, request_mac from calls where organization_id = $1 and name_mac = $2 and (keyed or handed_over_at is null)`,
		n.OrganizationID, name).Scan(&id, &before)
	switch {
	case err == nil && !bytes.Equal(before, request):
		return uuid.Nil, refuse("Another call was made with this key, and said something else: give each call a key of its own.")
	case err == nil:
		return id, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, fmt.Errorf("looking for the same call: %w", err)
	}
	if id, err = s.insertCall(ctx, tx, n, name, request); err != nil {
		return uuid.Nil, err
	}
	return id, s.permitCall(ctx, tx, n, id)
}

// mayCall refuses a call for somebody who may do nothing, or through what is not theirs.
func (s *Store) mayCall(ctx context.Context, q querier, n NewCall) error {
	var active bool
	var role Role
	err := q.QueryRow(ctx, `select deactivated_at is null, role from people where organization_id = $1 and id = $2`, n.OrganizationID, n.PersonID).Scan(&active, &role)
	if err := mayHaveCallers(active, role, err); err != nil {
		return err
	}
	var theirs bool
	err = q.QueryRow(ctx, `select not is_user_level or person_id is not distinct from $3 from connections where organization_id = $1 and id = $2`,
		n.OrganizationID, n.ConnectionID, n.PersonID).Scan(&theirs)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoConnection
	case err != nil:
		return fmt.Errorf("reading the connection: %w", err)
	case !theirs:
		return refuse("That connection acts as somebody else: choose one of your own, or the organization's.")
	}
	return nil
}

// mayHaveCallers refuses what is done for somebody who is gone, or who may see nothing.
// err is that of reading the person.
func mayHaveCallers(active bool, role Role, err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && !active:
		return refuse("Whoever this is done for is not one of the organization's people any more.")
	case err != nil:
		return fmt.Errorf("reading for whom it is done: %w", err)
	case role == RoleViewer:
		return refuse("A viewer sees counts alone, and so do their agents: ask an admin for another role.")
	}
	return nil
}

// callMACs are the keyed hashes of all that a call says, and of what it is known by.
func (s *Store) callMACs(ctx context.Context, q querier, n NewCall) (request, name []byte, err error) {
	key, err := s.organizationKey(ctx, q, n.OrganizationID)
	if err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(struct {
		Person       uuid.UUID
		Source       string
		Connection   uuid.UUID
		Tool         string
		Target       string
		Asked        string
		Properties   map[string]string
		Associations []AssociationRef
	}{n.PersonID, n.Source, n.ConnectionID, n.Tool.String(), n.TargetID, n.Asked, n.Properties, n.Associations})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a call: %w", err)
	}
	request = key.MAC(append([]byte("call\x00"), raw...))
	if n.Key == "" {
		return request, request, nil
	}
	return request, key.MAC([]byte("call's key\x00" + n.PersonID.String() + n.Source + "\x00" + n.Key)), nil
}

// insertCall stores the call with what a follow-up needs to carry it.
func (s *Store) insertCall(ctx context.Context, tx pgx.Tx, n NewCall, name, request []byte) (uuid.UUID, error) {
	keyID, err := s.newDataKey(ctx, tx)
	if err != nil {
		return uuid.Nil, err
	}
	key, err := s.dataKey(ctx, tx, &keyID)
	if err != nil {
		return uuid.Nil, err
	}
	id := newID()
	about := meeting.Meeting{State: meeting.StateEnded, HasEnded: true, HasNotes: true, Providers: []string{n.Source}}
	about.Title = n.title()
	sealed, err := sealJSON(key, about, meetingPlace(id))
	if err != nil {
		return uuid.Nil, err
	}
	resolution, err := sealJSON(key, n.Resolution, resolutionPlace(id))
	if err != nil {
		return uuid.Nil, err
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`insert into meetings (id, organization_id, data_key_id, state, has_ended, has_notes, host_person_id, first_word_at, version, sealed, is_call)
		  values ($1, $2, $3, 'ended', true, true, $4, now(), 1, $5, true)`, []any{id, n.OrganizationID, keyID, n.PersonID, sealed}},
		{
			`insert into calls (meeting_id, organization_id, origin_kind, name_mac, keyed, request_mac) values ($1, $2, $3, $4, $5, $6)`,
			[]any{id, n.OrganizationID, n.Source, name, n.Key != "", request},
		},
		{
			`insert into follow_ups (meeting_id, organization_id, round, planned_version, connection_id, sealed_resolution) values ($1, $2, 1, 1, $3, $4)`,
			[]any{id, n.OrganizationID, n.ConnectionID, resolution},
		},
	} {
		if _, err := tx.Exec(ctx, step.sql, step.args...); err != nil {
			return uuid.Nil, fmt.Errorf("storing the call: %w", err)
		}
	}
	return id, nil
}

func (n NewCall) title() string {
	who := "Agent"
	if n.Source == OriginScript {
		who = "Script"
	}
	if n.Client != "" {
		who += " (" + n.Client + ")"
	}
	return who + ": " + strings.TrimSpace(n.Tool.Title()+" "+n.Label)
}

// permitCall gives the call's action its permission: asked about, or ready to run, or
// (as a [*policy.DeniedError]) denied.
func (s *Store) permitCall(ctx context.Context, tx pgx.Tx, n NewCall, id uuid.UUID) error {
	f, err := s.lockFollowUp(ctx, tx, n.OrganizationID, id)
	if err != nil {
		return err
	}
	judge, err := s.judgeOf(ctx, tx, n.OrganizationID, f.origin())
	if err != nil {
		return err
	}
	tools := append([]policy.Tool{n.Tool}, n.Also...)
	for _, tool := range tools {
		if d := judge.tool(tool); d.Permission == policy.Deny {
			return &policy.DeniedError{Tool: tool, Reason: d.Reason}
		}
	}
	what, asks := "asked for", n.reads()
	if n.reads() {
		wait, err := s.askToRead(ctx, tx, f, n.ConnectionID, tools)
		if err != nil {
			return err
		}
		if !wait {
			return refuse("By now that may be read without asking: call again.")
		}
	} else {
		key, err := s.dataKey(ctx, tx, f.dataKeyID)
		if err != nil {
			return err
		}
		a := Action{
			ID: newID(), OrganizationID: n.OrganizationID, Origin: f.origin(), Round: f.round, Key: callKey, Tool: n.Tool, TargetID: n.TargetID,
			DependsOn: []uuid.UUID{}, ConnectionID: &n.ConnectionID, dataKeyID: f.dataKeyID, Content: n.content(),
		}
		if err := s.insertAction(ctx, tx, key, &a); err != nil {
			return err
		}
		if err := s.permit(ctx, tx, f, &a, judge); err != nil {
			return err
		}
		if a.State == ActionDenied {
			return &policy.DeniedError{Tool: n.Tool, Reason: a.Reason}
		}
		what, asks = "asked for: "+string(a.State), a.State == ActionAsking
	}
	if asks {
		if err := s.mayAsk(ctx, tx, n); err != nil {
			return err
		}
	}
	err = s.audit(ctx, tx, AuditEntry{
		OrganizationID: n.OrganizationID, Kind: AuditPlan, Actor: Actor{Name: n.Source}, Origin: f.origin(), Round: f.round, Tool: n.Tool,
		ConnectionID: &n.ConnectionID, RecordID: n.TargetID, Reason: what,
	})
	if err != nil {
		return err
	}
	return s.wake(ctx, tx, n.OrganizationID, id, "a call of "+n.Source)
}

// mayAsk refuses a call that asks, for a person for whom enough is asked already.
func (s *Store) mayAsk(ctx context.Context, q querier, n NewCall) error {
	var open int
	err := q.QueryRow(ctx, `
		select count(*) from approvals p join actions a on a.id = p.action_id join meetings m on m.id = a.origin_id
		where p.organization_id = $1 and p.state = 'pending' and a.origin_kind in ('agent', 'script') and m.host_person_id = $2`, n.OrganizationID, n.PersonID).Scan(&open)
	if err != nil {
		return fmt.Errorf("counting the questions that are open: %w", err)
	}
	if open > mostAsked { // the call's own is among them
		return refuse("%d questions of this person's agents and scripts wait for an answer: nothing more is asked until some are answered, or have expired.", mostAsked)
	}
	return nil
}

func (n NewCall) content() ActionContent {
	c := ActionContent{Label: n.Label, Properties: n.Properties, Before: n.Before, Associations: n.Associations}
	if n.Purpose != "" {
		c.Purpose = "the caller says: " + n.Purpose
	}
	if n.Tool.Operation != policy.Create {
		return c
	}
	email, domain := strings.ToLower(strings.TrimSpace(n.Properties["email"])), strings.ToLower(strings.TrimSpace(n.Properties["domain"]))
	switch {
	case n.Tool.Object == "contact" && email != "":
		c.NaturalKey = "email:" + email
	case n.Tool.Object == "company" && domain != "":
		c.NaturalKey = "domain:" + domain
	}
	return c
}

// Call says how a call of a person stands. Somebody else's fails with [ErrNotFound].
func (s *Store) Call(ctx context.Context, organizationID, personID, id uuid.UUID) (Call, error) {
	c := Call{ID: id}
	var object string
	err := s.pool.QueryRow(ctx, `
		select c.origin_kind, a.object_type, a.operation, a.state, a.reason, a.record_id, p.id, p.expires_at
		from calls c join meetings m on m.id = c.meeting_id
		join actions a on a.origin_id = c.meeting_id and a.origin_kind = c.origin_kind
		left join approvals p on p.action_id = a.id and p.state = 'pending'
		where c.organization_id = $1 and m.host_person_id = $2 and c.meeting_id = $3`, organizationID, personID, id).
		Scan(&c.Origin.Kind, &object, &c.Tool.Operation, &c.State, &c.Reason, &c.RecordID, &c.ApprovalID, &c.ExpiresAt)
	c.Tool.Object, c.Origin.ID = object, id
	return c, notFound(err, fmt.Sprintf("reading call %s", id))
}

// callLook is how soon a call that somebody waits for is looked at, and callLookMost how
// often at least: many may wait for long.
const (
	callLook     = 50 * time.Millisecond
	callLookMost = time.Second
)

// AwaitCall waits until a call of a person is over, or somebody has to answer first, or
// that time has passed, and says how it stands.
func (s *Store) AwaitCall(ctx context.Context, organizationID, personID, id uuid.UUID, atMost time.Duration) (Call, error) {
	late := time.NewTimer(atMost)
	defer late.Stop()
	pause := callLook
	look := time.NewTimer(pause)
	defer look.Stop()
	for {
		c, err := s.Call(ctx, organizationID, personID, id)
		if err != nil || c.Over() || c.Asking() {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, fmt.Errorf("waiting for call %s: %w", id, ctx.Err())
		case <-late.C:
			return c, nil
		case <-look.C:
			pause = min(2*pause, callLookMost)
			look.Reset(pause)
		}
	}
}

// HandOver notes that the result of a call that is over was told to its caller: who
// says the same again without a key wants it again.
func (s *Store) HandOver(ctx context.Context, c Call) error {
	if !c.Over() {
		return nil
	}
	_, err := s.pool.Exec(ctx, `update calls set handed_over_at = coalesce(handed_over_at, now()) where meeting_id = $1`, c.ID)
	if err != nil {
		return fmt.Errorf("handing over the result of call %s: %w", c.ID, err)
	}
	return nil
}

// TakeRead takes an approved read: whoever takes it may read, once. It says false to all
// others that come with the same.
func (s *Store) TakeRead(ctx context.Context, c Call) (bool, error) {
	tag, err := s.pool.Exec(ctx, `update calls set handed_over_at = now() where meeting_id = $1 and handed_over_at is null`, c.ID)
	if err != nil {
		return false, fmt.Errorf("taking the read of call %s: %w", c.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// ReturnRead gives back a read that was taken and failed, unless the same was asked for
// anew meanwhile.
func (s *Store) ReturnRead(ctx context.Context, c Call) error {
	_, err := s.pool.Exec(ctx, `
		update calls c set handed_over_at = null where c.meeting_id = $1 and not exists (
			select 1 from calls o where o.organization_id = c.organization_id and o.name_mac = c.name_mac and o.handed_over_at is null)`, c.ID)
	if err != nil {
		return fmt.Errorf("returning the read of call %s: %w", c.ID, err)
	}
	return nil
}

// CallerPolicy decides about tools for what is done for a person, whatever is written
// with them. For somebody who is gone, or a viewer, it fails with a [*Refusal]: a session
// that began before ends so.
func (s *Store) CallerPolicy(ctx context.Context, organizationID, personID uuid.UUID) (policy.Permissions, func(policy.Tool) policy.Decision, error) {
	p, err := s.policyOf(ctx, s.pool, organizationID)
	if err != nil {
		return nil, nil, err
	}
	request := policy.Request{Host: personID.String()}
	var active bool
	var role Role
	err = s.pool.QueryRow(ctx, `select team, deactivated_at is null, role from people where organization_id = $1 and id = $2`, organizationID, personID).
		Scan(&request.Team, &active, &role)
	if err := mayHaveCallers(active, role, err); err != nil {
		return nil, nil, err
	}
	return p.Permissions, func(tool policy.Tool) policy.Decision {
		request.Tool = tool
		return p.Decide(request)
	}, nil
}
