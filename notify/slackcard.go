package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/slack-go/slack"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// What Slack takes (docs.slack.dev/reference/block-kit/blocks and
// …/composition-objects, read in November 2026): 50 blocks a message, 3,000
// characters a text, 150 a header and an option's value, 75 a button and an option's text,
// 2,000 the value of a button, 100 options a select, 100 blocks and titles of 24
// characters a modal.
const (
	slackText    = 3000
	slackHeader  = 150
	slackButton  = 75
	slackValue   = 150 // of an option
	slackOptions = 100
	slackTitle   = 24
	slackBlocks  = 100 // of a modal
	// cardLines open lines have buttons; with three blocks each, and the rest of
	// the card, they stay below 50 blocks.
	cardLines = 12
	// cardSize is how long the blocks with buttons may be together, as JSON. How
	// much Slack takes of a whole message is not documented; where it is less than
	// this, Slack answers msg_blocks_too_long, and the short form is shown.
	cardSize = 12_000
	// How much of a value is shown, and of what is said beside the values. What is
	// longer can't be approved without being read on the page.
	cardValue = 600
	cardQuote = 200
	// settledLines are named after the open ones.
	settledLines = 10
)

// The actions of a card's buttons. The value of each is the question's ID; of
// ActApproveAll the IDs of all that are shown, with commas between.
const (
	ActApprove    = "approve"
	ActEdit       = "edit"
	ActReject     = "reject"
	ActApproveAll = "approve_all"
	// ActOpen leads to a page and decides nothing.
	ActOpen = "open"
)

// InboxPath is a meeting's card as a page. It holds no token: whoever opens it
// signs in.
func InboxPath(meetingID uuid.UUID) string { return "/inbox/" + meetingID.String() }

// slackCard shows a card to one of those who may answer.
func slackCard(c card.Card, link string, p words.Printer) slackMessage {
	open := c.Open()
	m := slackMessage{text: p.T("All questions about this meeting are answered.")}
	if len(open) > 0 {
		m.text = p.Plural(len(open), "%d question about a meeting waits for your answer.", "%d questions about a meeting wait for your answer.")
	}
	m.blocks = append(m.blocks, slack.NewHeaderBlock(plainText(c.Title, slackHeader)),
		slack.NewContextBlock("", markdown(strings.Join(about(c, p), " · "))))
	var all []string
	shown, size := 0, 0
	for _, l := range open[:min(len(open), cardLines)] {
		blocks, whole := slackLine(l, p)
		if size += sizeOf(blocks); size > cardSize && shown > 0 {
			break
		}
		m.blocks = append(m.blocks, blocks...)
		shown++
		// What may be there already is sent again by a click of its own alone.
		if whole && approvable(l) && l.Kind != "outcome" {
			all = append(all, l.ApprovalID.String())
		}
	}
	if more := len(open) - shown; more > 0 {
		m.blocks = append(m.blocks, section(escape(p.Plural(more, "%d more question is on the page.", "%d more questions are on the page."))))
	}
	if settled := settledText(c, p); settled != "" {
		m.blocks = append(m.blocks, slack.NewDividerBlock(), section(settled))
	}
	page := button(ActOpen, "", p.T("Open the page"))
	page.URL = link
	elements := []slack.BlockElement{}
	if len(all) > 1 {
		b := button(ActApproveAll, strings.Join(all, ","), p.T("Approve all %d", len(all)))
		b.Style = slack.StylePrimary
		b.Confirm = slack.NewConfirmationBlockObject(
			plainText(p.T("Approve all?"), slackButton),
			plainText(p.T("All %d questions that this message shows are approved as they stand here.", len(all)), cardQuote),
			plainText(p.T("Approve all %d", len(all)), 30), plainText(p.T("Cancel"), 30))
		elements = append(elements, b)
	}
	m.blocks = append(m.blocks, slack.NewActionBlock("", append(elements, page)...))
	return m
}

// shortCard stands in for a card that Slack does not take, and for one that
// shows nothing any more.
func shortCard(sentence, link string, p words.Printer) slackMessage {
	m := slackMessage{text: sentence, blocks: []slack.Block{section(escape(sentence))}}
	if link != "" {
		page := button(ActOpen, "", p.T("Open the page"))
		page.URL = link
		m.blocks = append(m.blocks, slack.NewActionBlock("", page))
	}
	return m
}

// channelCard names a meeting where more than those may read who may see it: its
// title, a link, and whether somebody has to do something. Nothing else.
func channelCard(c card.Card, link string, p words.Printer) slackMessage {
	state := p.T("Its questions are answered.")
	if len(c.Open()) > 0 {
		state = p.T("Questions about it wait for an answer.")
	}
	title := linked(c.Title, link)
	return slackMessage{text: state, blocks: []slack.Block{section("*" + title + "*\n" + escape(state))}}
}

// about says when the meeting was, whose it is, and which account it goes to.
func about(c card.Card, p words.Printer) []string {
	var parts []string
	if c.StartsAt != nil {
		// Slack writes it in its reader's own time zone.
		parts = append(parts, fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", c.StartsAt.Unix(), c.StartsAt.UTC().Format("2006-01-02 15:04 UTC")))
	}
	if c.Host != "" {
		parts = append(parts, escape(brief(c.Host, slackButton)))
	}
	if c.Account.Name != "" {
		parts = append(parts, escape("HubSpot: "+brief(c.Account.Name, slackButton)))
	}
	if c.Account.IsTest {
		parts = append(parts, escape(p.T("test account")))
	}
	if c.Account.FromTest {
		parts = append(parts, escape(p.T("a test meeting that writes to a real account")))
	}
	if c.Until != nil {
		parts = append(parts, escape(p.T("answer until"))+fmt.Sprintf(" <!date^%d^{date_short_pretty} {time}|%s>", c.Until.Unix(), c.Until.UTC().Format("2006-01-02 15:04 UTC")))
	}
	if len(parts) == 0 {
		parts = append(parts, escape(p.T("after a meeting")))
	}
	return parts
}

// approvable says whether a question can be approved as it stands: not one that
// leaves to the approver to say who was there, or which record is meant.
func approvable(l card.Line) bool {
	if len(l.Candidates) > 0 && l.CandidateProperty == store.TargetProperty && l.CandidatePicked == "" {
		return false
	}
	return !slices.ContainsFunc(l.Changes, func(c card.Change) bool {
		return (c.Property == store.TargetProperty || c.Property == store.AttendeesProperty) && strings.TrimSpace(c.Input.Value) == ""
	})
}

func sizeOf(blocks []slack.Block) int {
	raw, err := json.Marshal(blocks)
	if err != nil {
		return cardSize // it is found where the message is hashed
	}
	return len(raw)
}

// slackLine is an open question: what would be written, why, and the buttons.
// Where not all fits that would be written, it is not whole: then it can't be
// approved here, since nobody would see what.
func slackLine(l card.Line, p words.Printer) (blocks []slack.Block, whole bool) {
	text := &strings.Builder{}
	fmt.Fprintf(text, "*%s*", escape(brief(l.Title, slackButton)))
	if l.Record != "" {
		text.WriteString(" · " + linked(l.Record, l.URL))
	}
	whole = true
	for _, c := range l.Changes {
		line := &strings.Builder{}
		fmt.Fprintf(line, "\n• %s: ", escape(brief(c.Label, slackButton)))
		if c.Earlier != nil {
			fmt.Fprintf(line, "~%s~ → ", escape(value(*c.Earlier, p)))
		}
		if c.Old != "" || c.Earlier != nil {
			fmt.Fprintf(line, "%s → ", escape(value(c.Old, p)))
		}
		fmt.Fprintf(line, "*%s*", escape(value(c.New, p)))
		if c.Amended {
			line.WriteString(" " + escape(p.T("(changed)")))
		}
		whole = whole && utf8.RuneCountInString(c.New) <= cardValue
		// What is said below needs some room, too.
		if utf8.RuneCountInString(text.String()+line.String()) > slackText-5*cardQuote {
			whole = false
			break
		}
		text.WriteString(line.String())
	}
	links := strings.Join(l.Links, ", ")
	whole = whole && utf8.RuneCountInString(links) <= cardQuote
	said := []string{}
	if !whole {
		said = append(said, "_"+escape(p.T("This is too long for Slack: it can be approved on the page."))+"_")
	}
	if links != "" {
		said = append(said, escape(p.T("with"))+" "+escape(brief(links, cardQuote)))
	}
	for i, c := range l.Candidates {
		if i == 5 {
			said = append(said, escape(p.T("and %d more", len(l.Candidates)-i)))
			break
		}
		line := "◦ " + escape(brief(c.Label, slackButton))
		if len(c.Reasons) > 0 {
			line += " (" + escape(brief(strings.Join(c.Reasons, ", "), slackHeader)) + ")"
		}
		said = append(said, line)
	}
	for _, note := range []string{l.Doubt, l.Asks, l.Automation} {
		if note != "" {
			said = append(said, "_"+escape(brief(note, cardQuote))+"_")
		}
	}
	if len(l.FallsWith) > 0 {
		said = append(said, "_"+escape(brief(p.T("Without it falls: %s", strings.Join(l.FallsWith, ", ")), cardQuote))+"_")
	}
	blocks = []slack.Block{section(text.String() + "\n" + strings.Join(said, "\n"))}
	if quotes := quotations(l); quotes != "" {
		blocks = append(blocks, slack.NewContextBlock("", markdown(quotes)))
	}
	return append(blocks, slack.NewActionBlock("", lineButtons(l, whole, p)...)), whole
}

func lineButtons(l card.Line, whole bool, p words.Printer) []slack.BlockElement {
	id := l.ApprovalID.String()
	approve, edit, reject := p.T("Approve"), p.T("Edit"), p.T("Reject")
	if l.Kind == "outcome" {
		approve, reject = p.T("Send it again"), p.T("Leave it")
	}
	var buttons []slack.BlockElement
	if !approvable(l) {
		edit = p.T("Answer")
	} else if whole {
		b := button(ActApprove, id, approve)
		b.Style = slack.StylePrimary
		buttons = append(buttons, b)
	}
	if whole && len(fields(l, p)) > 0 {
		buttons = append(buttons, button(ActEdit, id, edit))
	}
	b := button(ActReject, id, reject)
	b.Style = slack.StyleDanger
	return append(buttons, b)
}

// linked is a record's name, as a link where HubSpot has a page for it.
func linked(name, address string) string {
	name = escape(brief(name, slackHeader))
	if !strings.HasPrefix(address, "https://") {
		return name
	}
	address = strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C").Replace(address)
	return "<" + address + "|" + strings.ReplaceAll(name, "|", "¦") + ">"
}

func quotations(l card.Line) string {
	var quotes []string
	for i, e := range l.Evidence {
		if i == 2 {
			break
		}
		quote := "“" + escape(brief(e.Quote, cardQuote)) + "”"
		if e.Speaker != "" {
			quote += " " + escape(brief(e.Speaker, slackButton))
		}
		if e.At != "" {
			quote += " (" + escape(brief(e.At, slackButton)) + ")"
		}
		quotes = append(quotes, quote)
	}
	return strings.Join(quotes, "\n")
}

// settledText names what needs no answer (any more), and what became of it.
func settledText(c card.Card, p words.Printer) string {
	var lines []string
	more := 0
	for _, l := range c.Lines {
		if l.Open() {
			continue
		}
		if len(lines) == settledLines {
			more++
			continue
		}
		line := "• " + escape(brief(l.Title, slackButton))
		if l.Record != "" {
			line += " · " + escape(brief(l.Record, slackButton))
		}
		lines = append(lines, line+": "+escape(brief(l.StateText, slackHeader)))
	}
	if more > 0 {
		lines = append(lines, escape(p.T("and %d more", more)))
	}
	return strings.Join(lines, "\n")
}

func value(v string, p words.Printer) string {
	if strings.TrimSpace(v) == "" {
		return p.T("(empty)")
	}
	return brief(v, cardValue)
}

// brief is one line of that many characters at most.
func brief(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, s)
	return cut(strings.Join(strings.Fields(s), " "), most)
}

func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// escape makes text that says nothing to Slack but itself: no mention of a
// channel or a person, and no link with another face
// (docs.slack.dev/messaging/formatting-message-text, read in November 2026).
// Marks of emphasis would only change its looks, but hide characters: a space of
// no width keeps them.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "*\u200b", "_", "_\u200b", "~", "~\u200b", "`", "`\u200b").Replace(s)
}

func markdown(s string) *slack.TextBlockObject {
	// verbatim: an address in a text does not become a link, nor a name a mention.
	return slack.NewTextBlockObject(slack.MarkdownType, cutMarkdown(s), false, true)
}

// cutMarkdown cuts after escaping, which makes text longer, and never within an
// escaped character.
func cutMarkdown(s string) string {
	runes := []rune(s)
	if len(runes) <= slackText {
		return s
	}
	s = string(runes[:slackText-1])
	if at := strings.LastIndexByte(s, '&'); at >= 0 && !strings.Contains(s[at:], ";") {
		s = s[:at]
	}
	if at := strings.LastIndexByte(s, '<'); at >= 0 && !strings.Contains(s[at:], ">") {
		s = s[:at]
	}
	return s + "…"
}

func section(s string) *slack.SectionBlock { return slack.NewSectionBlock(markdown(s), nil, nil) }

func plainText(s string, most int) *slack.TextBlockObject {
	s = brief(s, most)
	if s == "" {
		s = "–" // Slack takes no empty text
	}
	return &slack.TextBlockObject{Type: slack.PlainTextType, Text: s, Emoji: new(bool)}
}

func button(action, value, label string) *slack.ButtonBlockElement {
	return slack.NewButtonBlockElement(action, value, plainText(label, slackButton))
}
