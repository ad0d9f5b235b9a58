package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ApprovalSettings say who has to approve, and what becomes of questions that
// nobody answers. The zero value: one person's word is enough, whoever may answer
// may approve, a reminder comes after a day and another a day before the deadline,
// and what nobody answered counts as rejected.
type ApprovalSettings struct {
	// Quorum is how many different people have to approve; 0 and 1 mean one. An
	// edit makes new content, that is asked about anew with its editor as the first
	// who approves it. One who rejects is enough.
	Quorum int `json:"quorum,omitempty"`
	// NoSelfApproval: on whose behalf something is done, or who asked for it, may
	// reject it and not approve it. Neither may their delegate, nor whoever can't be
	// told apart from them: an operator who does not say who they are, and the
	// Temporal UI.
	NoSelfApproval bool `json:"no_self_approval,omitempty"`
	// Approvers, if there are any, are who may approve, beside admins. Others who
	// may answer (hosts, attendees, owners, approvers by role) may still reject, and
	// answer what only they may know: who was there, which record is meant.
	Approvers []uuid.UUID `json:"approvers,omitempty"`
	// RemindAfter is when who was asked is reminded; 0 means a day, less than 0
	// never. A day before its deadline comes one reminder more.
	RemindAfter Duration `json:"remind_after,omitempty"`
	// OnExpiry is what happens at the deadline; empty means [ExpiryRejects].
	OnExpiry ExpiryPolicy `json:"on_expiry,omitempty"`
}

// ExpiryPolicy is what becomes of a question that nobody answered in time.
type ExpiryPolicy string

// What can become of it.
const (
	// ExpiryRejects: nothing is written.
	ExpiryRejects ExpiryPolicy = "reject"
	// ExpiryEscalates: once, admins and approvers are asked, with a new deadline.
	// After that nothing is written.
	ExpiryEscalates ExpiryPolicy = "escalate"
	// ExpiryLeavesOpen: it is given a new deadline, again and again.
	ExpiryLeavesOpen ExpiryPolicy = "open"
)

// ExpiryPolicies lists them, the default first.
func ExpiryPolicies() []ExpiryPolicy {
	return []ExpiryPolicy{ExpiryRejects, ExpiryEscalates, ExpiryLeavesOpen}
}

const (
	defaultRemindAfter = 24 * time.Hour
	// lastReminder is how long before the deadline the second reminder comes.
	lastReminder = 24 * time.Hour
	mostQuorum   = 10
)

// quorum is how many have to approve.
func (a ApprovalSettings) quorum() int { return max(a.Quorum, 1) }

// particular says that not just anybody who may answer may approve.
func (a ApprovalSettings) particular() bool {
	return a.quorum() > 1 || a.NoSelfApproval || len(a.Approvers) > 0
}

// String describes the settings for the trail, without names.
func (a ApprovalSettings) String() string {
	parts := []string{fmt.Sprintf("quorum %d", a.quorum())}
	if a.NoSelfApproval {
		parts = append(parts, "no self-approval")
	}
	if len(a.Approvers) > 0 {
		names := make([]string, 0, len(a.Approvers))
		for _, id := range a.Approvers {
			names = append(names, "person "+id.String())
		}
		parts = append(parts, "approvers "+strings.Join(names, " "))
	}
	switch {
	case a.RemindAfter < 0:
		parts = append(parts, "no reminders")
	case a.RemindAfter > 0:
		parts = append(parts, "reminder after "+time.Duration(a.RemindAfter).String())
	}
	if a.OnExpiry != "" {
		parts = append(parts, "on expiry "+string(a.OnExpiry))
	}
	return strings.Join(parts, ", ")
}

// check refuses settings that make no sense, whoever there is.
func (a ApprovalSettings) check() error {
	switch {
	case a.Quorum < 0 || a.Quorum > mostQuorum:
		return refuse("The quorum is how many people have to approve: a number from 1 to %d.", mostQuorum)
	case a.OnExpiry != "" && !slices.Contains(ExpiryPolicies(), a.OnExpiry):
		return refuse("There is no expiry policy %q: say reject, escalate or open.", a.OnExpiry)
	case a.RemindAfter > 0 && time.Duration(a.RemindAfter) < time.Minute:
		return refuse("A reminder comes after a minute at the soonest.")
	default:
		return nil
	}
}

// checkApprovals refuses settings that make no sense in an organization: one
// whose questions nobody could approve.
func checkApprovals(ctx context.Context, q querier, organizationID uuid.UUID, a ApprovalSettings) error {
	if err := a.check(); err != nil {
		return err
	}
	for i, id := range a.Approvers {
		if slices.Contains(a.Approvers[:i], id) {
			return refuse("An approver is named twice.")
		}
	}
	var named, able int
	err := q.QueryRow(ctx, `
		select count(*) filter (where id = any($2)), count(*) filter (where cardinality($2::uuid[]) = 0 or id = any($2) or role = 'admin')
		from people where organization_id = $1 and deactivated_at is null and role <> 'viewer'`, organizationID, notNil(a.Approvers)).Scan(&named, &able)
	if err != nil {
		return fmt.Errorf("counting who could approve: %w", err)
	}
	if named < len(a.Approvers) {
		return refuse("An approver is somebody of the organization who is not deactivated and not a viewer: of the %d that are named, %d are.", len(a.Approvers), named)
	}
	wanted, because := a.quorum(), ""
	if a.NoSelfApproval {
		// One of them may be the one on whose behalf it is done.
		wanted, because = wanted+1, ", one more since nobody approves what is done on their own behalf"
	}
	if a.particular() && able < wanted {
		return refuse("Too few people could approve: %d are needed%s, and there are %d.", wanted, because, able)
	}
	return nil
}

func notNil(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}
