package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/debriefhq/debrief/store"
)

// Card shows what is open about a meeting, as Markdown for the Temporal UI. It
// holds words: it may travel only through the payload codec.
func (a *Activities) Card(ctx context.Context, m Meeting) (string, error) {
	look, err := a.Store.LookAt(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return "", temporalError(err)
	}
	approvals, err := a.Store.Approvals(ctx, m.OrganizationID, store.ApprovalFilter{State: store.ApprovalPending, MeetingID: m.MeetingID})
	if err != nil {
		return "", temporalError(err)
	}
	text := card(approvals, look.TemporalDecisions)
	if text == "" && look.Next != store.NextPause {
		return "", nil
	}
	followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return "", temporalError(err)
	}
	var connection *store.Connection
	if followUp.ConnectionID != nil {
		found, err := a.Store.Connection(ctx, m.OrganizationID, *followUp.ConnectionID)
		if err != nil {
			return "", temporalError(err)
		}
		connection = &found
	}
	if look.Next == store.NextPause {
		text = pause(followUp, connection) + "\n\n" + text
	}
	fromTest := false
	if connection != nil && connection.AnyEnvironment {
		choice, err := a.Store.ChoiceFor(ctx, m.OrganizationID, m.MeetingID)
		if err != nil {
			return "", temporalError(err)
		}
		fromTest = choice.IsTest
	}
	return banner(connection, fromTest) + text, nil
}

// banner marks everything that is for a test account, and what comes from a test
// source and is for a real one.
func banner(c *store.Connection, fromTest bool) string {
	switch {
	case c == nil:
		return ""
	case fromTest && !c.IsTest():
		return fmt.Sprintf("**FROM A TEST SOURCE**: this goes to the real HubSpot account %d (%s).\n\n", c.HubID, cell(c.Name, 60))
	case !c.IsTest():
		return ""
	}
	return fmt.Sprintf("**TEST ACCOUNT**: this goes to HubSpot account %d (%s), %s.\n\n", c.HubID, cell(c.Name, 60), cell(strings.ToLower(c.AccountType), 40))
}

// pause says what a paused follow-up waits for.
func pause(f store.FollowUp, c *store.Connection) string {
	const how = "**Waiting for a connection to HubSpot.** Connect with `debrief connections login %s`, and this goes on where it was."
	switch {
	case f.PausedReason != "":
		return "**Waiting for a choice.** " + f.PausedReason
	case c == nil:
		return fmt.Sprintf(how, "NAME")
	case f.PausedSince == nil:
		return fmt.Sprintf("**Waiting for a scope.** HubSpot took one away from the connection %s: reconnect with it by `debrief connections login %s`.", cell(c.Name, 60), cell(c.Name, 60))
	default:
		return fmt.Sprintf(how, cell(c.Name, 60)) + " The connection is " + cell(string(c.State), 40) + "."
	}
}

// cardLimit keeps the card within what Temporal stores of a workflow's details
// (20,000 bytes), encoding included.
const cardLimit = 9_000

func card(approvals []store.Approval, temporalDecisions bool) string {
	if len(approvals) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", questions(len(approvals)))
	// A list and no table: the Temporal UI gives it half the width of a window.
	for i, p := range approvals {
		c := p.Action.Content
		var q strings.Builder
		fmt.Fprintf(&q, "\n**%s: %s**\n\n- %s\n", p.Action.Tool.Title(), cell(c.Label, 80), values(c))
		if links := c.Links(); links != "" {
			fmt.Fprintf(&q, "- with %s\n", cell(links, 400))
		}
		if c.Purpose != "" {
			fmt.Fprintf(&q, "- why: %s\n", cell(c.Purpose, 160))
		}
		if c.Doubt != "" {
			// Never cut: it may say what to write into which property.
			fmt.Fprintf(&q, "- **doubt**: %s\n", cell(c.Doubt, 4_000))
		}
		if len(c.Evidence) > 0 {
			fmt.Fprintf(&q, "- “%s” %s\n", cell(c.Evidence[0].Quote, 200), cell(c.Evidence[0].Speaker, 60))
		}
		fmt.Fprintf(&q, "- until %s UTC\n- approval `%s`\n", p.ExpiresAt.UTC().Format("2006-01-02 15:04"), p.ID)
		if b.Len()+q.Len() > cardLimit {
			fmt.Fprintf(&b, "\n…and %d more: `debrief approvals list`\n", len(approvals)-i)
			break
		}
		b.WriteString(q.String())
	}
	b.WriteString("\nAnswer with `debrief approvals approve|edit|reject APPROVAL`")
	if temporalDecisions {
		b.WriteString(", or here: *Send an Update*, `decide`, with `{\"approval\": \"…\", \"verdict\": \"approve\", \"name\": \"you\"}`")
	}
	b.WriteString(".\n")
	return b.String()
}

func questions(n int) string {
	if n == 1 {
		return "1 question waits for an answer"
	}
	return fmt.Sprintf("%d questions wait for an answer", n)
}

// values shows the properties, old → new, and marks those that a later event
// changed.
func values(c store.ActionContent) string {
	changes := c.Changes()
	parts := make([]string, 0, len(changes))
	for _, change := range changes {
		part := cell(change.Property, 60) + ": " + cell(change.After, 80)
		if change.Before != "" {
			part = cell(change.Property, 60) + ": " + cell(change.Before, 60) + " → " + cell(change.After, 80)
		}
		if change.Amended {
			part += " **changed**"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}

// cell makes text safe inside Markdown: one line, nothing that is markup
// or a link.
func cell(s string, limit int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit-1]) + "…"
	}
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "`", "'", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "#", `\#`, "~", `\~`, "!", `\!`,
		"://", ":\u200b//", "www.", "www\u200b.",
	).Replace(s)
}
