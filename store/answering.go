package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// rights are what somebody may say to a question. Who has any may reject it, and
// answer what Debrief asks of its own.
type rights struct {
	// refusal is why they may not approve or edit; nil if they may.
	refusal error
	// principal is whose right it is: the person's own, or of whom they are a
	// delegate. Empty if they may not approve.
	principal string
}

// answerer is somebody who would answer, or whose delegate would.
type answerer struct {
	id       uuid.UUID
	role     Role
	active   bool
	standsIn bool // hosts the meeting, or answers for its host
	named    bool // as an approver
	emails   []string
	owners   []string
}

// rightsOf says what whoever decides may say to the questions of a follow-up, and
// refuses those who may say nothing. It is the one place that does, for every
// entrance.
func (s *Store) rightsOf(ctx context.Context, q querier, f *followUp, a Action, d Decision) (rights, error) {
	settings := f.settings.Approvals
	switch {
	case d.Actor.PersonID != nil:
		return s.rightsOfPerson(ctx, q, f, a, *d.Actor.PersonID)
	case d.Via == ViaTemporal && !f.settings.TemporalDecisions:
		return rights{}, refuse("Decisions in the Temporal UI are off for this organization. An admin can turn them on; until then answer on the page, or on the command line.")
	case d.Via == ViaTemporal:
		r := rights{principal: "temporal operator"}
		if settings.particular() {
			// Whoever clicks, clicks as nobody: two clicks are not two people.
			r.refusal = refuse("The Temporal UI tells nobody who clicked, and your organization wants to know who approves. Approve on the page, or by `debrief approvals approve --as EMAIL`. Rejecting works here, too.")
		}
		return r, nil
	case d.Actor.Name == Operator.Name && d.Via != ViaSlack && d.Via != ViaMail:
		r := rights{principal: Operator.Name}
		if settings.NoSelfApproval {
			r.refusal = refuse("Nobody approves what is done on their own behalf here, and nobody can tell who the operator is. Say who approves: `debrief approvals approve --as EMAIL`, or sign in as yourself.")
		}
		return r, nil
	default:
		return rights{}, refuse("Nobody knows who answered, so nothing was decided: sign in first.")
	}
}

// rightsOfPerson is [Store.rightsOf] of a person. Who hosted the meeting, or
// answers for its host, may answer; who attended it; who owns the record in
// HubSpot; named approvers; and whose role is that of an admin or an approver; and
// the delegates of all those, except for what those may not do themselves. Under an
// account connection HubSpot's own limits on a person do not apply: this stands in
// their place.
func (s *Store) rightsOfPerson(ctx context.Context, q querier, f *followUp, a Action, personID uuid.UUID) (rights, error) {
	all, err := s.answerers(ctx, q, f, personID)
	if err != nil {
		return rights{}, err
	}
	me := slices.IndexFunc(all, func(w answerer) bool { return w.id == personID })
	switch {
	case me < 0:
		return rights{}, refuse(noSuchQuestion) // of another organization
	case !all[me].active:
		return rights{}, refuse("You have been deactivated, so nothing was decided.")
	case all[me].role == RoleViewer:
		return rights{}, refuse("A viewer answers no questions: ask an admin for another role.")
	}
	mine := all[me]
	settings := f.settings.Approvals
	var selves []uuid.UUID
	if settings.NoSelfApproval {
		if selves, err = s.onBehalfOf(ctx, q, f, a); err != nil {
			return rights{}, err
		}
	}
	self := func(w answerer) bool { return slices.Contains(selves, w.id) }
	var best *rights
	// Their own right first: a delegate with one of their own is a voice of their own.
	for _, who := range append([]answerer{mine}, slices.Delete(all, me, me+1)...) {
		may, err := s.mayAnswer(ctx, q, f, a, who)
		if err != nil {
			return rights{}, err
		}
		if !may {
			continue
		}
		r := rights{}
		switch {
		case self(mine), self(who):
			r.refusal = refuse("This is done on behalf of you, or of whoever you answer for, and your organization wants somebody else to approve it. You may reject it.")
		case len(settings.Approvers) > 0 && who.role != RoleAdmin && !who.named:
			r.refusal = refuse("Your organization has named who approves: that is for them and for admins. You may reject this, and answer what Debrief asks of its own.")
		default:
			return rights{principal: who.id.String()}, nil
		}
		if best == nil {
			best = &r
		}
	}
	if best == nil {
		return rights{}, refuse("This question is for the meeting's host, for those who attended it, for the record's owner, and for approvers.")
	}
	return *best, nil
}

// isNamed says that a person p of the organization $1 is among the approvers $4, or
// was before they turned out to be one.
const isNamed = `exists (select from people g where g.organization_id = $1 and g.id = any($4) and coalesce(g.merged_into, g.id) = p.id)`

// answerers reads a person, and those whose delegate the person is.
func (s *Store) answerers(ctx context.Context, q querier, f *followUp, personID uuid.UUID) ([]answerer, error) {
	rows, err := q.Query(ctx, `
		select p.id, p.role, p.deactivated_at is null,
		       array(select value from person_identities i where i.person_id = p.id and i.kind = 'email'),
		       array(select value from person_identities i where i.person_id = p.id and i.kind = 'hubspot_owner' and not i.archived),
		       exists (select from responsible_people r where r.organization_id = $1 and r.person_id = m.host_person_id and r.responsible_id = p.id),
		       `+isNamed+`
		from people p left join meetings m on m.id = $3
		where p.organization_id = $1 and (p.id = $2 or p.deactivated_at is null and p.role <> 'viewer' and p.id in (
		  select coalesce(giver.merged_into, giver.id) from approval_delegations d
		  join people giver on giver.id = d.from_person_id join people taker on taker.id = d.to_person_id
		  where d.organization_id = $1 and d.until > now() and coalesce(taker.merged_into, taker.id) = $2))
		order by p.created_at, p.id`, f.organizationID, personID, f.meetingID, notNil(f.settings.Approvals.Approvers))
	if err != nil {
		return nil, fmt.Errorf("reading who answers: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w answerer, err error) {
		err = row.Scan(&w.id, &w.role, &w.active, &w.emails, &w.owners, &w.standsIn, &w.named)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading who answers: %w", err)
	}
	return all, nil
}

// mayAnswer says whether somebody may answer questions about an action, in their
// own right.
func (s *Store) mayAnswer(ctx context.Context, q querier, f *followUp, a Action, who answerer) (bool, error) {
	if f.answersByRole(who) {
		return true, nil
	}
	facts, err := s.factsOf(ctx, q, f)
	if err != nil {
		return false, err
	}
	owner := f.owner(facts, a)
	return facts.attendedBy(who) || owner != "" && slices.Contains(who.owners, owner), nil
}

// answersByRole says whether somebody may answer whatever the questions of a
// follow-up are about, and wherever they were.
func (f *followUp) answersByRole(who answerer) bool {
	return who.role == RoleAdmin || who.role == RoleApprover || who.standsIn || who.named
}

func (j *judge) attendedBy(who answerer) bool {
	return slices.ContainsFunc(who.emails, func(address string) bool { return j.attended[address] })
}

// factsOf is what is known of a follow-up's meeting, read once.
func (s *Store) factsOf(ctx context.Context, q querier, f *followUp) (*judge, error) {
	if f.facts == nil {
		var facts judge
		if err := s.readFacts(ctx, q, &facts, f.organizationID, f.origin()); err != nil {
			return nil, err
		}
		f.facts = &facts
	}
	return f.facts, nil
}

// owner is who owns an action's record in HubSpot, as an identity names owners
// ("account:ID"); empty if nobody is known to.
func (f *followUp) owner(facts *judge, a Action) string {
	record := facts.record(a.Tool.Object, a.TargetID)
	if record == nil || f.connection == nil || record.Properties["hubspot_owner_id"] == "" {
		return ""
	}
	return strconv.FormatInt(f.connection.HubID, 10) + ":" + record.Properties["hubspot_owner_id"]
}

// onBehalfOf are those for whom an action is done: the meeting's host, and who
// asked for it where somebody did.
func (s *Store) onBehalfOf(ctx context.Context, q querier, f *followUp, a Action) ([]uuid.UUID, error) {
	ids, err := collectIDs(ctx, q, `
		select host_person_id from meetings where id = $1 and host_person_id is not null
		union
		select coalesce(p.merged_into, p.id) from follow_ups f join people p on p.id = f.undo_requested_by_id
		where f.meeting_id = $1 and $2 = 'undo'`, f.meetingID, a.Origin.Kind)
	if err != nil {
		return nil, fmt.Errorf("reading on whose behalf it is done: %w", err)
	}
	return ids, nil
}
