package hubspottest

import (
	"net/http"
	"strconv"
	"strings"
)

func (u *User) owner() map[string]any {
	teams := u.Teams
	if teams == nil {
		teams = []Team{}
	}
	out := map[string]any{
		"id": u.OwnerID, "email": u.Email, "type": "PERSON", "firstName": u.FirstName, "lastName": u.LastName,
		"userId": u.ID, "userIdIncludingInactive": u.ID, "archived": u.Archived, "teams": teams,
		"createdAt": formatTime(builtinSince), "updatedAt": formatTime(builtinSince),
	}
	if u.Archived {
		out["userId"] = nil
	}
	return out
}

func (p *portal) sortedUsers() []*User {
	out := make([]*User, 0, len(p.Users))
	for _, u := range p.Users {
		out = append(out, u)
	}
	sortBy(out, func(a, b *User) bool {
		if len(a.OwnerID) != len(b.OwnerID) {
			return len(a.OwnerID) < len(b.OwnerID)
		}
		return a.OwnerID < b.OwnerID
	})
	return out
}

func listOwners(q *request) reply {
	limit, refused := q.limitParam(100, 500)
	if refused != nil {
		return *refused
	}
	email, archived := q.query.Get("email"), q.query.Get("archived") == "true"
	results := []any{}
	out := map[string]any{}
	started := q.query.Get("after") == ""
	for _, u := range q.portal.sortedUsers() {
		started = started || u.OwnerID == q.query.Get("after")
		if !started || u.Archived != archived || email != "" && !strings.EqualFold(u.Email, email) {
			continue
		}
		if len(results) == limit {
			out["paging"] = map[string]any{"next": map[string]any{"after": u.OwnerID, "link": q.s.URL + "/crm/owners/" + APIVersion + "?after=" + u.OwnerID}}
			break
		}
		results = append(results, u.owner())
	}
	out["results"] = results
	return reply{status: http.StatusOK, body: out}
}

func readOwner(q *request) reply {
	for _, u := range q.portal.Users {
		id := u.OwnerID
		if q.query.Get("idProperty") == "userId" {
			id = strconv.FormatInt(u.ID, 10)
		}
		if id == q.vars["ownerId"] && u.Archived == (q.query.Get("archived") == "true") {
			return reply{status: http.StatusOK, body: u.owner()}
		}
	}
	return notFound()
}
