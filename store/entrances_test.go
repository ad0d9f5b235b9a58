package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// entrances is one meeting that everybody does everything with at once: rounds are
// planned and planned again, questions are answered by every entrance, asked again,
// expire; writes begin, end, get lost and are looked after; it is undone; and all
// the while somebody turns permissions. It knows what is denied by itself, without
// asking package policy.
type entrances struct {
	*store.Store

	t       *testing.T
	r       *rapid.T
	org     uuid.UUID
	meeting uuid.UUID
	account uuid.UUID
	host    uuid.UUID
	admin   uuid.UUID
	version int64
	answers int64
	drafts  []store.Draft

	organization, team, hosts map[policy.Tool]policy.Permission
	// shadow: a rule denies every write.
	shadow bool

	// sent are the calls that may be under way; intents how many there ever were.
	sent    []store.Write
	intents int
}

var (
	createNote    = policy.Tool{Object: "note", Operation: policy.Create}
	archiveNote   = policy.Tool{Object: "note", Operation: policy.Archive}
	archiveDeal   = policy.Tool{Object: "deal", Operation: policy.Archive}
	readContact   = policy.Tool{Object: "contact", Operation: policy.Read}
	entranceTools = []policy.Tool{createContact, createDeal, updateDeal, createNote, archiveNote, archiveDeal, readContact}
)

func newEntrances(t *testing.T, r *rapid.T, s *store.Store) *entrances {
	ctx := context.Background()
	org := storetest.Organization(t, s)
	e := &entrances{
		Store: s, t: t, r: r, org: org.ID, meeting: s.NewMeetingForTest(t, org.ID), account: s.NewConnectionForTest(t, org.ID, "connected"),
		organization: map[policy.Tool]policy.Permission{}, team: map[policy.Tool]policy.Permission{}, hosts: map[policy.Tool]policy.Permission{},
	}
	require.NoError(t, s.UpdateSettings(ctx, org.ID, org.Domains, store.Settings{TemporalDecisions: true}, store.Operator))
	for email, id := range map[string]*uuid.UUID{"host@acme.example": &e.host, "admin@acme.example": &e.admin} {
		p, err := s.AddPerson(ctx, store.Person{OrganizationID: org.ID, Role: store.RoleAdmin, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}}}, store.Operator)
		require.NoError(t, err)
		*id = p.ID
	}
	team := "sales"
	require.NoError(t, s.UpdatePerson(ctx, org.ID, e.host, store.PersonChange{Team: &team}, store.Operator))
	s.ExecForTest(t, `update meetings set host_person_id = $2 where id = $1`, e.meeting, e.host)
	for _, tool := range entranceTools {
		to := rapid.SampledFrom([]policy.Permission{policy.Deny, policy.Ask, policy.Ask, policy.Allow}).Draw(r, tool.String())
		require.NoError(t, s.SetPermission(ctx, org.ID, tool, to, store.Operator))
		e.organization[tool] = to
	}
	return e
}

// permission is the strictest of what was said.
func (e *entrances) permission(tool policy.Tool) policy.Permission {
	all := []policy.Permission{e.organization[tool]}
	for _, narrower := range []map[policy.Tool]policy.Permission{e.team, e.hosts} {
		if p, ok := narrower[tool]; ok {
			all = append(all, p)
		}
	}
	if e.shadow && tool.Operation != policy.Read {
		all = append(all, policy.Deny)
	}
	return slices.MinFunc(all, func(a, b policy.Permission) int { return strictness[b] - strictness[a] })
}

var strictness = map[policy.Permission]int{"": 2, policy.Deny: 2, policy.Ask: 1, policy.Allow: 0}

func (e *entrances) setPermission(r *rapid.T) {
	ctx := context.Background()
	tool := rapid.SampledFrom(entranceTools).Draw(r, "tool")
	to := rapid.SampledFrom([]policy.Permission{policy.Deny, policy.Ask, policy.Allow}).Draw(r, "to")
	switch rapid.SampledFrom([]string{"organization", "organization", "team", "host", "rule"}).Draw(r, "where") {
	case "organization":
		require.NoError(r, e.SetPermission(ctx, e.org, tool, to, store.Operator))
		e.organization[tool] = to
	case "team":
		require.NoError(r, e.SetTeamPermission(ctx, e.org, "sales", tool, to, store.Operator))
		e.team[tool] = to
	case "host":
		require.NoError(r, e.SetHostPermission(ctx, e.org, e.host, tool, to, store.Operator))
		e.hosts[tool] = to
	default:
		if e.shadow = !e.shadow; e.shadow {
			require.NoError(r, e.SetRule(ctx, e.org, policy.Rule{Name: policy.ShadowRule, When: `operation != "read"`, Then: policy.Deny}, store.Operator))
		} else {
			require.NoError(r, e.RemoveRule(ctx, e.org, policy.ShadowRule, store.Operator))
		}
	}
}

// plan saves the next round's plan, or the one before again: a delivery that came
// twice.
func (e *entrances) plan(r *rapid.T) {
	if e.version == 0 || rapid.Bool().Draw(r, "another round") {
		e.version++
		e.drafts = []store.Draft{draft(createContact, "contact", map[string]string{"email": "jane@northwind.example"})}
		deal := draft(createDeal, "deal", map[string]string{"dealname": "Renewal", "amount": rapid.SampledFrom([]string{"1", "2"}).Draw(r, "amount")})
		deal.DependsOn, deal.Content.Associations = []string{"contact"}, []store.AssociationRef{{Object: "contact", Key: "contact"}}
		update := dealDraft(map[string]string{"amount": rapid.SampledFrom([]string{"3", "4"}).Draw(r, "new amount")})
		if rapid.Bool().Draw(r, "doubt") {
			update.Content.Doubt = "two deals match"
		}
		note := draft(createNote, "note", map[string]string{"hs_note_body": "x"})
		note.Content.Associations = []store.AssociationRef{{Object: "deal", RecordID: "7"}}
		for _, d := range []store.Draft{deal, update, note} {
			if rapid.IntRange(0, 4).Draw(r, d.Key) > 0 {
				e.drafts = append(e.drafts, d)
			}
		}
		e.ExecForTest(e.t, `update meetings set version = $2 where id = $1`, e.meeting, e.version)
	}
	if rapid.Bool().Draw(r, "with the answers") {
		_, answers, err := e.Answers(context.Background(), e.org, e.meeting)
		if err == nil {
			e.answers = answers
		}
	}
	require.NoError(r, e.SavePlan(context.Background(), store.Plan{
		OrganizationID: e.org, MeetingID: e.meeting, MeetingVersion: e.version, AnswersVersion: e.answers, ConnectionID: e.account, Drafts: e.drafts,
	}))
}

// decide answers any question there ever was, by any entrance.
func (e *entrances) decide(r *rapid.T) {
	ctx := context.Background()
	all, err := e.Approvals(ctx, e.org, store.ApprovalFilter{MeetingID: e.meeting})
	require.NoError(r, err)
	if len(all) == 0 {
		r.Skip("nothing was asked")
	}
	if pending := slices.DeleteFunc(slices.Clone(all), func(p store.Approval) bool { return p.State != store.ApprovalPending }); len(pending) > 0 && rapid.IntRange(0, 3).Draw(r, "pending") > 0 {
		all = pending
	}
	p := rapid.SampledFrom(all).Draw(r, "question")
	d := store.Decision{OrganizationID: e.org, ApprovalID: p.ID, Verdict: rapid.SampledFrom([]store.Verdict{store.Approve, store.Approve, store.Edit, store.Reject}).Draw(r, "verdict")}
	d.Via = rapid.SampledFrom([]string{store.ViaWeb, store.ViaSlack, store.ViaMail, store.ViaTemporal, store.ViaCommandLine}).Draw(r, "via")
	switch d.Via {
	case store.ViaTemporal:
		d.OrganizationID, d.MeetingID, d.Actor = uuid.Nil, e.meeting, store.Actor{Name: "temporal operator (somebody)"}
	case store.ViaCommandLine:
		d.Actor = store.Operator
	default:
		d.Actor = store.Actor{Name: "person", PersonID: &e.admin}
	}
	if d.Verdict == store.Edit {
		d.Edit = map[string]string{}
		for name := range p.Action.Content.Properties {
			d.Edit[name] = "5"
			if name == "email" {
				d.Edit[name] = "joan@northwind.example"
			}
			break
		}
	}
	_, err = e.Decide(ctx, d)
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		return
	}
	require.NoError(r, err)
	if d.Verdict != store.Reject && p.Action.Tool.Operation != policy.Read {
		require.NotEqual(r, policy.Deny, e.permission(p.Action.Tool), "%s was approved via %s", p.Action.Tool, d.Via)
	}
}

func (e *entrances) actions(r *rapid.T) []store.Action {
	actions, err := e.ActionsOf(context.Background(), e.org, e.meeting)
	require.NoError(r, err)
	if len(actions) == 0 {
		r.Skip("nothing was planned")
	}
	return actions
}

// begin does what the gate does at the moment of the call.
func (e *entrances) begin(r *rapid.T, a store.Action) {
	ctx := context.Background()
	in := store.WriteIntent{Actor: store.Actor{Name: "gate"}, Keyed: rapid.Bool().Draw(r, "keyed")}
	w, err := e.CheckWrite(ctx, a.ID)
	require.NoError(r, err)
	e.judgeStep(r, a, w)
	if w.Step == store.WriteLook && rapid.Bool().Draw(r, "looked") {
		in.Looked = w.CallID
	}
	w, err = e.BeginWrite(ctx, a.ID, in)
	require.NoError(r, err)
	e.judgeStep(r, a, w)
	if w.Step == store.WriteSend {
		e.intents++
		e.sent = append(e.sent, w)
	}
}

func (e *entrances) judgeStep(r *rapid.T, a store.Action, w store.Write) {
	switch e.permission(a.Tool) {
	case policy.Deny:
		require.Equal(r, store.WriteSettled, w.Step, "%s is denied: nothing is sent, not even a look", a.Tool)
	case policy.Ask:
		if w.Step == store.WriteSend {
			require.NotNil(r, w.ApprovalID, "%s is set to ask", a.Tool)
		}
	case policy.Allow:
	}
}

// end is how a call ended that was begun: answered, lost, or overtaken.
func (e *entrances) end(r *rapid.T) {
	if len(e.sent) == 0 {
		r.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(e.sent)-1).Draw(r, "call")
	w := e.sent[i]
	state := rapid.SampledFrom([]store.ActionState{store.ActionWritten, store.ActionWritten, store.ActionReady, store.ActionUnknown, store.ActionFailed}).Draw(r, "ended")
	end := store.WriteEnd{ActionID: w.Action.ID, CallID: w.CallID, State: state, NaturalKey: w.NaturalKey, Call: store.CallResult{Outcome: store.Done, Status: 200}}
	if state == store.ActionWritten {
		end.RecordID = fmt.Sprint(100 + e.intents)
	} else {
		end.Call.Outcome = store.Failed
	}
	_, err := e.EndWrite(context.Background(), end)
	require.NoError(r, err)
	e.sent = slices.Delete(e.sent, i, i+1)
}

// undo asks for an undo and plans it, as far as Postgres can tell.
func (e *entrances) undo(r *rapid.T) {
	ctx := context.Background()
	err := e.RequestUndo(ctx, e.org, e.meeting, store.Actor{Name: "person", PersonID: &e.admin})
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		return
	}
	require.NoError(r, err)
	u, err := e.UndoPreview(ctx, e.org, e.meeting)
	require.NoError(r, err)
	p := store.UndoPlan{OrganizationID: e.org, MeetingID: e.meeting, Number: u.Number}
	for _, item := range u.Items {
		step := store.UndoStep{ConnectionID: item.ConnectionID, Kept: item.Why}
		step.Draft = store.Draft{Key: item.Key, Tool: item.Tool, TargetID: item.RecordID, DependsOn: item.DependsOn}
		step.Content = store.ActionContent{Label: item.Label, Undoes: item.Actions}
		for _, c := range item.Changes {
			if step.Content.Properties == nil {
				step.Content.Properties = map[string]string{}
			}
			step.Content.Properties[c.Property] = c.After
		}
		p.Steps = append(p.Steps, step)
	}
	require.NoError(r, e.SaveUndo(ctx, p))
}

// TestNoEntranceGetsADeniedToolToHubSpot: whatever is done through whichever
// entrance and in whatever order, an intent to write stands only for a tool that is
// not denied at that moment, and where it is set to ask only with somebody's
// approval. A tool that is turned to deny between approval and call is among it.
func TestNoEntranceGetsADeniedToolToHubSpot(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	ctx := context.Background()
	begun, denials := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		e := newEntrances(t, r, s)
		e.plan(r)
		r.Repeat(map[string]func(*rapid.T){
			"permission": e.setPermission,
			"plan":       e.plan,
			"decide":     e.decide,
			"decide too": e.decide,
			"write": func(r *rapid.T) {
				e.begin(r, rapid.SampledFrom(e.actions(r)).Draw(r, "action"))
			},
			"write what is ready": func(r *rapid.T) {
				look, err := e.LookAt(ctx, e.org, e.meeting)
				require.NoError(r, err)
				actions := e.actions(r)
				for _, ready := range look.Ready {
					i := slices.IndexFunc(actions, func(a store.Action) bool { return a.ID == ready.ID })
					e.begin(r, actions[i])
				}
			},
			"end": e.end,
			"ask again": func(r *rapid.T) {
				a := rapid.SampledFrom(e.actions(r)).Draw(r, "action")
				kind := rapid.SampledFrom([]string{"permission", "outcome"}).Draw(r, "kind")
				require.NoError(r, e.AskAgain(ctx, e.org, a.ID, kind, "the record was changed", map[string]string{"amount": "9"}))
			},
			"expire": func(*rapid.T) {
				e.ExecForTest(t, `update approvals set expires_at = now() where organization_id = $1 and state = 'pending' and random() < 0.5`, e.org)
			},
			"undo": e.undo,
			"read": func(r *rapid.T) {
				_, err := e.AskToRead(ctx, e.org, e.meeting, e.account, []policy.Tool{readContact})
				require.NoError(r, err)
				call := store.AuditEntry{OrganizationID: e.org, ConnectionID: &e.account, Tool: readContact, Actor: store.Operator, Origin: store.Origin{Kind: "meeting", ID: e.meeting}}
				_, err = e.BeginToolCall(ctx, call, []policy.Tool{readContact}, false)
				switch e.permission(readContact) {
				case policy.Deny:
					require.ErrorIs(r, err, policy.ErrDenied)
				case policy.Allow:
					require.NoError(r, err)
				default: // as it was answered
				}
			},
			"": func(r *rapid.T) {
				require.Equal(r, e.intents, e.CountForTest(t, `
					select count(*) from audit where organization_id = $1 and kind = 'call' and value_macs <> '{}' and outcome <> 'refused'`, e.org),
					"an intent that nobody began")
			},
		})
		begun += e.intents
		denials += e.CountForTest(t, `select count(*) from audit where organization_id = $1 and kind = 'call' and outcome = 'refused'`, e.org)
	})
	require.Positive(t, begun, "something was written, or this shows nothing")
	require.Positive(t, denials)
	t.Logf("%d intents, %d refused", begun, denials)
}
