package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// sound is a case of the set, for tests to spoil.
func sound(t *testing.T) Case {
	t.Helper()
	accounts, err := loadAccounts("accounts")
	require.NoError(t, err)
	c, err := loadCase("tuned/negotiation-with-legal.yaml", Tuned, accounts)
	require.NoError(t, err)
	c.Answer, err = loadAnswer("model/negotiation-with-legal.yaml", c)
	require.NoError(t, err)
	require.Empty(t, check([]Case{c}))
	return c
}

// Each spoils one thing of a sound case.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*Case)
		fault string
	}{
		"an expected quote that nobody said":     {func(c *Case) { c.Expect[2].Quote = "We'll take it." }, "nobody said"},
		"a quote of another speaker":             {func(c *Case) { c.Expect[2].Speaker = "Hannah Sorley" }, "was said by Tobias Quill"},
		"no quote":                               {func(c *Case) { c.Expect[2].Quote = "" }, "has no quote"},
		"a target that there is not":             {func(c *Case) { c.Expect[2].Target.ID = "999" }, "deal 999 is no record"},
		"an association that there is not":       {func(c *Case) { c.Expect[0].Associations[0].ID = "999" }, "999 is no record"},
		"a property that there is not":           {func(c *Case) { c.Expect[2].Properties["price"] = Value{Exact: "1"} }, "no such property"},
		"an option that there is not":            {func(c *Case) { c.Expect[2].Properties["dealstage"] = Value{Exact: "signed"} }, "no such option"},
		"an amount that is none":                 {func(c *Case) { c.Expect[2].Properties["amount"] = Value{Exact: "plenty"} }, "not of the property's type"},
		"a date that is none":                    {func(c *Case) { c.Expect[5].Properties["closedate"] = Value{Exact: "2026-02-30"} }, "not of the property's type"},
		"the same action twice":                  {func(c *Case) { c.Expect = append(c.Expect, c.Expect[2]) }, "is there twice"},
		"a question without a reason":            {func(c *Case) { c.Expect[3].Why = "" }, "does not say why"},
		"a replacement that is no question":      {func(c *Case) { c.Expect[3].Mark = Act }, "replaces dealstage"},
		"an end of a deal that is no question":   {func(c *Case) { c.Expect[2].Properties["dealstage"] = Value{Exact: "won"} }, "closes a deal"},
		"an update of nothing":                   {func(c *Case) { c.Expect[2].Target = meeting.RecordRef{} }, "has a target"},
		"a target of another type":               {func(c *Case) { c.Expect[2].Target = meeting.RecordRef{Object: "contact", ID: "341"} }, "a contact as its target"},
		"a denied action":                        {func(c *Case) { c.Denied = []policy.Tool{c.Expect[2].Tool} }, "is denied"},
		"what is never to be":                    {func(c *Case) { c.Never = append(c.Never, Never{Tool: c.Expect[2].Tool, Why: "because"}) }, "never to be: because"},
		"a never without a reason":               {func(c *Case) { c.Never[0].Why = "" }, "does not say why"},
		"a kind that is none":                    {func(c *Case) { c.Kinds = []string{"sales"} }, `"sales" is no kind`},
		"words after the end":                    {func(c *Case) { c.Meeting.Transcript.Segments[0].StartSeconds = 5000 }, "was over"},
		"two records of one ID":                  {func(c *Case) { c.CRM.Contacts[1].ID = c.CRM.Contacts[0].ID }, "no two records"},
		"a right claim that nobody expects":      {func(c *Case) { c.Answer.Actions[0].Properties = map[string]string{"amount": "70000"} }, "is not what is expected"},
		"a right claim with a wrong quote":       {func(c *Case) { c.Answer.Actions[0].Quote = "We'll take it." }, "nobody said"},
		"a wrong claim that is right":            {func(c *Case) { c.Answer.Actions[1].Planted.Kind = "invented quote" }, "and is not"},
		"a wrong claim of a kind that is none":   {func(c *Case) { c.Answer.Actions[1].Planted.Kind = "nonsense" }, "no kind of wrong claim"},
		"a wrong claim without a bound":          {func(c *Case) { c.Answer.Actions[1].Planted.AtMost = "" }, "what may come of it"},
		"a wrong claim that nobody may be asked": {func(c *Case) { c.Never[0].Strict, c.Never[0].Property = true, "" }, "is never to be one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sound(t)
			test.spoil(&c)
			var all []string
			for _, fault := range check([]Case{c}) {
				all = append(all, fault.Error())
			}
			require.Contains(t, strings.Join(all, "\n"), test.fault)
		})
	}
}

// A file that was written wrong is refused, and its name is said.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("tuned/negotiation-with-legal.yaml")
	require.NoError(t, err)
	for name, test := range map[string]struct{ old, with, fault string }{
		"an offset of the winter":        {"2026-09-24T14:00:00+01:00", "2026-09-24T14:00:00Z", "is 2026-09-24T15:00:00+01:00 in Europe/London"},
		"a time zone that there is not":  {"timezone: Europe/London", "timezone: Europe/Strathbeg", "the time zone"},
		"a host who is not there":        {"host: tobias@", "host: thomas@", "the host is no attendee"},
		"an account that there is not":   {"account: lumen", "account: lumens", `there is no account "lumens"`},
		"a speaker who is not there":     {"02:20 Lachlan:", "02:20 Lachie:", `0 attendees are called "Lachie"`},
		"a line that is no utterance":    {"02:20 Lachlan:", "later Lachlan:", "is no utterance"},
		"words before those above":       {"02:26 Tobias:", "01:26 Tobias:", "comes before the one above"},
		"a tool that is none":            {"- act: note.create", "- act: note.write", "note.write"},
		"act and ask at once":            {"- act: note.create", "- act: note.create\n    ask: note.create", "is marked act and ask"},
		"a field that there is not":      {"about:", "aboot:", "aboot"},
		"a record that is linked to air": {"links: [company 541, contact 341]", "links: [company 999]", "company 999, which there is not"},
		"an object type that is none":    {"links: [company 541, contact 341]", "links: [firm 541]", `"firm 541" is no record`},
		"a number that loses its zeros":  {"dealstage: prop,", "dealstage: prop, amount: 10.50,", "write the value in quotes"},
		"no answer":                      {"about:", "about:", "model/other.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(dir, "accounts"), os.DirFS("accounts")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "tuned"), 0o700))
			require.Contains(t, string(raw), test.old)
			spoiled := strings.Replace(string(raw), test.old, test.with, 1)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tuned", "other.yaml"), []byte(spoiled), 0o600))
			_, err := Load(dir)
			require.ErrorContains(t, err, test.fault)
			require.ErrorContains(t, err, "other.yaml")
		})
	}
}
