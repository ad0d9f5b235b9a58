package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/devstack"
)

// told is what Temporal's histories hold.
type told struct {
	// clear is every text as it stands, and whatever it says once it is decoded by
	// anybody: JSON, base64, hexadecimal, Temporal's own data converter.
	clear texts
	// others is the same of workflows that are about something else.
	others texts
	// sealed is what only Debrief's keys open, decoded in the same way, by the activity
	// that it belongs to; what belongs to none is under "".
	sealed map[string]texts
	// ciphertexts hold any short word by chance.
	ciphertexts []string
	// workflows and activities are counted by their names.
	workflows, activities map[string]int
	events                int
}

func newTold() *told {
	return &told{clear: texts{}, others: texts{}, sealed: map[string]texts{}, workflows: map[string]int{}, activities: map[string]int{}}
}

// histories reads the whole history of every run of every workflow that Temporal has:
// of these, by their IDs, and of others.
func (sc *scene) histories(mine ...string) *told {
	sc.t.Helper()
	c, err := client.DialContext(sc.ctx, client.Options{HostPort: sc.world.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(sc.t, err)
	defer c.Close()
	all, others := newTold(), newTold()
	all.others = others.clear
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: devstack.Namespace, PageSize: 500}
	for {
		page, err := c.ListWorkflow(sc.ctx, request)
		require.NoError(sc.t, err)
		for _, w := range page.GetExecutions() {
			into, keys := all, codec.Keys(sc.world.store)
			if !slices.Contains(mine, w.GetExecution().GetWorkflowId()) {
				into, keys = others, nil
			}
			into.workflows[w.GetType().GetName()]++
			into.read(w, nil)
			events := c.GetWorkflowHistory(sc.ctx, w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				event, err := events.Next()
				require.NoError(sc.t, err)
				into.event(event, keys)
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return all
		}
	}
}

func (a *told) event(event *historypb.HistoryEvent, keys codec.Keys) {
	a.events++
	if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
		a.activities[scheduled.GetActivityType().GetName()]++
	}
	opened := a.read(event, keys)
	if len(opened) == 0 {
		return
	}
	name := ""
	for text := range opened {
		// How the SDK marks what a local activity returned.
		var marker struct{ ActivityType string }
		if json.Unmarshal([]byte(text), &marker) == nil && marker.ActivityType != "" {
			name = marker.ActivityType
			a.activities[name]++
		}
	}
	if a.sealed[name] == nil {
		a.sealed[name] = texts{}
	}
	maps.Copy(a.sealed[name], opened)
}

// read takes every text and every byte of a message, and returns what was sealed in it
// and could be opened with the keys.
func (a *told) read(m proto.Message, keys codec.Keys) (opened texts) {
	opened = texts{}
	if p, ok := m.(*commonpb.Payload); ok {
		a.payload(p, keys, opened)
		return opened
	}
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		one := func(field protoreflect.FieldDescriptor, value protoreflect.Value) {
			switch field.Kind() {
			case protoreflect.MessageKind, protoreflect.GroupKind:
				maps.Copy(opened, a.read(value.Message().Interface(), keys))
			case protoreflect.StringKind:
				a.clear.add(value.String())
			case protoreflect.BytesKind:
				a.clear.add(string(value.Bytes()))
			default: // numbers hold no words
			}
		}
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				a.clear.add(key.String())
				one(field.MapValue(), value)
				return true
			})
		case field.IsList():
			for i := range value.List().Len() {
				one(field, value.List().Get(i))
			}
		default:
			one(field, value)
		}
		return true
	})
	return opened
}

func (a *told) payload(p *commonpb.Payload, keys codec.Keys, opened texts) {
	for key, value := range p.GetMetadata() {
		a.clear.add(key)
		a.clear.add(string(value))
	}
	shown := converter.GetDefaultDataConverter().ToString(p)
	if string(p.GetMetadata()[converter.MetadataEncoding]) != codec.Encoding {
		a.clear.add(string(p.GetData()))
		a.clear.add(shown)
		return
	}
	a.ciphertexts = append(a.ciphertexts, string(p.GetData()), shown)
	if keys == nil {
		return
	}
	// One that can't be opened belongs to a meeting that another test has erased.
	if inside, err := codec.New(keys).Decode([]*commonpb.Payload{p}); err == nil {
		opened.add(string(inside[0].GetData()))
	}
}

// texts are texts, each once.
type texts map[string]bool

// add takes a text, and what it says once decoded: JSON, base64 of any kind, or
// hexadecimal, one in the other.
func (t texts) add(s string) {
	if s == "" || t[s] {
		return
	}
	t[s] = true
	var value any
	if json.Unmarshal([]byte(s), &value) == nil {
		t.value(value)
	}
	compact := strings.TrimRight(strings.TrimSpace(s), "=")
	for _, encoding := range []interface{ DecodeString(string) ([]byte, error) }{base64.RawStdEncoding, base64.RawURLEncoding, hexadecimal{}} {
		if raw, err := encoding.DecodeString(compact); err == nil && utf8.Valid(raw) && !strings.ContainsFunc(string(raw), strange) {
			t.add(string(raw))
		}
	}
}

func (t texts) value(v any) {
	switch v := v.(type) {
	case string:
		t.add(v)
	case []any:
		for _, x := range v {
			t.value(x)
		}
	case map[string]any:
		for key, x := range v {
			t.add(key)
			t.value(x)
		}
	}
}

type hexadecimal struct{}

func (hexadecimal) DecodeString(s string) ([]byte, error) { return hex.DecodeString(s) }

// strange says that a rune stands in no text.
func strange(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }

// split takes a text apart into words, in lower case.
func split(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// inARow is how many words in a row are nobody's by chance.
const inARow = 4

// rows are all rows of n words; of a text that is shorter, none.
func rows(text string, n int) []string {
	words := split(text)
	var all []string
	for i := range len(words) - n + 1 {
		all = append(all, strings.Join(words[i:i+n], " "))
	}
	return all
}

// least is how many letters a word has that is looked for by itself.
const least = 4

// wordsOf are the words of texts that are looked for by themselves.
func wordsOf(texts ...string) map[string]bool {
	all := map[string]bool{}
	for _, text := range texts {
		for _, word := range split(text) {
			if utf8.RuneCountInString(word) >= least {
				all[word] = true
			}
		}
	}
	return all
}

// said lists which of the words stand anywhere, each as a word of its own.
func (t texts) said(words map[string]bool) []string {
	all := map[string]bool{}
	for text := range t {
		for _, word := range split(text) {
			if words[word] {
				all[word] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// quotes lists which rows of words of the texts stand anywhere: of four, or of a text
// that has fewer, all.
func (t texts) quotes(of ...string) []string {
	wanted := map[int]map[string]bool{}
	for _, text := range of {
		n := min(inARow, len(split(text)))
		if n < 2 {
			continue // words are looked for by themselves
		}
		if wanted[n] == nil {
			wanted[n] = map[string]bool{}
		}
		for _, row := range rows(text, n) {
			wanted[n][row] = true
		}
	}
	quoted := map[string]bool{}
	for text := range t {
		for n, wanted := range wanted {
			for _, row := range rows(text, n) {
				if wanted[row] {
					quoted[row] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(quoted))
}

// holds lists which of the secrets stand anywhere, in any form, sealed or not.
func (a *told) holds(secrets ...string) []string {
	places := append(slices.Collect(maps.Keys(a.clear)), a.ciphertexts...)
	places = slices.AppendSeq(places, maps.Keys(a.others))
	for _, sealed := range a.sealed {
		places = slices.AppendSeq(places, maps.Keys(sealed))
	}
	var all []string
	for _, place := range places {
		all = append(all, found(place, secrets)...)
	}
	return all
}

// What is looked for is found, wherever it hides.
func TestWordsInHistoriesAreFound(t *testing.T) {
	t.Parallel()
	const line = "So the glovers take eleven umbrellas, says Odalys."
	needles := wordsOf(line)
	require.Len(t, needles, 6)
	inside, err := json.Marshal(map[string]any{"content": []string{"x", line}})
	require.NoError(t, err)
	twice, err := json.Marshal(base64.URLEncoding.EncodeToString(inside))
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"plain": []byte(line), "JSON": inside, "base64 in JSON": twice, "hexadecimal": []byte(hex.EncodeToString([]byte(line))),
		"base64 of base64": []byte(base64.StdEncoding.EncodeToString([]byte(base64.RawStdEncoding.EncodeToString(inside)))),
	} {
		a := newTold()
		a.event(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
				Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}}},
			},
		}}, nil)
		require.Len(t, a.clear.said(needles), 6, name)
		require.NotEmpty(t, a.clear.quotes("They said that the glovers take eleven umbrellas."), name)
		require.Empty(t, a.clear.quotes("the glovers take ten umbrellas"), name)
		require.NotEmpty(t, a.holds("eleven umbrellas"), name)
	}
	a := newTold()
	a.read(&commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(codec.Encoding)}, Data: []byte(fmt.Sprintf("…%s…", line))}, nil)
	require.NotEmpty(t, a.holds("eleven umbrellas"), "a ciphertext that is none")
}
