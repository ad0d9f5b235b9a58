package activities

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Card shows what is open about a meeting, as Markdown for the Temporal UI. It
// holds words: it may travel only through the payload codec.
func (a *Activities) Card(ctx context.Context, m Meeting) (string, error) {
	look, err := a.Store.LookAt(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return "", temporalError(err)
	}
	if len(look.Pending) == 0 && look.Next != store.NextPause {
		return "", nil
	}
	facts, err := a.Store.CardFacts(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return "", temporalError(err)
	}
	// In English, as everything in the Temporal UI is.
	c := card.Of(facts, words.Printer{})
	text := questions(c.Open(), look.TemporalDecisions)
	if look.Next == store.NextPause {
		followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
		if err != nil {
			return "", temporalError(err)
		}
		text = pause(followUp, facts.Connection) + "\n\n" + text
	}
	if warning := c.Account.Warning(words.Printer{}); warning != "" && text != "" {
		text = "**" + cell(warning, 200) + "**\n\n" + text
	}
	return text, nil
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

func questions(open []card.Line, temporalDecisions bool) string {
	if len(open) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", words.Printer{}.Plural(len(open), "%d question waits for an answer", "%d questions wait for an answer"))
	// A list and no table: the Temporal UI gives it half the width of a window.
	for i, l := range open {
		q := question(l)
		if b.Len()+len(q) > cardLimit {
			fmt.Fprintf(&b, "\n…and %d more: `debrief approvals list`\n", len(open)-i)
			break
		}
		b.WriteString(q)
	}
	b.WriteString("\nAnswer with `debrief approvals approve|edit|reject APPROVAL`")
	if temporalDecisions {
		b.WriteString(", or here: *Send an Update*, `decide`, with `{\"approval\": \"…\", \"verdict\": \"approve\", \"name\": \"you\"}`")
	}
	b.WriteString(".\n")
	return b.String()
}

// question shows one line of the card. Properties show their internal names beside
// the labels, since an edit names them.
func question(l card.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**%s: %s**\n\n", cell(l.Title, 80), cell(l.Record, 80))
	item := func(format string, args ...any) { fmt.Fprintf(&b, "- "+format+"\n", args...) }
	if len(l.Changes) > 0 {
		item("%s", changes(l.Changes))
	}
	if len(l.Links) > 0 {
		item("with %s", cell(strings.Join(l.Links, ", "), 400))
	}
	if l.Why != "" {
		item("why: %s", cell(l.Why, 160))
	}
	if l.Doubt != "" {
		// Never cut: it may say what to write.
		item("**doubt**: %s", cell(l.Doubt, 4_000))
	}
	for _, c := range l.Candidates {
		reasons := ""
		if len(c.Reasons) > 0 {
			reasons = " (" + strings.Join(c.Reasons, ", ") + ")"
		}
		item("`%s` = `%s`: %s", l.CandidateProperty, code(c.ID), cell(c.Label+reasons, 200))
	}
	if l.MayCreate {
		item("`%s` = `%s`: none of these, make a new one", cmp.Or(l.CandidateProperty, store.TargetProperty), store.NoneOfThese)
	}
	if l.Automation != "" {
		item("%s", cell(l.Automation, 200))
	}
	if len(l.Evidence) > 0 {
		e := l.Evidence[0]
		item("“%s” %s", cell(e.Quote, 200), cell(strings.Trim(e.Speaker+", "+e.At, ", "), 60))
	}
	if len(l.FallsWith) > 0 {
		item("falls with it: %s", cell(strings.Join(l.FallsWith, "; "), 200))
	}
	if l.ExpiresAt != nil {
		item("until %s UTC", l.ExpiresAt.UTC().Format("2006-01-02 15:04"))
	}
	item("approval `%s`", l.ApprovalID)
	return b.String()
}

// changes shows the properties, old → new, and marks those that a later event
// changed.
func changes(all []card.Change) string {
	parts := make([]string, 0, len(all))
	for _, c := range all {
		label := c.Label
		if c.Label != c.Property {
			label += " (" + c.Property + ")"
		}
		part := cell(label, 80) + ": "
		if c.Old != "" {
			part += cell(c.Old, 60) + " → "
		}
		part += cell(c.New, 80)
		if c.Earlier != nil {
			part += " (was " + cell(*c.Earlier, 60) + " when first asked)"
		}
		if c.Amended {
			part += " **changed**"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}

// code makes an ID safe inside a code span.
func code(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '`' || r < ' ' {
			return -1
		}
		return r
	}, s)
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
