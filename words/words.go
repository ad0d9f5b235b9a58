package words

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// Languages are those that there are translations for, by BCP 47 tag, English
// first.
func Languages() []string { return []string{"en", "de"} }

// Printer writes sentences in one language. The zero value writes English.
type Printer struct {
	language string
	printer  *message.Printer
}

// In returns a printer for a language by its tag ("de", "de-AT"); English for one
// without translations.
func In(tag string) Printer {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if base != "de" {
		return Printer{language: "en"}
	}
	return Printer{language: "de", printer: message.NewPrinter(language.German, message.Catalog(german()))}
}

// Language is the tag of the language that is written.
func (p Printer) Language() string {
	if p.language == "" {
		return "en"
	}
	return p.language
}

// T writes an English sentence in the printer's language. Its arguments are
// filled in as by fmt.Sprintf; placeholders may be reordered by a translation
// (%[2]s). Numbers are written as the language does.
func (p Printer) T(english string, args ...any) string {
	if p.printer == nil {
		return message.NewPrinter(language.English).Sprintf(english, args...)
	}
	return p.printer.Sprintf(english, args...)
}

// Plural writes one of two English sentences by a number; both hold it as %d.
func (p Printer) Plural(n int, one, many string) string {
	if n == 1 {
		return p.T(one, n)
	}
	return p.T(many, n)
}

// tables are the German sentences by the English ones; each area has its own.
func tables() []map[string]string {
	return []map[string]string{germanCard, germanStored, germanPages, germanTools, germanSite, germanNotify, germanInbox, germanModel, germanBriefing, germanBriefingDelivery, germanBriefingSettings}
}

// german is made once per process: it is the same for every reader.
var german = sync.OnceValue(func() catalog.Catalog {
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, table := range tables() {
		for english, translated := range table {
			// Only a tag or a message that does not parse fails; the test sets them all.
			_ = b.SetString(language.German, english, translated)
		}
	}
	return b
})
