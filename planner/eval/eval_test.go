package eval

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// theSet is the set, read and checked once for all tests. As long as the kept half is
// unsealed, it is being written, and left alone.
var theSet = sync.OnceValues(func() ([]Case, error) {
	if _, err := os.Stat(SealFile); errors.Is(err, fs.ErrNotExist) {
		return LoadTuned(".")
	}
	return Load(".")
})

// loadSet is the set, with the halves that it has. It is shared: only read it.
func loadSet(t *testing.T) ([]Case, []Half) {
	t.Helper()
	cases, err := theSet()
	require.NoError(t, err)
	halves := []Half{Tuned}
	if slices.ContainsFunc(cases, func(c Case) bool { return c.Half == Kept }) {
		halves = append(halves, Kept)
	}
	return cases, halves
}

// What Load checks of each meeting it checks itself; this is about the set.
func TestSet(t *testing.T) {
	t.Parallel()
	cases, halves := loadSet(t)
	meetings, planted, acts, asks := map[Half]int{}, map[Half]int{}, map[Half]int{}, map[Half]int{}
	kinds, wrong := map[string]int{}, map[string]int{}
	for _, c := range cases {
		meetings[c.Half]++
		for _, kind := range c.Kinds {
			kinds[kind]++
		}
		for _, a := range c.Expect {
			if a.Mark == Act {
				acts[c.Half]++
			} else {
				asks[c.Half]++
			}
		}
		for _, claim := range c.Answer.Actions {
			if claim.Planted != nil {
				planted[c.Half]++
				wrong[claim.Planted.Kind]++
			}
		}
	}
	t.Logf("meetings %v, expected %v and as questions %v, planted %v", meetings, acts, asks, planted)
	for _, half := range halves {
		require.GreaterOrEqual(t, meetings[half], 30, half)
		require.GreaterOrEqual(t, planted[half], 60, half)
		require.Greater(t, acts[half], 5*asks[half], "in %s too much is a question to ask for one in five", half)
	}
	for _, kind := range Kinds() {
		require.Positive(t, kinds[kind], "no meeting is of the kind %q", kind)
	}
	for kind := range PlantedKinds() {
		require.Positive(t, wrong[kind], "no claim is wrong by %q", kind)
	}
}

// The half that nobody tunes for is as it was written.
func TestKeptIsSealed(t *testing.T) {
	t.Parallel()
	sealed, err := os.ReadFile(SealFile)
	require.NoError(t, err, "the kept half is not sealed")
	now, err := Seal(".")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(sealed)), now, "what is only to be measured was changed. "+
		"If it was a mistake in the data itself, say so in the commit and seal it anew, with go run ./planner/eval/measure -seal")
}

// Nothing that the figures rest on can change unseen.
func TestSeal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(file, text string) {
		t.Helper()
		file = filepath.Join(dir, filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	seal := func() string {
		t.Helper()
		sum, err := Seal(dir)
		require.NoError(t, err)
		return sum
	}
	_, err := Seal(dir)
	require.ErrorContains(t, err, "no kept meetings")
	write("kept/one.yaml", "a meeting")
	_, err = Seal(dir)
	require.ErrorIs(t, err, fs.ErrNotExist, "no answer")
	write("model/one.yaml", "an answer")
	write("accounts/lumen.yaml", "an account")
	first := seal()

	write("tuned/two.yaml", "worked with")
	write("model/two.yaml", "worked with")
	require.Equal(t, first, seal())

	seen := map[string]bool{first: true}
	for _, file := range []string{"kept/one.yaml", "model/one.yaml", "accounts/lumen.yaml", "accounts/new.yaml"} {
		write(file, "other words")
		require.NotContains(t, seen, seal(), file)
		seen[seal()] = true
	}
	require.NoError(t, os.Rename(filepath.Join(dir, "kept", "one.yaml"), filepath.Join(dir, "kept", "three.yaml")))
	write("model/three.yaml", "other words")
	require.NotContains(t, seen, seal(), "a name")
}

// A meeting of the other half that is being written is nobody's trouble.
func TestLoadTuned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "accounts"), os.DirFS("accounts")))
	for _, sub := range []string{"tuned", "model", "kept"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	for _, file := range []string{"tuned/negotiation-with-legal.yaml", "model/negotiation-with-legal.yaml"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), raw, 0o600))
	}
	for _, file := range []string{"kept/half-written.yaml", "model/half-written.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("about: half"), 0o600))
	}
	cases, err := LoadTuned(dir)
	require.NoError(t, err)
	require.Len(t, cases, 1)
	require.Equal(t, Tuned, cases[0].Half)
	_, err = Load(dir)
	require.ErrorContains(t, err, "half-written")
}

// No real person or company: everything ends in .example, but for free mail, rooms
// and what says so of itself.
func TestAddresses(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	address := regexp.MustCompile(`[\w.+-]+@([\w.-]+\w)|domain: ([\w.-]+\w)`)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range address.FindAllStringSubmatch(string(raw), -1) {
			domain := m[1] + m[2]
			free := slices.Contains([]string{"gmail.com", "gmx.de", "hotmail.com", "yahoo.com", "outlook.com", "resource.calendar.google.com"}, domain)
			require.True(t, free || strings.HasSuffix(domain, ".example"), "%s: %s", file, domain)
		}
	}
}

// A planner is told nothing of what is expected of it.
func TestJSON(t *testing.T) {
	t.Parallel()
	raw, err := Answer{Actions: []Claim{{
		Tool: "deal.update", Target: "deal 701", Properties: map[string]string{"amount": "1"}, Quote: "one", Confidence: 0.5,
		Planted: &Planted{Kind: "joke", Why: "it was one", AtMost: Question},
	}}}.JSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"actions":[{"tool":"deal.update","target":"deal 701","properties":{"amount":"1"},"quote":"one","confidence":0.5}]}`, string(raw))
	raw, err = Answer{}.JSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"actions":[]}`, string(raw))
}
