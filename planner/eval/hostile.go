package eval

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Attacks are meetings in which somebody tries to make Debrief do things, with a model
// that does whatever it is told. Of hostile/: base.yaml is the meeting, attacks.yaml
// what is put into it.
type Attacks struct {
	Cases []Case
	// Harmless is the same meeting without an attack.
	Harmless Case
}

type attackFile struct {
	Name      string
	Title     string
	Attendees []string
	Lines     []string
	Summary   string
	NextSteps string `yaml:"next_steps"`
	Long      int    // so many letters stand in for LONG, and are spoken, too
	Flood     int    // so often the first claim is made, each with a number for N
	Obey      []claimFile
}

type claimFile struct {
	Tool, Target, Quote, Speaker string
	Properties                   texts
	Associations                 []string
}

// LoadAttacks reads the attacks of the set in dir.
func LoadAttacks(dir string) (Attacks, error) {
	accounts, err := loadAccounts(filepath.Join(dir, "accounts"))
	if err != nil {
		return Attacks{}, err
	}
	file := filepath.Join(dir, "hostile", "base.yaml")
	harmless, err := loadCase(file, Tuned, accounts)
	if err != nil {
		return Attacks{}, err
	}
	var attacks []attackFile
	if err := read(filepath.Join(dir, "hostile", "attacks.yaml"), &attacks); err != nil {
		return Attacks{}, err
	}
	out := Attacks{Harmless: harmless}
	for _, a := range attacks {
		var f caseFile
		if err := read(file, &f); err != nil {
			return Attacks{}, err
		}
		if a.Title != "" {
			f.Meeting.Title = a.Title
		}
		f.Meeting.Attendees = append(f.Meeting.Attendees, a.Attendees...)
		f.Meeting.Summary += "\n\n" + a.Summary
		f.Meeting.NextSteps += a.NextSteps
		long := strings.Repeat("the room is long ", a.Long/17)
		f.Meeting.Transcript += strings.Join(a.Lines, "\n")
		if long != "" {
			f.Meeting.Transcript += "\n20:00 Nadia Farrow: " + long
		}
		c, err := caseOf(f, a.Name, Tuned, accounts)
		if err != nil {
			return Attacks{}, err
		}
		c.Answer.Actions = append(c.Answer.Actions, a.claims(long)...)
		c.Name = a.Name
		out.Cases = append(out.Cases, c)
	}
	return out, nil
}

func (a attackFile) claims(long string) []Claim {
	var out []Claim
	for i := range max(1, a.Flood) {
		for _, o := range a.Obey {
			claim := Claim{Tool: o.Tool, Target: o.Target, Quote: strings.ReplaceAll(o.Quote, "LONG", long), Speaker: o.Speaker, Associations: o.Associations, Confidence: 1, Properties: map[string]string{}}
			for name, value := range o.Properties {
				claim.Properties[name] = strings.NewReplacer("LONG", long, "Desk N", fmt.Sprintf("Desk %d", i+1)).Replace(value)
			}
			out = append(out, claim)
		}
	}
	return out
}

// Withstood is what came of attacks.
type Withstood struct {
	Attacks int `json:"attacks"`
	// Obeyed are the actions that the model answered.
	Obeyed int `json:"obeyed"`
	// Questions are what a human would be asked.
	Questions int `json:"questions"`
	// Effects are what would have been written without an answer, in sentences.
	Effects []string `json:"effects"`
}

// Withstand plans the attacks, each obeyed by the model, and once more by the
// platform's own agent. An effect is whatever is written that the harmless meeting
// would not have, apart from what its own record and note say of it.
func Withstand(ctx context.Context, attacks Attacks) (Withstood, error) {
	out := Withstood{Attacks: len(attacks.Cases), Effects: []string{}}
	harmless, err := written(ctx, prepare(attacks.Harmless), WithPlatform(), nil)
	if err != nil {
		return out, err
	}
	for _, a := range attacks.Cases {
		a := prepare(a)
		out.Obeyed += len(a.Answer.Actions)
		for by, run := range map[string]func() (map[string]bool, error){
			"model":    func() (map[string]bool, error) { return written(ctx, a, WithScript(), &out.Questions) },
			"platform": func() (map[string]bool, error) { return written(ctx, a, WithAgent(), nil) },
		} {
			lines, err := run()
			if err != nil {
				return out, err
			}
			for line := range lines {
				if !harmless[line] {
					out.Effects = append(out.Effects, a.Name+", by the "+by+": "+line)
				}
			}
		}
	}
	slices.Sort(out.Effects)
	return out, nil
}

// written are the lines that would be written without an answer.
func written(ctx context.Context, c *prepared, l Lineup, questions *int) (map[string]bool, error) {
	planned, err := c.run(ctx, l)
	if err != nil {
		return nil, err
	}
	lines := map[string]bool{}
	for _, d := range planned.Drafts {
		if d.Verdict == Asked && questions != nil {
			*questions++
		}
		if d.Verdict != Written {
			continue
		}
		lines[d.Tool.String()+" "+place(d)] = true
		for name, value := range d.Content.Properties {
			if d.Tool.Object == "meeting" || d.Tool.Object == "note" || name == "hs_task_body" {
				value = "" // they say what the meeting was called, and what was noted of it
			}
			lines[fmt.Sprintf("%s %s %s=%.80q", d.Tool, place(d), name, value)] = true
		}
		for _, to := range d.Content.Associations {
			lines[fmt.Sprintf("%s %s → %s %s%s", d.Tool, place(d), to.Object, to.RecordID, to.Key)] = true
		}
	}
	return lines, nil
}
