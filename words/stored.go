package words

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Known writes a sentence that was stored in English: in the printer's language if
// there is a translation of it, or of a pattern that it fits, else as it is. What
// stands in the place of a pattern's placeholders may be such a sentence, too.
func (p Printer) Known(sentence string) string {
	if p.printer == nil {
		return sentence
	}
	for _, table := range tables() {
		if translated, ok := table[sentence]; ok && !strings.Contains(sentence, "%") {
			return strings.ReplaceAll(translated, "%%", "%")
		}
	}
	for _, pattern := range patterns() {
		match := pattern.english.FindStringSubmatch(sentence)
		if match == nil {
			continue
		}
		args := make([]any, 0, len(match)-1)
		for _, part := range match[1:] {
			args = append(args, p.Known(part))
		}
		return fmt.Sprintf(pattern.translated, args...)
	}
	return sentence
}

type pattern struct {
	english    *regexp.Regexp
	translated string
}

// patterns are the stored sentences that have placeholders, all of them %s: the
// longest first, since it says the most.
var patterns = sync.OnceValue(func() []pattern {
	var all []pattern
	keys := slices.SortedFunc(maps.Keys(germanStored), func(a, b string) int { return len(b) - len(a) })
	for _, english := range keys {
		parts := strings.Split(english, "%s")
		if len(parts) == 1 {
			continue
		}
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		all = append(all, pattern{regexp.MustCompile(`(?s)^` + strings.Join(parts, "(.+?)") + `$`), germanStored[english]})
	}
	return all
})
