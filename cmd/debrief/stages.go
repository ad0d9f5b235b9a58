package main

import (
	"context"
	"slices"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// stageFlags are the settings of what a deal's stage begins.
type stageFlags struct {
	DealStage     []string        `help:"A stage that has a deal's last meetings looked through again when the deal reaches it, as PIPELINE/STAGE; repeat for several, --deal-stage '' for none (the default). 'debrief organizations stages' lists them." placeholder:"PIPELINE/STAGE"`
	StageMeetings *int            `help:"How many of the deal's meetings, the latest (default 3, at most 20)."`
	StageWithin   *store.Duration `help:"How long before that a meeting may have been (default 2160h, which is 90 days)."`
}

func (f stageFlags) apply(d *store.DealStages) error {
	if f.DealStage != nil {
		d.Stages = nil
	}
	for _, text := range f.DealStage {
		if text == "" {
			continue
		}
		stage, err := store.ParseDealStage(text)
		if err != nil {
			return err
		}
		if !slices.Contains(d.Stages, stage) {
			d.Stages = append(d.Stages, stage)
		}
	}
	if f.StageMeetings != nil {
		d.Meetings = *f.StageMeetings
	}
	if f.StageWithin != nil {
		d.Within = *f.StageWithin
	}
	return nil
}

type organizationsStagesCmd struct {
	jsonFlag

	Connection string `help:"The connection whose account is asked; without it the default, or the only one." placeholder:"NAME"`
}

// stageShown is a stage of deals as the command shows it.
type stageShown struct {
	Stage    string `json:"stage"` // as --deal-stage takes it
	Pipeline string `json:"pipeline_name"`
	Name     string `json:"name"`
	Closed   bool   `json:"closed"`
	Begins   bool   `json:"begins"`
	// Gone: it is set, and the account has no such stage.
	Gone bool `json:"gone,omitempty"`
}

func (c *organizationsStagesCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "organizations")
	if err != nil {
		return err
	}
	connection, err := connectionFlag{Connection: c.Connection}.find(ctx, s, o)
	if err != nil {
		return err
	}
	reader := a.gate(s, a.connectionsService(s)).Reader(crm.Scope{OrganizationID: o.ID, ConnectionID: connection.ID, Actor: store.Operator, Waited: true})
	pipelines, err := reader.Pipelines(ctx, "deal")
	if err != nil {
		return err
	}
	shown := stagesShown(pipelines, o.Settings.DealStages)
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"STAGE", "PIPELINE", "NAME", "CLOSED", "BEGINS"}}
		for _, stage := range shown {
			name := stage.Name
			if stage.Gone {
				name = "not in this account"
			}
			rows = append(rows, []string{stage.Stage, stage.Pipeline, name, yes(stage.Closed), yes(stage.Begins)})
		}
		a.table("The account has no pipelines of deals.", rows)
		a.say("\n`debrief organizations set --deal-stage STAGE` has a deal's last meetings looked through again when the deal reaches it.")
	})
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

// stagesShown are the account's stages in HubSpot's order, and those that are set and
// are none of the account's.
func stagesShown(pipelines []hubspot.Pipeline, set store.DealStages) []stageShown {
	shown := []stageShown{}
	known := map[store.DealStage]bool{}
	for _, p := range pipelines {
		for _, stage := range p.Stages {
			id := store.DealStage{Pipeline: p.ID, Stage: stage.ID}
			known[id] = true
			shown = append(shown, stageShown{Stage: id.String(), Pipeline: p.Label, Name: stage.Label, Closed: stage.Closed(), Begins: slices.Contains(set.Stages, id)})
		}
	}
	for _, id := range set.Stages {
		if !known[id] {
			shown = append(shown, stageShown{Stage: id.String(), Begins: true, Gone: true})
		}
	}
	return shown
}
