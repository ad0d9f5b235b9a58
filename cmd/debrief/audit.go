package main

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type auditCmd struct {
	List auditListCmd `cmd:"" default:"withargs" help:"List the newest rows."`
}

type auditListCmd struct {
	jsonFlag

	Meeting uuid.UUID `help:"Only rows of this meeting."`
	Kind    string    `help:"Only rows of this kind: ${enum}." enum:",call,decision,permission,connection,source,visibility,organization" default:""`
	Before  int64     `help:"Only rows before this one, to page back."`
	Limit   int       `help:"How many rows." default:"100"`
}

func (c *auditListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "audit")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	trail, err := s.AuditTrail(ctx, o.ID, store.AuditFilter{OriginID: c.Meeting, Kind: store.AuditKind(c.Kind), Before: c.Before, Limit: c.Limit})
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, trail, func() {
		rows := [][]string{{"ROW", "WHEN", "WHO", "FOR", "WHAT", "RECORD", "OUTCOME", "WHY", "PROPERTIES"}}
		for _, e := range trail {
			rows = append(rows, auditRow(e, names))
		}
		a.table("Nothing has happened yet.", rows)
	})
}

func auditRow(e store.AuditEntry, names map[string]string) []string {
	who, behalf := e.Actor.Name, e.OnBehalfOf
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
