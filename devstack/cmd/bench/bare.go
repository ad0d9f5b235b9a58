package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/workflows"
)

// bareCmd is what somebody would write who wants a meeting in HubSpot and nothing else,
// in the fewest lines that are fast: Gin takes a webhook that nobody signed and starts a
// workflow, which reads and writes what Debrief does, with as many calls in each activity.
// It verifies, stores, decides, deduplicates, seals and records nothing; one process
// receives and works, and keeps its connections.
type bareCmd struct {
	Listen   string `required:""`
	Temporal string `required:""`
	HubSpot  string `name:"hubspot" required:""`
}

// bareTokens is the environment's name for the tokens, JSON by account.
const bareTokens = "BENCH_TOKENS"

// bareMeeting is the webhook.
type bareMeeting struct {
	ID      string    `json:"id"`
	Hub     int64     `json:"hub"`
	Guest   string    `json:"guest"`
	Title   string    `json:"title"`
	Summary string    `json:"summary"`
	Task    string    `json:"task"`
	Begun   time.Time `json:"begun"`
	Ended   time.Time `json:"ended"`
}

// bareRecords are whom a meeting is about.
type bareRecords struct{ Contact, Company, Deal string }

// bareWrite is one record to be made.
type bareWrite struct {
	Hub        int64
	Object     string
	Properties map[string]string
	Links      bareRecords
}

func (c *bareCmd) Run(ctx context.Context) error {
	do := &bareActivities{base: c.HubSpot, tokens: map[int64]string{}, http: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
	if err := json.Unmarshal([]byte(os.Getenv(bareTokens)), &do.tokens); err != nil {
		return fmt.Errorf("reading the tokens: %w", err)
	}
	temporalClient, err := client.DialContext(ctx, client.Options{
		HostPort: c.Temporal, Namespace: devstack.Namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("reaching Temporal: %w", err)
	}
	defer temporalClient.Close()
	w := worker.New(temporalClient, bareQueue, workflows.WorkerOptions())
	w.RegisterWorkflowWithOptions(bareFollowUp, workflow.RegisterOptions{Name: bareWorkflow})
	w.RegisterActivity(do)
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	defer w.Stop()

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/readyz", func(g *gin.Context) { g.Status(http.StatusOK) })
	engine.POST("/webhook", func(g *gin.Context) {
		var m bareMeeting
		if err := g.BindJSON(&m); err != nil {
			return // it is answered
		}
		_, err := temporalClient.ExecuteWorkflow(g.Request.Context(), client.StartWorkflowOptions{
			ID: "bare:" + m.ID, TaskQueue: bareQueue, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		}, bareWorkflow, m)
		if err != nil {
			g.Status(http.StatusServiceUnavailable)
			return
		}
		g.Status(http.StatusOK)
	})
	server := &http.Server{Addr: c.Listen, Handler: engine, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-done:
		return fmt.Errorf("receiving: %w", err)
	}
}

const (
	bareQueue    = "bare"
	bareWorkflow = "bareFollowUp"
)

// bareFollowUp reads in one activity, and writes in one each, side by side.
func bareFollowUp(ctx workflow.Context, m bareMeeting) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 3 * time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute},
	})
	var do *bareActivities // a typed nil, for method references
	var found bareRecords
	if err := workflow.ExecuteActivity(ctx, do.Resolve, m).Get(ctx, &found); err != nil {
		return err
	}
	at := hubspot.FormatDateTime(m.Begun)
	var writes []workflow.Future
	for _, in := range []bareWrite{
		{m.Hub, hubspot.Meetings, map[string]string{
			"hs_timestamp": at, "hs_meeting_start_time": at, "hs_meeting_end_time": hubspot.FormatDateTime(m.Ended), "hs_meeting_title": m.Title,
		}, found},
		{m.Hub, hubspot.Notes, map[string]string{"hs_timestamp": at, "hs_note_body": m.Summary}, found},
		{m.Hub, hubspot.Tasks, map[string]string{"hs_timestamp": at, "hs_task_subject": m.Task, "hs_task_status": "NOT_STARTED"}, found},
	} {
		writes = append(writes, workflow.ExecuteActivity(ctx, do.Write, in))
	}
	for _, write := range writes {
		if err := write.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

type bareActivities struct {
	base   string
	tokens map[int64]string
	http   *http.Client
}

// Resolve finds who was there: four calls, each of which needs what the one before says.
func (b *bareActivities) Resolve(ctx context.Context, m bareMeeting) (bareRecords, error) {
	type linked struct {
		ID           string `json:"id"`
		Associations map[string]struct {
			Results []struct {
				ID string `json:"id"`
			} `json:"results"`
		} `json:"associations"`
	}
	var people, deals struct {
		Results []linked `json:"results"`
	}
	var contact, company linked
	err := b.call(ctx, m.Hub, http.MethodPost, "contacts/batch/read", map[string]any{
		"idProperty": "email", "properties": []string{"email", "firstname", "lastname", "hubspot_owner_id"}, "inputs": []map[string]string{{"id": m.Guest}},
	}, &people)
	if err != nil || len(people.Results) == 0 {
		return bareRecords{}, errors.Join(errors.New("nobody was found"), err)
	}
	if err := b.call(ctx, m.Hub, http.MethodGet, "contacts/"+people.Results[0].ID+"?associations=companies,deals,tickets,meetings,tasks", nil, &contact); err != nil {
		return bareRecords{}, err
	}
	companies := contact.Associations["companies"].Results
	if len(companies) == 0 {
		return bareRecords{}, errors.New("the contact has no company")
	}
	if err := b.call(ctx, m.Hub, http.MethodGet, "companies/"+companies[0].ID+"?associations=deals,tickets", nil, &company); err != nil {
		return bareRecords{}, err
	}
	open := company.Associations["deals"].Results
	if len(open) == 0 {
		return bareRecords{}, errors.New("the company has no deal")
	}
	err = b.call(ctx, m.Hub, http.MethodPost, "deals/batch/read", map[string]any{
		"properties": []string{"dealname", "dealstage", "pipeline", "amount"}, "inputs": []map[string]string{{"id": open[0].ID}},
	}, &deals)
	return bareRecords{Contact: contact.ID, Company: company.ID, Deal: open[0].ID}, err
}

// Write makes one record.
func (b *bareActivities) Write(ctx context.Context, in bareWrite) error {
	var links []map[string]any
	for _, to := range []struct{ object, id string }{{hubspot.Contacts, in.Links.Contact}, {hubspot.Companies, in.Links.Company}, {hubspot.Deals, in.Links.Deal}} {
		id, _ := hubspot.AssociationTypeID(in.Object, to.object)
		links = append(links, map[string]any{
			"to": map[string]string{"id": to.id}, "types": []map[string]any{{"associationCategory": hubspot.HubSpotDefined, "associationTypeId": id}},
		})
	}
	return b.call(ctx, in.Hub, http.MethodPost, in.Object, map[string]any{"properties": in.Properties, "associations": links}, nil)
}

// call makes one call of HubSpot's API.
func (b *bareActivities) call(ctx context.Context, hub int64, method, path string, body, out any) error {
	var raw io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a call: %w", err)
		}
		raw = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, b.base+"/crm/objects/"+hubspot.APIVersion+"/"+path, raw)
	if err != nil {
		return fmt.Errorf("making a call: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+b.tokens[hub])
	request.Header.Set("Content-Type", "application/json")
	response, err := b.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling HubSpot: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		return errors.Join(fmt.Errorf("%s %s was answered %s: %s", method, path, response.Status, answer), err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
