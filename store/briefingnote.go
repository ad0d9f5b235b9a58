package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// BriefingNoteKey is the key of the action that writes a meeting's brief into HubSpot,
// which no round plans.
const BriefingNoteKey = "note.create:briefing"

// noteTool is what writes it.
var noteTool = policy.Tool{Object: "note", Operation: policy.Create} // never changed

// noteBriefing makes an action of the brief's note, with its permission: once for a
// meeting, whoever is briefed on it and however often. One that was withdrawn, or
// denied, is asked for again; what a human rejected is not. Its connection is the brief's.
//
// f is the meeting's follow-up, which the caller has locked before the brief: it
// carries the action, also before the meeting has taken place. Once a round was planned,
// the meeting is over, and nothing is noted any more.
func (s *Store) noteBriefing(ctx context.Context, tx pgx.Tx, f *followUp, made BriefingMade) error {
	if f.over() || f.plannedVersion > 0 || made.ConnectionID == nil {
		return nil
	}
	// What is shown of it, and whether its scope is granted, goes by the follow-up's
	// connection; a round chooses its own.
	f.connectionID = made.ConnectionID
	if err := s.readConnection(ctx, tx, f); err != nil {
		return err
	}
	actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 and a.key = $2 for update`, f.meetingID, BriefingNoteKey)
	if err != nil {
		return err
	}
	key, err := s.dataKey(ctx, tx, f.dataKeyID)
	if err != nil {
		return err
	}
	judge, err := s.judgeOf(ctx, tx, f.organizationID, f.origin())
	if err != nil {
		return err
	}
	a := Action{
		ID: newID(), OrganizationID: f.organizationID, Origin: f.origin(), Round: f.round, Key: BriefingNoteKey, Tool: noteTool,
		DependsOn: []uuid.UUID{}, ConnectionID: made.ConnectionID, Content: *made.Note, dataKeyID: f.dataKeyID,
	}
	if len(actions) == 0 {
		err = s.insertAction(ctx, tx, key, &a)
	} else {
		before := actions[0]
		if before.State != ActionWithdrawn && before.State != ActionDenied || before.MayExistSince != nil {
			return nil
		}
		a.ID = before.ID
		if err = s.setActionContent(ctx, tx, &a); err == nil {
			_, err = tx.Exec(ctx, `update actions set connection_id = $2 where id = $1`, a.ID, a.ConnectionID)
		}
	}
	if err != nil {
		return err
	}
	if err := s.permit(ctx, tx, f, &a, judge); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `update follow_ups set connection_id = $2, state = 'open', closed_at = null where meeting_id = $1`, f.meetingID, f.connectionID); err != nil {
		return fmt.Errorf("opening the follow-up: %w", err)
	}
	err = s.audit(ctx, tx, AuditEntry{
		OrganizationID: f.organizationID, Kind: AuditPlan, Actor: Actor{Name: "briefing"}, OnBehalfOf: made.PersonID.String(), Origin: f.origin(), Round: f.round,
		Tool: a.Tool, ConnectionID: a.ConnectionID, Reason: "a note of the briefing: " + string(a.State),
	})
	if err != nil {
		return err
	}
	return s.wake(ctx, tx, f.organizationID, f.meetingID, "a note of the briefing")
}

// endBriefingNote withdraws the note of a brief that has ended, as long as it is neither
// written nor on its way: a note that somebody approves after the meeting was canceled,
// or has begun, tells nobody anything.
func (s *Store) endBriefingNote(ctx context.Context, k BriefingKey, reason string) error {
	var open bool
	err := s.pool.QueryRow(ctx, `
		select exists (select from actions where organization_id = $1 and origin_id = $2 and key = $3 and state in ('asking', 'ready') and may_exist_since is null)`,
		k.OrganizationID, k.MeetingID, BriefingNoteKey).Scan(&open)
	if err != nil {
		return fmt.Errorf("asking for the briefing's note: %w", err)
	}
	if !open {
		return nil
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, k.OrganizationID, k.MeetingID)
		if err != nil {
			return err
		}
		actions, err := s.queryActions(ctx, tx, `
			where a.origin_id = $1 and a.key = $2 and a.state in ('asking', 'ready') and a.may_exist_since is null for update`, f.meetingID, BriefingNoteKey)
		if err != nil {
			return err
		}
		for _, a := range actions {
			if err := s.settle(ctx, tx, f, a, ActionWithdrawn, reason); err != nil {
				return err
			}
		}
		return s.wake(ctx, tx, k.OrganizationID, k.MeetingID, "the briefing has ended")
	})
	if errors.Is(err, ErrErased) {
		return nil // it ended with its words
	}
	if err != nil {
		return fmt.Errorf("withdrawing the briefing's note: %w", err)
	}
	return nil
}

// BriefingNotes says which of these notes are briefs that Debrief wrote into HubSpot:
// they tell nobody anything new.
func (s *Store) BriefingNotes(ctx context.Context, organizationID uuid.UUID, hubID int64, noteIDs []string) ([]string, error) {
	if len(noteIDs) == 0 {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `
		select a.record_id from actions a join connections c on c.id = a.connection_id and c.hub_id = $2
		where a.organization_id = $1 and a.operation = 'create' and a.record_id <> '' and a.record_id = any($3) and a.key = $4`,
		organizationID, hubID, noteIDs, BriefingNoteKey)
	if err != nil {
		return nil, fmt.Errorf("asking which notes are briefs: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("asking which notes are briefs: %w", err)
	}
	slices.Sort(ids)
	return ids, nil
}
