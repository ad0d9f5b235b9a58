package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
)

// used is an English sentence with the place where it is written.
type used struct{ sentence, where string }

// TestEverySentenceHasItsGerman reads the sources of what people read: each call of
// a printer's T and Plural with a sentence, in Go and in templates.
func TestEverySentenceHasItsGerman(t *testing.T) {
	t.Parallel()
	var all []used
	for _, dir := range []string{"../briefing", "../card", "../notify", "../web"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			switch filepath.Ext(path) {
			case ".go":
				all = append(all, inGo(t, path)...)
			case ".html", ".txt", ".tmpl":
				raw, err := os.ReadFile(path)
				require.NoError(t, err)
				all = append(all, inTemplate(t, path, string(raw))...)
			}
			return nil
		}))
	}
	require.Greater(t, len(all), 50, "the sentences are not found any more")
	for _, u := range all {
		german, ok := lookUp(u.sentence)
		if !ok {
			t.Errorf("%s: no German for %q", u.where, u.sentence)
			continue
		}
		if !slices.Equal(placeholders(u.sentence), placeholders(german)) {
			t.Errorf("%s: %q and %q have other placeholders", u.where, u.sentence, german)
		}
	}
}

// TestEveryDoubtHasItsGerman reads in the planner's sources why something is asked
// about or left out, its constants that are sentences among them: it is stored in
// English, and shown in the reader's language.
func TestEveryDoubtHasItsGerman(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../planner/*.go")
	require.NoError(t, err)
	positions := token.NewFileSet()
	var files []*ast.File
	constants := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(positions, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
				for i, name := range spec.Names {
					if text, ok := literal(spec.Values[i]); ok {
						constants[name.Name] = text
					}
				}
			}
			return true
		})
	}
	var all []used
	for name, text := range constants {
		if strings.Count(text, " ") > 1 && !strings.ContainsAny(text, "|\n") {
			all = append(all, used{text, name})
		}
	}
	for _, file := range files {
		for _, e := range doubtsIn(file) {
			text, ok := literal(e)
			if name, isName := e.(*ast.Ident); isName {
				text, ok = constants[name.Name]
			}
			if ok && strings.Contains(text, " ") && !strings.HasSuffix(text, " ") {
				all = append(all, used{text, positions.Position(e.Pos()).String()})
			}
		}
	}
	require.Greater(t, len(all), 30, "the sentences are not found any more")
	p := In("de")
	for _, u := range all {
		for told := range strings.SplitSeq(strings.NewReplacer("%s", "X", "%d", "3").Replace(u.sentence), "; ") {
			// Some are said of a property: its label stands before them.
			if of := "Label " + told; p.Known(told) == told && p.Known(of) == of {
				t.Errorf("%s: no German for %q", u.where, told)
			}
		}
	}
}

// doubtsIn finds what a Go file adds to doubts.
func doubtsIn(file *ast.File) []ast.Expr {
	var all []ast.Expr
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if call, ok := e.(*ast.CallExpr); ok && len(call.Args) > 0 { // fmt.Sprintf, worded
				e = call.Args[0]
			}
			all = append(all, e)
		}
	}
	named := func(e ast.Expr, names ...string) bool {
		switch e := e.(type) {
		case *ast.Ident:
			return slices.Contains(names, e.Name)
		case *ast.SelectorExpr:
			return slices.Contains(names, e.Sel.Name)
		default:
			return false
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if named(n.Fun, "joinDoubts", "doubt") || named(n.Fun, "append") && named(n.Args[0], "doubts") {
				add(n.Args...)
			}
		case *ast.AssignStmt:
			if len(n.Lhs) == len(n.Rhs) {
				for i, to := range n.Lhs {
					if named(to, "doubt", "Doubt") {
						add(n.Rhs[i])
					}
				}
			}
		case *ast.KeyValueExpr:
			if named(n.Key, "doubt", "Doubt") {
				add(n.Value)
			}
		}
		return true
	})
	return all
}

func lookUp(sentence string) (string, bool) {
	for _, table := range tables() {
		if german, ok := table[sentence]; ok {
			return german, true
		}
	}
	return "", false
}

// inGo finds the sentences of a Go file.
func inGo(t *testing.T, path string) []used {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var all []used
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		var sentences []ast.Expr
		switch {
		case method.Sel.Name == "T" && len(call.Args) > 0:
			sentences = call.Args[:1]
		case method.Sel.Name == "Plural" && len(call.Args) == 3:
			sentences = call.Args[1:]
		}
		for _, s := range sentences {
			if text, ok := literal(s); ok {
				all = append(all, used{text, files.Position(s.Pos()).String()})
			}
		}
		return true
	})
	return all
}

// literal is the text of a literal, or of several that are added.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok1 := literal(e.X)
		b, ok2 := literal(e.Y)
		return a + b, ok1 && ok2 && e.Op == token.ADD
	case *ast.ParenExpr:
		return literal(e.X)
	default:
		return "", false
	}
}

const quoted = `("(?:[^"\\]|\\.)*"|` + "`[^`]*`)"

var (
	actions   = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	oneOf     = regexp.MustCompile(`(?:^|[\s({-])(?:t|\$?[.\w]*\.T)\s+` + quoted)
	oneOrMany = regexp.MustCompile(`(?:^|[\s({-])(?:plural|\$?[.\w]*\.Plural)\s+(?:\([^()]*\)|\S+)\s+` + quoted + `\s+` + quoted)
)

// inTemplate finds the sentences of a template.
func inTemplate(t *testing.T, path, text string) []used {
	t.Helper()
	var all []used
	for _, action := range actions.FindAllString(text, -1) {
		for _, pattern := range []*regexp.Regexp{oneOf, oneOrMany} {
			for _, match := range pattern.FindAllStringSubmatch(action, -1) {
				for _, sentence := range match[1:] {
					plain, err := strconv.Unquote(sentence)
					require.NoError(t, err, "%s: %s", path, sentence)
					all = append(all, used{plain, path})
				}
			}
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`%(\[(\d+)\])?[-+# 0]*\d*(\.\d+)?([a-zA-Z%])`)

// placeholders of a sentence in the order of their arguments: "1s", "2d".
func placeholders(sentence string) []string {
	var all []string
	next := 1
	for _, m := range placeholder.FindAllStringSubmatch(sentence, -1) {
		if m[4] == "%" {
			continue
		}
		if m[2] != "" {
			next, _ = strconv.Atoi(m[2])
		}
		all = append(all, fmt.Sprint(next)+m[4])
		next++
	}
	slices.Sort(all)
	return all
}

func TestInTemplate(t *testing.T) {
	t.Parallel()
	got := inTemplate(t, "x", `<p title="{{t "A \"title\""}}">{{ .P.T "With %s" .Name }} {{plural (len .All) "%d person" "%d people"}}
		{{if eq .Kind "not this"}}{{template "row" (t "Inside")}}{{end}} t "outside" {{- t `+"`Raw`"+` -}}</p>`)
	sentences := make([]string, 0, len(got))
	for _, u := range got {
		sentences = append(sentences, u.sentence)
	}
	require.ElementsMatch(t, []string{`A "title"`, "With %s", "%d person", "%d people", "Inside", "Raw"}, sentences)
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"1s", "2d"}, placeholders("%s has %d"))
	require.Equal(t, []string{"1s", "2d"}, placeholders("%[2]d: %[1]s, 100 %%"))
	require.Equal(t, []string{"1s", "2s"}, placeholders("%[2]s %[1]s"))
}

// A sentence has one translation, whoever writes it, and each can be written.
func TestTables(t *testing.T) {
	t.Parallel()
	german := map[string]string{}
	p := In("de-AT")
	require.Equal(t, "de", p.Language())
	for _, table := range tables() {
		for english, translated := range table {
			if before, ok := german[english]; ok && before != translated {
				t.Errorf("%q is both %q and %q", english, before, translated)
			}
			german[english] = translated
			if !slices.Equal(placeholders(english), placeholders(translated)) {
				t.Errorf("%q and %q have other placeholders", english, translated)
			}
			args := make([]any, 0, 4)
			for _, verb := range placeholders(english) {
				if strings.HasSuffix(verb, "d") {
					args = append(args, 7)
				} else {
					args = append(args, "x")
				}
			}
			if written := p.T(english, args...); strings.Contains(written, "%!") {
				t.Errorf("%q is written as %q", english, written)
			}
		}
	}
}

func TestToolsHaveGermanTitles(t *testing.T) {
	t.Parallel()
	p := In("de")
	for _, info := range policy.Tools() {
		if _, ok := lookUp(info.Title); !ok {
			t.Errorf("no German for the tool %q", info.Title)
		}
		require.Equal(t, info.Title, In("en").Known(info.Title))
	}
	require.Equal(t, "Deal ändern", p.Known("Update Deal"))
}

func TestPrinter(t *testing.T) {
	t.Parallel()
	german, english := In("de"), In("en-GB")
	require.Equal(t, "en", Printer{}.Language())
	require.Equal(t, "en", In("fr").Language(), "no translations")
	require.Equal(t, "Stage: 3,000", Printer{}.T("Stage: %d", 3000))
	require.Equal(t, "never translated", german.T("never translated"), "shown in English, never as a key")

	at := time.Date(2026, time.March, 3, 9, 5, 0, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	require.Equal(t, "3 March 2026", english.Date(at))
	require.Equal(t, "3. März 2026", german.Date(at))
	require.Equal(t, "3 March 2026, 09:05 UTC", english.DateTime(at))
	require.Equal(t, "3 March 2026, 10:05 CET", english.DateTime(at.In(berlin)))
	require.Equal(t, "3. März 2026, 10:05 Uhr MEZ", german.DateTime(at.In(berlin)))

	for decimal, want := range map[string][2]string{
		"0": {"0", "0"}, "999": {"999", "999"}, "1000": {"1,000", "1.000"}, "-1234567.50": {"-1,234,567.50", "-1.234.567,50"},
		"9007199254740993.01": {"9,007,199,254,740,993.01", "9.007.199.254.740.993,01"},
		"":                    {"", ""}, "1e6": {"1e6", "1e6"}, "a lot": {"a lot", "a lot"}, "1.": {"1.", "1."}, ".5": {".5", ".5"},
	} {
		require.Equal(t, want[0], english.Number(decimal))
		require.Equal(t, want[1], german.Number(decimal))
	}
}

// What was stored in English is shown in the reader's language as far as its pattern
// is known; names in it stay what they are.
func TestKnown(t *testing.T) {
	t.Parallel()
	p := In("de")
	for stored, want := range map[string]string{
		"attended and is not in HubSpot yet":                                     "hat teilgenommen und ist noch nicht in HubSpot",
		"two proposals disagree about Deal stage":                                "zwei Vorschläge widersprechen sich bei Deal stage",
		"it can't be linked as proposed: the company can't be found in HubSpot":  "lässt sich nicht wie vorgeschlagen verknüpfen: Unternehmen nicht in HubSpot zu finden",
		"Amount is not a number, so the proposed “about 50% of it” was left out": "Amount ist keine Zahl; der vorgeschlagene Wert „about 50% of it“ wurde weggelassen",
		"100% of what nobody knows":                                              "100% of what nobody knows",
		"changed in HubSpot since the question: amount, dealstage":               "seit der Frage in HubSpot geändert: amount, dealstage",
	} {
		require.Equal(t, want, p.Known(stored))
		require.Equal(t, stored, In("en").Known(stored))
	}
}
