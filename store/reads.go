package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// The question whether HubSpot's records may be read for a meeting is about an
// action of its own, one for each meeting. Its properties are the object types
// concerned. Once it is approved the action stays ready: it is nothing to write.
const (
	readKey   = "read"
	readValue = "read"
)

// readTool stands for reading, whatever is read: nobody sets its permission.
var readTool = policy.Tool{Object: "record", Operation: policy.Read} // never changed

// reads says that an action is the question about reading.
func (a Action) reads() bool { return a.Tool == readTool }

// readTools are the tools that a question about reading is about.
func (a Action) readTools() []policy.Tool {
	tools := make([]policy.Tool, 0, len(a.Content.Properties))
	for _, object := range slices.Sorted(maps.Keys(a.Content.Properties)) {
		tools = append(tools, policy.Tool{Object: object, Operation: policy.Read})
	}
	return tools
}

// question decides about an action that somebody was asked about, with its values
// as edited. Reading is denied once nothing of it is left to ask about.
func (j *judge) question(a Action, edit map[string]string) policy.Decision {
	if !a.reads() {
		return j.action(a, edit)
	}
	denied := policy.Decision{Permission: policy.Deny, Reason: "nothing of it is asked about any more"}
	for _, tool := range a.readTools() {
		if d := j.tool(tool); d.Permission == policy.Ask {
			return d
		}
	}
	return denied
}

// AskToRead asks, once for a meeting, whether HubSpot's records may be read for it,
// where its tools ask: these are the tools that a plan may need. It returns whether
// the answer has to be waited for. What was rejected, or nobody answered, is
// denied; where more tools ask than were asked about, it is asked anew.
func (s *Store) AskToRead(ctx context.Context, organizationID, meetingID, connectionID uuid.UUID, tools []policy.Tool) (wait bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
		if err != nil {
			return err
		}
		if f.over() {
			return nil
		}
		wait, err = s.askToRead(ctx, tx, f, connectionID, tools)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("asking whether to read for meeting %s: %w", meetingID, err)
	}
	return wait, nil
}

func (s *Store) askToRead(ctx context.Context, tx pgx.Tx, f *followUp, connectionID uuid.UUID, tools []policy.Tool) (wait bool, err error) {
	judge, err := s.judgeOf(ctx, tx, f.organizationID, f.origin())
	if err != nil {
		return false, err
	}
	asked := map[string]string{}
	for _, tool := range tools {
		if tool = tool.Canonical(); tool.Operation == policy.Read && judge.tool(tool).Permission == policy.Ask {
			asked[tool.Object] = readValue
		}
	}
	if len(asked) == 0 {
		return false, nil
	}
	actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 and a.key = $2 for update`, f.meetingID, readKey)
	if err != nil {
		return false, err
	}
	if len(actions) == 0 {
		key, err := s.dataKey(ctx, tx, f.dataKeyID)
		if err != nil {
			return false, err
		}
		a := Action{
			ID: newID(), OrganizationID: f.organizationID, Origin: f.origin(), Round: f.round, Key: readKey, Tool: readTool,
			Content: f.readContent(asked), ConnectionID: &connectionID, DependsOn: []uuid.UUID{}, dataKeyID: f.dataKeyID,
		}
		if err := s.insertAction(ctx, tx, key, &a); err != nil {
			return false, err
		}
		_, err = s.ask(ctx, tx, f, &a, kindRead, "")
		return true, err
	}
	a := actions[0]
	same, err := sameAccount(ctx, tx, a.ConnectionID, connectionID)
	if err != nil {
		return false, err
	}
	// What was withdrawn was answered by nobody, and what was said about one
	// account says nothing about another.
	stands := same && a.State != ActionWithdrawn
	known := true
	for object := range asked {
		known = known && a.Content.Properties[object] != ""
	}
	if stands && known {
		return a.State == ActionAsking, nil
	}
	if a.State == ActionAsking {
		if err := s.withdrawQuestion(ctx, tx, f.origin(), a, "asked anew, about something else than was asked before"); err != nil {
			return false, err
		}
	}
	a.Content, a.Round = f.readContent(asked), f.round
	if err := s.setActionContent(ctx, tx, &a); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `update actions set connection_id = $2 where id = $1`, a.ID, connectionID); err != nil {
		return false, fmt.Errorf("changing the account of the question: %w", err)
	}
	_, err = s.ask(ctx, tx, f, &a, kindRead, "")
	return true, err
}

// sameAccount says whether two connections are to one HubSpot account.
func sameAccount(ctx context.Context, q querier, a *uuid.UUID, b uuid.UUID) (bool, error) {
	var same bool
	err := q.QueryRow(ctx, `select coalesce((select hub_id from connections where id = $1) = (select hub_id from connections where id = $2), false)`, a, b).Scan(&same)
	if err != nil {
		return false, fmt.Errorf("comparing accounts: %w", err)
	}
	return same, nil
}

func (f *followUp) readContent(objects map[string]string) ActionContent {
	c := ActionContent{
		Label: strings.Join(slices.Sorted(maps.Keys(objects)), ", "), Properties: objects,
		Purpose: "looks up what HubSpot knows of the meeting's people, to plan with it",
	}
	if f.originKind != originMeeting {
		c.Purpose = "tells the caller what HubSpot knows"
	}
	return c
}

// readApproved says whether somebody approved that records of a tool's object type
// are read for a meeting.
func (s *Store) readApproved(ctx context.Context, q querier, origin Origin, tool policy.Tool) (bool, error) {
	actions, err := s.queryActions(ctx, q, `where a.origin_id = $1 and a.key = $2 and a.state = 'ready'`, origin.ID, readKey)
	if errors.Is(err, ErrErased) {
		return false, nil
	}
	if err != nil || len(actions) == 0 {
		return false, err
	}
	return actions[0].Content.Properties[tool.Canonical().Object] == readValue, nil
}
