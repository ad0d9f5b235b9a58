// Command record writes down what the workflows do today, as histories for the
// replay test of package workflows:
//
//	go run ./replay/record -out ../workflows/testdata/replay/v0.1.0
//
// Each story runs on a real Temporal server, with the world around it played and
// without the payload codec: IDs are made up, and there are no words in it. Run
// it at a release's commit, once: a history that is recorded anew proves nothing.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

const (
	namespace = "default"
	identity  = "recorder"
	patience  = time.Minute
	// soon is how long the waits that end by themselves take.
	soon = 2 * time.Second
)

func main() {
	out := flag.String("out", "", "the folder to write to; it must not exist")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out string) error {
	if out == "" {
		return errors.New("say where to write to: -out ../workflows/testdata/replay/VERSION")
	}
	if _, err := os.Stat(out); err == nil {
		return fmt.Errorf("%s is there already: a released version's histories are never recorded anew", out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	keyword := enumspb.INDEXED_VALUE_TYPE_KEYWORD
	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Namespaces: []string{namespace},
		SearchAttributes: map[string]enumspb.IndexedValueType{
			workflows.FollowUpStatus.GetName(): keyword, workflows.DebriefOrganization.GetName(): keyword,
		},
	})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	c, err := client.Dial(client.Options{
		HostPort: server.FrontendAddr(), Namespace: namespace, Identity: identity, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("reaching Temporal: %w", err)
	}
	defer c.Close()

	r := &recorder{client: c, out: out, stories: map[uuid.UUID]*story{}, records: map[string]*story{}}
	// No cache: this machine's name would stand in the histories, and each step
	// is replayed already while it is recorded.
	worker.SetStickyWorkflowCacheSize(0)
	w := worker.New(c, workflows.TaskQueue, worker.Options{Identity: identity})
	workflows.Register(w)
	r.register(w)
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	defer w.Stop()
	for _, one := range stories() {
		if err := r.record(ctx, one.name, one.tell); err != nil {
			return fmt.Errorf("recording %q: %w", one.name, err)
		}
	}
	return nil
}

// stories are the phases of each workflow, and the ways out of each.
func stories() []struct {
	name string
	tell func(*story) error
} {
	type told = struct {
		name string
		tell func(*story) error
	}
	return []told{
		{"to-the-end", func(s *story) error {
			s.notes, s.gatherUntil, s.ready = false, time.Now().Add(time.Hour), s.actions(2)
			return s.steps(s.wake, s.waits("gathering"), s.change(func() { s.notes = true }), s.wake, s.ends)
		}},
		{"gathering-times-out", func(s *story) error {
			s.notes, s.gatherUntil, s.ready = false, time.Now().Add(soon), s.actions(1)
			return s.steps(s.wake, s.ends)
		}},
		{"answered", func(s *story) error {
			s.asked = s.questions(2, time.Hour)
			return s.steps(s.wake, s.waits("waiting"), s.change(func() { s.ready, s.pending = s.actions(2), nil }), s.wake, s.ends)
		}},
		{"decided-by-update", func(s *story) error {
			s.asked = s.questions(1, time.Hour)
			asked := s.asked[0].ApprovalID
			return s.steps(s.wake, s.waits(""),
				s.update(workflows.DecideInput{Approval: asked, Verdict: "perhaps"}, false),
				s.update(workflows.DecideInput{Approval: uuid.NewSHA1(uuid.Nil, []byte("unknown")), Verdict: store.Approve}, false),
				s.update(workflows.DecideInput{Approval: asked, Verdict: store.Edit, Properties: map[string]string{"amount": "1"}}, true),
				s.ends)
		}},
		{"decided-by-signal", func(s *story) error {
			s.asked = s.questions(1, time.Hour)
			in := workflows.DecideInput{Approval: s.asked[0].ApprovalID, Verdict: store.Reject}
			return s.steps(s.wake, s.waits(""), s.signal(workflows.DecideInput{Approval: in.Approval, Verdict: "perhaps"}), s.signal(in), s.ends)
		}},
		{"expires", func(s *story) error {
			s.asked = s.questions(1, soon)
			return s.steps(s.wake, s.ends)
		}},
		{"disconnected", func(s *story) error {
			s.disconnected = true
			return s.steps(s.wake, s.waits("paused"), s.change(func() { s.disconnected = false }), s.wake, s.ends)
		}},
		{"disconnected-while-writing", func(s *story) error {
			s.ready = s.actions(2)
			s.loseOnWrite = true
			return s.steps(s.wake, s.waits(""), s.change(func() { s.disconnected = false }), s.wake, s.ends)
		}},
		{"second-round", func(s *story) error {
			s.ready = s.actions(1)
			return s.steps(s.wake, s.ends, s.change(func() { s.version = 2; s.ready = s.actions(1) }), s.wake, s.ends)
		}},
		{"undone", func(s *story) error {
			s.ready = s.actions(1)
			return s.steps(s.wake, s.ends, s.change(func() { s.undo = s.actions(2) }), s.wake, s.ends)
		}},
		{"undone-while-asking", func(s *story) error {
			s.asked = s.questions(1, time.Hour)
			return s.steps(s.wake, s.waits(""), s.change(func() { s.undo = s.actions(1) }), s.wake, s.ends)
		}},
		{"spoken-to-while-closing", func(s *story) error {
			s.whileClosing = func() { s.version = 2 }
			return s.steps(s.wake, s.ends)
		}},
		{"asked-anew", func(s *story) error {
			s.asked = s.questions(1, time.Hour)
			return s.steps(s.wake, s.waits(""), s.change(func() { s.pending = s.questions(1, time.Hour) }), s.wake, s.waits("waiting"),
				s.change(func() { s.pending = nil }), s.wake, s.ends)
		}},
		{"model", func(s *story) error {
			s.asks, s.goOn, s.ready = true, make(chan struct{}), s.actions(1)
			return s.steps(s.wake, s.works("reading"), s.ends)
		}},
		{"model-not-heard", func(s *story) error {
			s.asks, s.consultFails, s.ready = true, true, s.actions(1)
			return s.steps(s.wake, s.ends)
		}},
		// A call of an agent or a script is a plan already.
		{"call-allowed", func(s *story) error {
			s.planned, s.ready = 1, s.actions(1)
			return s.steps(s.wake, s.ends)
		}},
		{"call-asked", func(s *story) error {
			s.planned, s.pending = 1, s.questions(1, time.Hour)
			return s.steps(s.wake, s.waits("waiting"), s.change(func() { s.ready, s.pending = s.actions(1), nil }), s.wake, s.ends)
		}},
		{"crm-event", func(s *story) error {
			s.aboutRecord("deal", "77", store.CRMFollowed{Events: 2, Echoes: 1, Withdrawn: 1, Planned: 1, Begun: 1})
			return s.steps(s.wake, s.ends)
		}},
		{"crm-event-created", func(s *story) error {
			s.aboutRecord("contact", "501", store.CRMFollowed{Created: true})
			return s.steps(s.wake, s.works("reading"), s.ends)
		}},
		{"crm-event-of-a-meeting", func(s *story) error {
			s.aboutRecord("meeting", "601", store.CRMFollowed{Events: 1, Meeting: true})
			return s.steps(s.wake, s.works("reading"), s.ends)
		}},
		{"delivery", func(s *story) error {
			s.aboutDelivery(activities.TypeNotYet, activities.TypeCredentialsRefused, "")
			return s.steps(s.wake, s.waits("not-yet"), s.wake, s.waits("refused"), s.wake, s.ends)
		}},
		{"delivery-denied", func(s *story) error {
			s.aboutDelivery(activities.TypeDenied)
			return s.steps(s.wake, s.ends)
		}},
		{"upkeep", func(s *story) error {
			next := time.Now().Add(time.Hour)
			s.aboutSource(activities.Tended{Next: next, Words: "2 subscriptions"}, activities.Tended{Next: next}, activities.Tended{Ended: true})
			return s.steps(s.wake, s.waits("waiting"), s.wake, s.waits(""), s.wake, s.ends)
		}},
		{"briefing", func(s *story) error {
			s.aboutBriefing(briefWaits, briefIsDue, briefIsOut, briefHasEnded)
			return s.steps(s.wake, s.waits("waiting"), s.wake, s.begun(1), s.works("composing"), s.looked(3), s.waits("told"), s.wake, s.ends)
		}},
		{"briefing-disconnected", func(s *story) error {
			s.aboutBriefing(briefIsDue, briefIsPaused, briefIsDue, briefIsOut, briefHasEnded)
			s.disconnected = true
			return s.steps(s.wake, s.looked(2), s.waits("paused"), s.change(func() { s.disconnected = false }), s.wake,
				s.begun(2), s.works(""), s.looked(4), s.waits(""), s.wake, s.ends)
		}},
		{"briefing-canceled", func(s *story) error {
			s.aboutBriefing(briefIsDue, briefHasEnded)
			// It is told so while the brief is made.
			return s.steps(s.wake, s.begun(1), s.works("", s.wake), s.ends)
		}},
		{"briefing-fails", func(s *story) error {
			s.aboutBriefing(briefIsDue, briefIsDue, briefIsOut, briefHasEnded)
			s.composeFails = true
			return s.steps(s.wake, s.looked(2), s.works("again"), s.looked(3), s.waits(""), s.wake, s.ends)
		}},
		{"briefing-early", func(s *story) error {
			// What was made long before the meeting waits in a run of its own.
			s.aboutBriefing(briefIsDue, briefIsOutEarly, briefIsOutEarly, briefHasEnded)
			return s.steps(s.wake, s.begun(1), s.works(""), s.looked(3), s.waits("waiting"), s.wake, s.ends)
		}},
		{"digest", func(s *story) error {
			s.aboutGroup(2)
			return s.steps(s.wake, s.begun(2), s.works("reading"), s.ends)
		}},
		{"digest-without-hubspot", func(s *story) error {
			s.aboutGroup(1)
			s.composeFails = true
			return s.steps(s.wake, s.begun(2), s.works("going-on"), s.ends)
		}},
		{"digest-of-nobody", func(s *story) error {
			s.aboutGroup(0)
			return s.steps(s.wake, s.ends)
		}},
		{"crm-event-erasing", func(s *story) error {
			s.aboutRecord("contact", "502", store.CRMFollowed{Erase: true}, store.CRMFollowed{Events: 1})
			// It is told of more while it is at work.
			return s.steps(s.wake, s.works("at-work", s.wake), s.ends)
		}},
	}
}

type recorder struct {
	client client.Client
	out    string

	mu      sync.Mutex
	stories map[uuid.UUID]*story
	records map[string]*story // by the record's ID
}

// record tells a story and writes each of its runs down.
func (r *recorder) record(ctx context.Context, name string, tell func(*story) error) error {
	s := &story{
		r: r, ctx: ctx, name: name, notes: true, version: 1,
		in: workflows.FollowUpInput{
			OrganizationID: uuid.NewSHA1(uuid.Nil, []byte("organization")), MeetingID: uuid.NewSHA1(uuid.Nil, []byte(name)),
		},
	}
	r.mu.Lock()
	r.stories[s.in.MeetingID] = s
	r.mu.Unlock()
	if err := tell(s); err != nil {
		return err
	}
	runs, err := s.runs()
	if err != nil {
		return err
	}
	for i, run := range runs {
		history, err := s.history(run)
		if err != nil {
			return err
		}
		if err := r.write(fmt.Sprintf("%s-%d", name, i+1), history); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) write(name string, history *historypb.History) error {
	raw, err := protojson.Marshal(history)
	if err != nil {
		return fmt.Errorf("encoding the history: %w", err)
	}
	// protojson's own indentation differs from run to run.
	var text bytes.Buffer
	if err := json.Indent(&text, raw, "", " "); err != nil {
		return fmt.Errorf("encoding the history: %w", err)
	}
	text.WriteByte('\n')
	if err := os.MkdirAll(r.out, 0o755); err != nil { //nolint:gosec // part of the repository
		return fmt.Errorf("making the folder: %w", err)
	}
	path := filepath.Join(r.out, name+".json")
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil { //nolint:gosec // part of the repository
		return fmt.Errorf("writing the history: %w", err)
	}
	fmt.Println(path, len(history.GetEvents()), "events")
	return nil
}

// register plays Postgres and HubSpot to the workflows.
func (r *recorder) register(w worker.Worker) {
	as := func(name string) activity.RegisterOptions { return activity.RegisterOptions{Name: name} }
	w.RegisterActivityWithOptions(func(_ context.Context, m activities.Meeting) (store.Look, error) { return r.of(m).look(), nil }, as("Look"))
	w.RegisterActivityWithOptions(func(_ context.Context, m activities.Meeting) error { return r.of(m).plan() }, as("Plan"))
	w.RegisterActivityWithOptions(func(ctx context.Context, m activities.Meeting) error { return r.of(m).consult(ctx) }, as("Consult"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.NotHeardInput) error { return r.of(in.Meeting).notHeard() }, as("NotHeard"))
	w.RegisterActivityWithOptions(func(_ context.Context, m activities.Meeting) error { return r.of(m).planUndo() }, as("PlanUndo"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.WriteInput) error { return r.of(in.Meeting).write(in.ActionID) }, as("Write"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.PauseInput) error { return r.of(in.Meeting).pause() }, as("Pause"))
	w.RegisterActivityWithOptions(func(context.Context, activities.Meeting) (string, error) { return "a card", nil }, as("Card"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.DecideInput) (string, error) { return r.of(in.Meeting).decide(in) }, as("Decide"))
	w.RegisterActivityWithOptions(func(_ context.Context, m activities.Meeting) (bool, error) { return r.of(m).close() }, as("Close"))
	w.RegisterActivityWithOptions(func(_ context.Context, c store.CRMRecord) (store.CRMFollowed, error) { return r.ofRecord(c).follow() }, as("FollowCRMRecord"))
	w.RegisterActivityWithOptions(func(ctx context.Context, c store.CRMRecord) (store.CRMFollowed, error) {
		return store.CRMFollowed{}, r.ofRecord(c).work(ctx)
	}, as("MeetCreations"))
	w.RegisterActivityWithOptions(func(ctx context.Context, c store.CRMRecord) error { return r.ofRecord(c).work(ctx) }, as("ReadHubSpotMeeting"))
	w.RegisterActivityWithOptions(func(ctx context.Context, c store.CRMRecord) (store.Erasure, error) {
		return store.Erasure{}, r.ofRecord(c).work(ctx)
	}, as("EraseContact"))
	w.RegisterActivityWithOptions(func(context.Context, uuid.UUID) error { return nil }, as("ForgetHistories"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.DeliveryInput) error { return r.ofID(in.DeliveryID).fetch() }, as("Fetch"))
	w.RegisterActivityWithOptions(func(context.Context, activities.DeliveryInput) error { return nil }, as("Understand"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.TendInput) (activities.Tended, error) {
		return r.ofID(in.SourceID).tend(), nil
	}, as("Tend"))
	w.RegisterActivityWithOptions(func(_ context.Context, k store.BriefingKey) (store.BriefingLook, error) {
		return r.ofID(k.MeetingID).lookAtBrief(), nil
	}, as("LookAtBriefing"))
	w.RegisterActivityWithOptions(func(ctx context.Context, k store.BriefingKey) error { return r.ofID(k.MeetingID).compose(ctx) }, as("ComposeBriefing"))
	w.RegisterActivityWithOptions(func(context.Context, activities.PauseBriefingInput) error { return nil }, as("PauseBriefing"))
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.DigestRun) (activities.DigestPlan, error) {
		return *r.ofID(in.Group.OrganizationID).told, nil
	}, as("PlanDigest"))
	w.RegisterActivityWithOptions(func(ctx context.Context, in activities.DigestPartInput) error {
		return r.ofID(in.Run.Group.OrganizationID).compose(ctx)
	}, as("ComposeDigest"))
	w.RegisterActivityWithOptions(func(context.Context, activities.DigestRun) error { return nil }, as("TellDigest"))
}

func (r *recorder) ofRecord(c store.CRMRecord) *story {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[c.ID]
}

func (r *recorder) of(m activities.Meeting) *story { return r.ofID(m.MeetingID) }

func (r *recorder) ofID(id uuid.UUID) *story {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stories[id]
}

// story is what the played Postgres holds of one follow-up, and who speaks to it.
type story struct {
	r    *recorder
	ctx  context.Context //nolint:containedctx // lives as long as the command
	name string
	in   workflows.FollowUpInput

	mu           sync.Mutex
	gatherUntil  time.Time
	notes        bool
	planned      int // rounds that were planned
	version      int // rounds that there are reasons for
	ready        []store.ReadyAction
	asked        []store.PendingQuestion // become pending when planned
	pending      []store.PendingQuestion
	disconnected bool
	paused       bool
	undo         []store.ReadyAction // to be planned, if any
	loseOnWrite  bool                // the connection ends with the first write
	whileClosing func()
	made         int
	// asks: a language model is asked before the round, and consultFails that it can't be.
	asks, consultFails bool

	// record is what a story of the CRM is about, instead of a meeting.
	record   store.CRMRecord
	followed []store.CRMFollowed // one for each look; then nothing waits
	goOn     chan struct{}       // closed once the activity at work may end

	// fetched and tended make it the story of a delivery or of a source, which has
	// the meeting's ID: what each attempt ends with.
	fetched []string // the types of errors; empty for none
	tended  []activities.Tended

	// briefed makes it the story of a brief: what each look sees. told makes it that of a
	// group that has the meeting's ID.
	briefed      bool
	looks        []func() store.BriefingLook
	told         *activities.DigestPlan
	composeFails bool // the next time
	lookedSoFar  int
	begunSoFar   int
}

// aboutBriefing makes it the story of a brief, whose looks see that.
func (s *story) aboutBriefing(looks ...func() store.BriefingLook) {
	s.briefed, s.looks, s.goOn = true, looks, make(chan struct{})
}

// aboutGroup makes it the story of a group whose meetings are read in so many parts.
func (s *story) aboutGroup(parts int) {
	s.told, s.goOn = &activities.DigestPlan{}, make(chan struct{})
	for i := range parts {
		s.told.Parts = append(s.told.Parts, activities.DigestPart{ConnectionID: s.id(), HubID: int64(1001 + i), People: []uuid.UUID{s.id(), s.id()}})
	}
}

func briefWaits() store.BriefingLook {
	start := time.Now().Add(48 * time.Hour).UTC()
	return store.BriefingLook{State: store.BriefingWaiting, Until: start.Add(-time.Hour), StartsAt: start, DueAt: start.Add(-time.Hour)}
}

func briefIsDue() store.BriefingLook {
	start := time.Now().Add(time.Hour).UTC()
	return store.BriefingLook{State: store.BriefingWaiting, Compose: true, Until: start, StartsAt: start, DueAt: start.Add(-time.Hour), HubID: 1001}
}

func briefIsPaused() store.BriefingLook {
	start := time.Now().Add(time.Hour).UTC()
	return store.BriefingLook{State: store.BriefingWaiting, Paused: true, Until: start.Add(-55 * time.Minute), StartsAt: start, DueAt: start.Add(-time.Hour)}
}

func briefIsOut() store.BriefingLook {
	start := time.Now().Add(time.Hour).UTC()
	return store.BriefingLook{State: store.BriefingDelivered, Until: start.Add(5 * time.Minute), StartsAt: start, HubID: 1001}
}

func briefIsOutEarly() store.BriefingLook {
	look := briefIsOut()
	look.Until, look.StartsAt = look.Until.Add(48*time.Hour), look.StartsAt.Add(48*time.Hour)
	return look
}

func briefHasEnded() store.BriefingLook {
	return store.BriefingLook{Ended: true, State: store.BriefingDelivered}
}

func (s *story) lookAtBrief() store.BriefingLook {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.looks[0]
	if len(s.looks) > 1 {
		s.looks = s.looks[1:]
	}
	s.lookedSoFar++
	return next()
}

// compose makes a brief, or a part of a digest.
func (s *story) compose(ctx context.Context) error {
	s.mu.Lock()
	failed, gone := s.composeFails, s.disconnected
	s.composeFails = false
	s.begunSoFar++
	s.mu.Unlock()
	switch {
	case gone:
		return disconnected()
	case failed:
		return temporal.NewNonRetryableApplicationError("It can't be made.", "Broken", nil)
	}
	return s.work(ctx)
}

// looked waits until a brief was looked at so often.
func (s *story) looked(n int) func() error {
	return s.counts("look so often", &s.lookedSoFar, n)
}

// begun waits until making it was begun with so often.
func (s *story) begun(n int) func() error {
	return s.counts("begin so often", &s.begunSoFar, n)
}

func (s *story) counts(what string, so *int, n int) func() error {
	return func() error {
		return s.until(what, func() (bool, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return *so >= n, nil
		})
	}
}

func (s *story) aboutDelivery(fetched ...string)         { s.fetched = fetched }
func (s *story) aboutSource(tended ...activities.Tended) { s.tended = tended }

func (s *story) fetch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.fetched[0]
	if len(s.fetched) > 1 {
		s.fetched = s.fetched[1:]
	}
	if next == "" {
		return nil
	}
	return temporal.NewNonRetryableApplicationError("the platform says no", next, nil)
}

func (s *story) tend() activities.Tended {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.tended[0]
	if len(s.tended) > 1 {
		s.tended = s.tended[1:]
	}
	return next
}

// aboutRecord makes it the story of a record, to which that happened.
func (s *story) aboutRecord(object, id string, followed ...store.CRMFollowed) {
	s.record = store.CRMRecord{OrganizationID: s.in.OrganizationID, HubID: 1001, Object: object, ID: id}
	s.followed, s.goOn = followed, make(chan struct{})
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.records[id] = s
}

func (s *story) follow() (store.CRMFollowed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.followed) == 0 {
		return store.CRMFollowed{}, nil
	}
	next := s.followed[0]
	s.followed = s.followed[1:]
	return next, nil
}

// work is what an activity that takes its time does: it beats until it may end.
func (s *story) work(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-s.goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// works waits until an activity is at work, does more meanwhile, writes down how far
// it is, if that has a name, and lets it end.
func (s *story) works(name string, more ...func() error) func() error {
	return func() error {
		var history *historypb.History
		atWork := func(events int) func() (bool, error) {
			return func() (bool, error) {
				var err error
				if history, err = s.history(""); err != nil {
					return false, err
				}
				all := history.GetEvents()
				return len(all) > events && slices.ContainsFunc(all, func(e *historypb.HistoryEvent) bool {
					return e.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
				}) && all[len(all)-1].GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED &&
					all[len(all)-1].GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, nil
			}
		}
		if err := s.until("work", atWork(0)); err != nil {
			return err
		}
		before := len(history.GetEvents())
		if err := s.steps(more...); err != nil {
			return err
		}
		if len(more) > 0 {
			if err := s.until("hear more", atWork(before)); err != nil {
				return err
			}
		}
		if name != "" {
			if err := s.r.write(s.name+"-"+name, history); err != nil {
				return err
			}
		}
		close(s.goOn)
		return nil
	}
}

func (s *story) id() uuid.UUID {
	s.made++
	return uuid.NewSHA1(s.in.MeetingID, fmt.Append(nil, s.made))
}

func (s *story) actions(n int) []store.ReadyAction {
	ready := make([]store.ReadyAction, n)
	for i := range ready {
		ready[i] = store.ReadyAction{ID: s.id(), Title: "Create Note"}
	}
	return ready
}

func (s *story) questions(n int, ttl time.Duration) []store.PendingQuestion {
	asked := make([]store.PendingQuestion, n)
	for i := range asked {
		asked[i] = store.PendingQuestion{ApprovalID: s.id(), Title: "Create Deal", ExpiresAt: time.Now().Add(ttl)}
	}
	return asked
}

func (s *story) look() store.Look {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = slices.DeleteFunc(s.pending, func(p store.PendingQuestion) bool { return time.Now().After(p.ExpiresAt) })
	look := store.Look{Ready: s.ready, Pending: slices.Clone(s.pending), Round: s.planned}
	switch {
	case s.paused && s.disconnected:
		look.Next = store.NextPause
	case len(s.undo) > 0:
		look.Next = store.NextUndo
	case s.planned < s.version && !s.notes && time.Now().Before(s.gatherUntil):
		look.Next, look.Until = store.NextGather, s.gatherUntil
	case s.planned < s.version:
		look.Next, look.AskModel = store.NextPlan, s.asks
	case len(s.ready) > 0:
		look.Next = store.NextWrite
	case len(s.pending) > 0:
		look.Next, look.Until = store.NextAnswer, s.pending[0].ExpiresAt
	default:
		look.Next = store.NextDone
	}
	return look
}

func (s *story) plan() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disconnected {
		return disconnected()
	}
	s.planned = s.version
	s.pending, s.asked = append(s.pending, s.asked...), nil
	return nil
}

func (s *story) consult(ctx context.Context) error {
	if s.consultFails {
		return temporal.NewNonRetryableApplicationError("It can't be asked.", "Broken", nil)
	}
	if err := s.work(ctx); err != nil {
		return err
	}
	return s.notHeard()
}

func (s *story) notHeard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks = false
	return nil
}

func (s *story) planUndo() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.pending, s.undo = s.undo, nil, nil
	return nil
}

func (s *story) write(id uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loseOnWrite {
		s.loseOnWrite, s.disconnected = false, true
	}
	if s.disconnected {
		return disconnected()
	}
	s.ready = slices.DeleteFunc(slices.Clone(s.ready), func(r store.ReadyAction) bool { return r.ID == id })
	return nil
}

func disconnected() error {
	return temporal.NewNonRetryableApplicationError("The connection is gone.", activities.TypeDisconnected, nil)
}

func (s *story) pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
	return nil
}

func (s *story) decide(in activities.DecideInput) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.pending, func(p store.PendingQuestion) bool { return p.ApprovalID == in.ApprovalID })
	if i < 0 {
		return "", temporal.NewNonRetryableApplicationError("There is no such question.", activities.TypeRefused, nil)
	}
	s.pending = slices.Delete(slices.Clone(s.pending), i, i+1)
	if in.Verdict != store.Reject {
		s.ready = append(s.ready, store.ReadyAction{ID: in.ApprovalID, Title: "Create Deal"})
	}
	return "Decided.", nil
}

func (s *story) close() (bool, error) {
	s.mu.Lock()
	closed := s.planned == s.version
	then := s.whileClosing
	s.whileClosing = nil
	if then != nil {
		then()
		closed = false
	}
	s.mu.Unlock()
	if then != nil {
		return closed, s.wake()
	}
	return closed, nil
}

// steps does one after another.
func (s *story) steps(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) wake() error {
	starter := workflows.Starter{Client: s.r.client}
	switch {
	case s.record.ID != "":
		return starter.TellCRM(s.ctx, s.record)
	case len(s.fetched) > 0:
		return starter.Deliver(s.ctx, store.Delivery{ID: s.in.MeetingID, Platform: "fireflies", OrganizationID: &s.in.OrganizationID})
	case len(s.tended) > 0:
		return starter.LookAfter(s.ctx, s.in.MeetingID, &s.in.OrganizationID)
	case s.briefed:
		return starter.TellBriefing(s.ctx, s.brief())
	case s.told != nil:
		_, err := s.r.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: s.workflowID(), TaskQueue: workflows.TaskQueue}, workflows.Digest, s.group())
		return err
	}
	return starter.Wake(s.ctx, s.in.OrganizationID, s.in.MeetingID, "recording")
}

func (s *story) change(f func()) func() error {
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
		return nil
	}
}

// waits waits until the newest run does, and writes down how far it is, if that
// has a name: runs like it are open when a new version comes.
func (s *story) waits(name string) func() error {
	return func() error {
		var history *historypb.History
		err := s.until("wait", func() (bool, error) {
			var err error
			history, err = s.history("")
			if err != nil {
				return false, err
			}
			events := history.GetEvents()
			return events[len(events)-1].GetEventType() == enumspb.EVENT_TYPE_TIMER_STARTED, nil
		})
		if err != nil || name == "" {
			return err
		}
		return s.r.write(s.name+"-"+name, history)
	}
}

func (s *story) ends() error {
	return s.until("end", func() (bool, error) {
		described, err := s.r.client.DescribeWorkflowExecution(s.ctx, s.workflowID(), "")
		if err != nil {
			return false, err
		}
		switch status := described.GetWorkflowExecutionInfo().GetStatus(); status {
		case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
			return false, nil
		case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
			return true, nil
		default:
			return false, fmt.Errorf("the workflow ended as %s", status)
		}
	})
}

func (s *story) until(what string, check func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not %s", what)
		case <-tick.C:
		}
	}
}

func (s *story) update(in workflows.DecideInput, accepted bool) func() error {
	return func() error {
		handle, err := s.r.client.UpdateWorkflow(s.ctx, client.UpdateWorkflowOptions{
			WorkflowID: s.workflowID(), UpdateName: workflows.UpdateDecide, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(s.ctx, nil)
		}
		var refused *temporal.ApplicationError
		if accepted == errors.As(err, &refused) {
			return fmt.Errorf("the update that should be accepted (%v) was answered: %w", accepted, err)
		}
		if refused != nil {
			return nil
		}
		return err
	}
}

func (s *story) signal(in workflows.DecideInput) func() error {
	return func() error {
		return s.r.client.SignalWorkflow(s.ctx, s.workflowID(), "", workflows.SignalDecide, in)
	}
}

func (s *story) workflowID() string {
	switch {
	case s.record.ID != "":
		return workflows.CRMEventID(s.record)
	case len(s.fetched) > 0:
		return workflows.DeliveryID(s.in.MeetingID)
	case len(s.tended) > 0:
		return workflows.UpkeepID(s.in.MeetingID)
	case s.briefed:
		return workflows.BriefingID(s.brief())
	case s.told != nil:
		return workflows.DigestID(s.group())
	}
	return workflows.FollowUpID(s.in.MeetingID)
}

func (s *story) brief() store.BriefingKey {
	return store.BriefingKey{OrganizationID: s.in.OrganizationID, MeetingID: s.in.MeetingID, PersonID: uuid.NewSHA1(s.in.MeetingID, []byte("person"))}
}

func (s *story) group() store.BriefingGroup {
	return store.BriefingGroup{OrganizationID: s.in.MeetingID, Kind: store.NoticeBriefingDigest, Zone: "Europe/Berlin", Minutes: 450, Days: "mon,tue"}
}

// runs are the run IDs under the workflow ID, the oldest first.
func (s *story) runs() ([]string, error) {
	var runs []string
	for {
		runs = nil
		list, err := s.r.client.ListWorkflow(s.ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: "WorkflowId = '" + s.workflowID() + "' and ExecutionStatus != 'Running'",
		})
		if err != nil {
			return nil, fmt.Errorf("listing the runs: %w", err)
		}
		for _, e := range slices.Backward(list.GetExecutions()) { // the newest comes first
			runs = append(runs, e.GetExecution().GetRunId())
		}
		latest, err := s.r.client.DescribeWorkflowExecution(s.ctx, s.workflowID(), "")
		if err != nil {
			return nil, fmt.Errorf("describing the newest run: %w", err)
		}
		// The list lags a little behind.
		if slices.Contains(runs, latest.GetWorkflowExecutionInfo().GetExecution().GetRunId()) {
			return runs, nil
		}
	}
}

func (s *story) history(run string) (*historypb.History, error) {
	history := &historypb.History{}
	events := s.r.client.GetWorkflowHistory(s.ctx, s.workflowID(), run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("reading the history: %w", err)
		}
		history.Events = append(history.Events, event)
	}
	return history, nil
}
