package webhooks

import (
	"regexp"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// Platforms write next steps into the prose of a summary. These few rules find
// them there; what they find is marked as parsed, and nothing rests on it alone.
var (
	mdHeading   = regexp.MustCompile(`^(#{1,6})\s+(.+?)\s*#*$`)
	mdBoldLine  = regexp.MustCompile(`^(?:\*\*|__)(.+?):?(?:\*\*|__):?$`)
	mdNextSteps = regexp.MustCompile(`(?i)^(next steps?|action items?|follow[- ]?ups?)\s*:?$`)
	mdBullet    = regexp.MustCompile(`^\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[([ xX])\]\s+)?(.+)$`)
	// A name before a colon: one to four words that begin with a capital.
	mdAssignee = regexp.MustCompile(`^(?:\*\*|__)?(\p{Lu}[\p{L}\p{M}.'’-]*(?: \p{Lu}[\p{L}\p{M}.'’-]*){0,3})(?:\*\*|__)?:(?:\*\*|__)?\s+(.+)$`)
	mdName     = regexp.MustCompile(`^\p{Lu}[\p{L}\p{M}.'’-]*(?: \p{Lu}[\p{L}\p{M}.'’-]*){0,3}$`)
)

// heading returns the level of a heading (1 to 6, 7 for a line in bold) and its
// text, or 0.
func heading(line string) (int, string) {
	line = strings.TrimSpace(line)
	if m := mdHeading.FindStringSubmatch(line); m != nil {
		return len(m[1]), strings.Trim(m[2], "*_: ")
	}
	if m := mdBoldLine.FindStringSubmatch(line); m != nil {
		return 7, strings.TrimSpace(m[1])
	}
	return 0, ""
}

// splitNextSteps takes the section with the next steps out of a Markdown
// summary. The section ends at the next heading of its own level or above.
func splitNextSteps(markdown string) (notes, steps string) {
	var outside, inside []string
	level := 0 // of the section's heading, while in it
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\r\n")
		l, text := heading(line)
		switch {
		case l > 0 && mdNextSteps.MatchString(text):
			level = l
			continue
		case l > 0 && level > 0 && l <= level:
			level = 0
		}
		if level > 0 {
			inside = append(inside, line)
		} else {
			outside = append(outside, line)
		}
	}
	return strings.TrimSpace(strings.Join(outside, "\n")), strings.TrimSpace(strings.Join(inside, "\n"))
}

// actionItems reads the bullets of a Markdown section. "Dana Reyes: send it" and
// a bullet under a heading "Dana Reyes" are hers.
func actionItems(markdown string) []meeting.ActionItem {
	var items []meeting.ActionItem
	under := ""
	for line := range strings.Lines(markdown) {
		if l, text := heading(line); l > 0 {
			under = ""
			if mdName.MatchString(text) {
				under = text
			}
			continue
		}
		m := mdBullet.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		item := meeting.ActionItem{Text: strings.TrimSpace(m[2]), AssigneeName: under, Completed: m[1] == "x" || m[1] == "X", Parsed: true}
		if a := mdAssignee.FindStringSubmatch(item.Text); a != nil {
			item.AssigneeName, item.Text = a[1], a[2]
		}
		items = append(items, item)
	}
	return items
}

// splitLines are the lines without their ends, empty ones left out.
func splitLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
