package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// mayAnswer refuses a person who may not answer a question about an action. Who
// hosted the meeting, or answers for its host, may; who attended it; who owns the
// record in HubSpot; and whose role is that of an admin or an approver. Under an
// account connection HubSpot's own limits on a person do not apply: this stands in
// their place.
func (s *Store) mayAnswer(ctx context.Context, q querier, f *followUp, a Action, personID uuid.UUID) error {
	var role Role
	var active, answersForHost bool
	var addresses, owners []string
	err := q.QueryRow(ctx, `
		select p.role, p.deactivated_at is null,
		       array(select value from person_identities i where i.person_id = p.id and i.kind = 'email'),
		       array(select value from person_identities i where i.person_id = p.id and i.kind = 'hubspot_owner' and not i.archived),
		       exists (select from meetings m join responsible_people r on r.organization_id = m.organization_id and r.person_id = m.host_person_id
		               where m.id = $3 and r.responsible_id = p.id)
		from people p where p.organization_id = $1 and p.id = $2`, f.organizationID, personID, f.meetingID).
		Scan(&role, &active, &addresses, &owners, &answersForHost)
	if err := notFound(err, fmt.Sprintf("reading person %s", personID)); err != nil {
		return err
	}
	switch {
	case !active:
		return refuse("You have been deactivated, so nothing was decided.")
	case role == RoleViewer:
		return refuse("A viewer answers no questions: ask an admin for another role.")
	case role == RoleAdmin, role == RoleApprover, answersForHost:
		return nil
	}
	var facts judge
	if err := s.readFacts(ctx, q, &facts, f.organizationID, a.Origin); err != nil {
		return err
	}
	if slices.ContainsFunc(addresses, func(address string) bool { return facts.attended[address] }) {
		return nil
	}
	if record := facts.record(a.Tool.Object, a.TargetID); record != nil && f.connection != nil {
		owner := strconv.FormatInt(f.connection.HubID, 10) + ":" + record.Properties["hubspot_owner_id"]
		if slices.Contains(owners, owner) {
			return nil
		}
	}
	return refuse("This question is for the meeting's host, for those who attended it, for the record's owner, and for approvers.")
}
