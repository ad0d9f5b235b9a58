package activities

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// recordOwner keeps what HubSpot says of the host as an owner, for people to
// see. A host whom HubSpot has deactivated since is deactivated here, too: their
// sessions end, their own grants are revoked, and whoever stands in for them
// answers for what is open.
func (a *Activities) recordOwner(ctx context.Context, m Meeting, c store.Connection, reader *crm.Reader, r planner.Resolution, host string) error {
	if host == "" || !r.OwnersRead {
		return nil
	}
	person, err := a.Store.PersonByEmail(ctx, m.OrganizationID, host)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	seen := store.OwnerSeen{HubID: c.HubID}
	if owner, ok := r.Owner(host); ok {
		seen.OwnerID = owner.ID
	} else {
		archived, err := reader.ArchivedOwner(ctx, host)
		switch {
		case errors.Is(err, policy.ErrDenied):
			return nil
		case err != nil:
			return err
		case archived != "":
			seen.OwnerID, seen.Archived = archived, true
		}
	}
	// Before it is recorded: a process that dies in between does it again.
	if newlyArchived(person, seen) {
		if err := a.deactivate(ctx, m, person); err != nil {
			return err
		}
	}
	_, err = a.Store.RecordOwner(ctx, m.OrganizationID, person.ID, seen)
	return err
}

// newlyArchived says whether HubSpot has deactivated a person since it was asked
// last. It counts once: an admin may have let them in again. And it does not count
// where an admin wrote which other owner they are.
func newlyArchived(p store.Person, seen store.OwnerSeen) bool {
	if !seen.Archived || !p.Active() {
		return false
	}
	account := strconv.FormatInt(seen.HubID, 10) + ":"
	for _, i := range p.Identities {
		if i.Kind != store.IdentityHubSpotOwner || !strings.HasPrefix(i.Value, account) {
			continue
		}
		if i.Archived || i.SeenAt == nil && i.Value != account+seen.OwnerID {
			return false
		}
	}
	return true
}

func (a *Activities) deactivate(ctx context.Context, m Meeting, person store.Person) error {
	actor := store.Actor{Name: "HubSpot's list of owners"}
	gone, err := a.Store.DeactivatePerson(ctx, m.OrganizationID, person.ID, store.DeactivatedInHubSpot, actor)
	if refusal, ok := errors.AsType[*store.Refusal](err); ok {
		// The last admin: the page about the person says what HubSpot says.
		a.Log.Warn().Stringer("person", person.ID).Str("why", refusal.Sentence).Msg("deactivated in HubSpot, but not here")
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range gone.Connections {
		if err := a.Connections.Disconnect(ctx, m.OrganizationID, id, actor); err != nil {
			// It is ended here; the page about the connection offers the rest.
			a.Log.Warn().Stringer("connection", id).Err(err).Msg("HubSpot has not confirmed that a leaver's grant ended")
		}
	}
	return nil
}
