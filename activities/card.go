package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/store"
)

// Card shows what is open about a meeting, as Markdown for the Temporal UI. It
// holds words: it may travel only through the payload codec.
func (a *Activities) Card(ctx context.Context, m Meeting) (string, error) {
	look, err := a.Store.LookAt(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return "", temporalError(err)
	}
	if look.Next == store.NextPause {
		return "**Waiting for the connection to HubSpot.** Connect it again and this goes on where it was: `debrief connections login NAME`", nil
	}
	approvals, err := a.Store.Approvals(ctx, m.OrganizationID, store.ApprovalFilter{State: store.ApprovalPending, MeetingID: m.MeetingID})
	if err != nil {
		return "", temporalError(err)
	}
	return card(approvals, look.TemporalDecisions), nil
}

// cardLimit keeps the card within what Temporal stores of a workflow's details
// (20,000 bytes), encoding included.
const cardLimit = 9_000

func card(approvals []store.Approval, temporalDecisions bool) string {
	if len(approvals) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", questions(len(approvals)))
	b.WriteString("| question | values | why | until | approval |\n|---|---|---|---|---|\n")
	for i, p := range approvals {
		c := p.Action.Content
		row := fmt.Sprintf("| %s: %s | %s | %s | %s | `%s` |\n", p.Action.Tool.Title(), cell(c.Label, 80), values(c),
			cell(strings.TrimPrefix(strings.Join([]string{c.Purpose, c.Doubt}, "; "), "; "), 160), p.ExpiresAt.UTC().Format(time.DateTime), p.ID)
		if b.Len()+len(row) > cardLimit {
			fmt.Fprintf(&b, "\n…and %d more: `debrief approvals list`\n", len(approvals)-i)
			break
		}
		b.WriteString(row)
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
	names := make([]string, 0, len(c.Properties))
	for name := range c.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, 0, len(names))
	for _, name := range names {
		value := cell(c.Properties[name], 80)
		if old, ok := c.Before[name]; ok && old != c.Properties[name] {
			value = cell(old, 60) + " → " + value
		}
		mark := ""
		if slices.Contains(c.Changed, name) {
			mark = " **changed**"
		}
		parts = append(parts, fmt.Sprintf("%s: %s%s", cell(name, 60), value, mark))
	}
	return strings.Join(parts, " · ")
}

// cell makes text safe inside a Markdown table: one line, nothing that is markup
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
