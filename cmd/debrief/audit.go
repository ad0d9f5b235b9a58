package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type auditCmd struct {
	List auditListCmd `cmd:"" default:"withargs" help:"List the newest rows."`
	Show auditShowCmd `cmd:"" help:"Show one row, and with --values what was written."`
}

type auditListCmd struct {
	jsonFlag

	Meeting uuid.UUID `help:"Only rows of this meeting."`
	Kind    string    `help:"Only rows of this kind: ${enum}." enum:",call,decision,permission,connection,person,source,visibility,organization,plan" default:""`
	Person  string    `help:"Only what this person did or what was done for them, by address or ID." placeholder:"PERSON"`
	Tool    string    `help:"Only rows of this tool, such as deal.update."`
	Record  string    `help:"Only rows about the record of this ID in HubSpot."`
	Before  int64     `help:"Only rows before this one, to page back."`
	Limit   int       `help:"How many rows." default:"100"`
}

func (c *auditListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "audit")
	if err != nil {
		return err
	}
	filter := store.AuditFilter{OriginID: c.Meeting, Kind: store.AuditKind(c.Kind), RecordID: c.Record, Before: c.Before, Limit: c.Limit}
	if c.Person != "" {
		person, err := findPerson(ctx, s, o, c.Person)
		if err != nil {
			return err
		}
		filter.PersonID = person.ID
	}
	if c.Tool != "" {
		info, err := findTool(c.Tool)
		if err != nil {
			return err
		}
		filter.Tool = info.Tool
	}
	trail, err := s.AuditTrail(ctx, o.ID, filter)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, trail, func() {
		rows := [][]string{auditColumns}
		for _, e := range trail {
			rows = append(rows, auditRow(e, names))
		}
		a.table("Nothing has happened yet.", rows)
	})
}

var auditColumns = []string{"ROW", "WHEN", "WHO", "FOR", "WHAT", "RECORD", "OUTCOME", "WHY", "PROPERTIES"}

func auditRow(e store.AuditEntry, names map[string]string) []string {
	who, behalf := e.Actor.Name, e.OnBehalfOf
	if e.Actor.PersonID != nil && names[e.Actor.PersonID.String()] != "" {
		who = names[e.Actor.PersonID.String()] + " (" + who + ")"
	}
	if name := names[behalf]; name != "" {
		behalf = name
	}
	what := string(e.Kind)
	if e.Kind == store.AuditCall {
		what = "HubSpot"
	}
	if e.Tool.Object != "" {
		what = e.Tool.Title()
		if e.Kind != store.AuditCall {
			what = string(e.Kind) + ": " + what
		}
	}
	return []string{
		itoa(e.ID), e.At.Local().Format(time.DateTime), who, behalf, what, e.RecordID, string(e.Outcome), e.Reason,
		strings.Join(e.Properties, ","),
	}
}

type auditShowCmd struct {
	jsonFlag

	Row    int64 `arg:"" help:"The row's number."`
	Values bool  `help:"With what was written. That it was looked at becomes a row of its own."`
}

func (c *auditShowCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "audit")
	if err != nil {
		return err
	}
	row, err := s.AuditRow(ctx, o.ID, c.Row)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no row %d in the trail of %s: `debrief audit list` shows it", c.Row, o.Name)
	}
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	out := struct {
		store.AuditEntry
		Values map[string]string `json:"values,omitempty"`
	}{AuditEntry: row}
	if c.Values {
		out.Values, err = s.OpenAuditValues(ctx, o.ID, c.Row, store.Operator)
		switch {
		case errors.Is(err, store.ErrErased):
			return usagef("what was written by row %d was erased, together with the meeting's words", c.Row)
		case errors.Is(err, store.ErrNotFound):
			return usagef("nothing was written by row %d", c.Row)
		case err != nil:
			return err
		}
	}
	return a.show(c.JSON, out, func() {
		shown := [][]string{{"ROW", itoa(row.ID)}}
		for i, value := range auditRow(row, names)[1:] {
			shown = append(shown, []string{strings.ToLower(auditColumns[i+1]), value})
		}
		for _, name := range slices.Sorted(maps.Keys(out.Values)) {
			shown = append(shown, []string{"  " + name, out.Values[name]})
		}
		a.table("", shown)
	})
}
