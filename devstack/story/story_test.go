package story

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := Plain(&out)
	s.Chapter("The stack comes up")
	s.Step("PostgreSQL").Done("127.0.0.1:5433")
	s.Step("Temporal").Failed(errors.New("port 7233 is not free\nand more"))
	s.Step("Build").Long("about six minutes the first time").Done("")
	s.Say("%d records", 3)
	s.Table([]string{"contact", "Zoë", "new"}, []string{"deal", "Harrow"})
	_, err := s.Write([]byte("serve | ready\n"))
	require.NoError(t, err)

	got := regexp.MustCompile(` +\d+ms`).ReplaceAllString(out.String(), " T")
	require.Equal(t, `
The stack comes up
  ✓ PostgreSQL T  127.0.0.1:5433
  ✗ Temporal T  port 7233 is not free
  … Build: about six minutes the first time
  ✓ Build T
  3 records
  contact  Zoë     new
  deal     Harrow
serve | ready
`, got)
}

func TestStepsAreAligned(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := Plain(&out)
	s.Step("a").Done("detail")
	s.Step("näher").Done("detail")
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, column(lines[0], "detail"), column(lines[1], "detail"))
}

func column(line, word string) int { return len([]rune(line[:strings.Index(line, word)])) }

func TestNoTerminal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	New(file).Step("PostgreSQL").Done("")
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(got), "\x1b")
}

// slowly is a buffer that a test may read while a step is drawn.
type slowly struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *slowly) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *slowly) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func TestMovement(t *testing.T) {
	t.Parallel()
	var out slowly
	s := &Story{out: &out, moves: true}
	step := s.Step("Temporal")
	require.Eventually(t, func() bool { return strings.Contains(out.String(), frames[1]) }, 10*time.Second, time.Millisecond)
	s.Say("meanwhile")
	step.Done("ready")
	require.Contains(t, out.String(), clearLine+"  meanwhile\n")
	last := out.String()[strings.LastIndex(out.String(), clearLine):]
	require.Contains(t, last, "✓ Temporal")
	require.NotContains(t, out.String(), "\x1b[3", "movement is not colour")
}

func TestColour(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &Story{out: &out, colour: true}
	s.Step("Temporal").Done("")
	require.Contains(t, out.String(), "\x1b[32m✓\x1b[0m")
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                        "0ms",
		4 * time.Millisecond:     "4ms",
		999 * time.Millisecond:   "999ms",
		1290 * time.Millisecond:  "1.2s",
		59990 * time.Millisecond: "59.9s",
		125 * time.Second:        "2m05s",
		6 * time.Minute:          "6m00s",
	} {
		require.Equal(t, want, duration(d))
	}
}
