package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

const (
	// briefedAtOnce is how many people are briefed at the same time: where a thousand
	// meetings begin on the hour, nobody waits for the mail of everybody before.
	briefedAtOnce = 16
	// A channel is tried for no longer than this, nor for more than a third of the time
	// that is left before the meeting.
	longestChannel = 10 * time.Minute
	timeLeftParts  = 3
	// digestPatience is how long it is looked whether a digest was taken.
	digestPatience = time.Hour
)

// retryWaits are the waits between the tries of one channel; the last one goes on. A
// webhook has one try more than there are waits, and no more.
var retryWaits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute}

// errAbsent is [SendError.code] of a channel that is not there for somebody: that is no
// failure.
const errAbsent = "absent"

// BriefingPath is a brief's own page. It holds no token: whoever opens it signs in.
func BriefingPath(id uuid.UUID) string { return BriefingsPath + "/" + id.String() }

// BriefingsPath is the page with one's briefs.
const BriefingsPath = "/briefings"

// briefSome claims as many of the notices that brief people as there are free places, and
// sends each by itself: one that takes long holds up nobody but the one who comes to its
// place. What was begun is done when sending.Wait returns.
func (o *Outbox) briefSome(ctx context.Context, places chan struct{}, sending *sync.WaitGroup) (more bool, err error) {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return false, nil
	}
	taken := 1
	for full := false; !full; {
		select {
		case places <- struct{}{}:
			taken++
		default:
			full = true
		}
	}
	notices, err := o.options.Store.ClaimBriefingNotices(ctx, taken)
	for range taken - len(notices) {
		<-places
	}
	lasting := context.WithoutCancel(ctx)
	for _, n := range notices {
		sending.Go(func() {
			defer func() { <-places }()
			step, done := context.WithTimeout(lasting, sendTimeout)
			defer done()
			if err := o.brief(step, n); err != nil {
				// The database is away: the claim ends by itself.
				o.options.Log.Error().Err(err).Stringer("notice", n.ID).Msg("a briefing could not be sent; it will be tried again")
			}
		})
	}
	return len(notices) > 0, err
}

// told is one thing that a person is briefed with, in their words.
type told struct {
	// id is the brief's; nil of a digest.
	id    uuid.UUID
	kind  store.NoticeKind
	to    store.Addressee
	print words.Printer
	// page is the whole brief, or the digest; changes is what an update says, nil for
	// everything else.
	page    briefing.Page
	changes *briefing.Page
	link    string
	// line is all that shows on a locked screen, and in lists of mails: it names nothing
	// but a time.
	line string
	// subject is that of the first mail about it, and names nothing more.
	subject string
	// until is when it is of no use any more.
	until time.Time
	// starts is when the meeting begins; zero for a digest.
	starts time.Time
	// thread is where it goes on; data is what a webhook says.
	thread briefingThread
	data   any
	// channels are those to try, in this order.
	channels []store.BriefingChannel
	// telling is what is recorded of it; nil for a digest.
	telling *store.BriefingTelling
}

// briefingThread is what it takes to go on in the same thread: IDs and a time.
type briefingThread struct {
	Slack *slackThread `json:"slack,omitempty"`
	// Mails are the IDs of the mails so far, and Begins is what the first one's subject
	// says: an answer to it has the same.
	Mails  []uuid.UUID `json:"mails,omitempty"`
	Begins time.Time   `json:"begins,omitzero"`
}

type slackThread struct {
	User    string `json:"user"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// brief tells one notice that briefs somebody, or settles it otherwise. Only an error of
// the database's comes out of it.
func (o *Outbox) brief(ctx context.Context, n store.Notice) error {
	if n.PersonID == nil {
		return o.options.Store.DropNotice(ctx, n, "there is nobody to tell")
	}
	to, err := o.options.Store.Addressee(ctx, n.OrganizationID, *n.PersonID)
	if errors.Is(err, store.ErrNotFound) {
		// Nobody else is briefed in their place.
		return o.options.Store.DropNotice(ctx, n, "its recipient left, or has no address in the organization's domains any more")
	}
	if err != nil {
		return err
	}
	var t told
	var settled bool
	if n.About.BriefingID != nil {
		t, settled, err = o.gatherBriefing(ctx, n, to)
	} else {
		t, settled, err = o.gatherDigest(ctx, n, to)
	}
	if err != nil || settled {
		return err
	}
	return o.byChannels(ctx, n, t)
}

// byChannels tries one channel after the other, each for its time. Who was told by one
// is not told by the next: where nobody knows whether a channel took it, no other is
// tried.
func (o *Outbox) byChannels(ctx context.Context, n store.Notice, t told) error {
	p := n.Progress
	channels := t.channels
	if p.Channel != "" && !p.HasFailed(p.Channel) {
		// Somebody may have changed the order meanwhile: what was begun comes first.
		channels = append([]store.BriefingChannel{p.Channel}, channels...)
	}
	for _, channel := range channels {
		if channel == store.BriefingOnPage {
			break
		}
		if p.HasFailed(channel) {
			continue
		}
		now := o.options.Now()
		if p.Channel != channel {
			p.Channel, p.Since, p.Tries, p.Doubt = channel, now.UTC(), 0, false
		}
		doubted := p.Doubt
		thread, err := o.by(ctx, channel, n, t, &p)
		var failed *SendError
		switch {
		case err == nil:
			return o.reached(ctx, n, t, p, channel, thread)
		case !errors.As(err, &failed):
			return err
		case failed.code == errAbsent && !p.Doubt:
			continue
		}
		p.Tries++
		wait := max(retryWaits[min(p.Tries, len(retryWaits))-1], failed.After)
		if p.Doubt && channel == store.BriefingBySlack {
			wait = max(wait, store.SlackLease) // after it, what was sent has arrived or will not
		}
		// A mail can't be looked for. It is sent once more, as the same mail, which many
		// servers know to be one.
		enough := channel == store.BriefingByEmail && doubted && failed.Doubt
		if p.Doubt && !enough && now.Add(wait).Before(t.until) {
			return o.options.Store.HoldNotice(context.WithoutCancel(ctx), n, p, failed.Reason, wait)
		}
		last := now.Add(wait).After(p.Since.Add(t.patience(p.Since))) || channel == store.BriefingByWebhook && p.Tries > len(retryWaits)
		if !failed.Permanent && !failed.Refused && !last && !p.Doubt {
			return o.options.Store.HoldNotice(context.WithoutCancel(ctx), n, p, failed.Reason, wait)
		}
		if channel == store.BriefingByWebhook && len(p.Took) > 0 {
			return o.reached(ctx, n, t, p, channel, nil)
		}
		p.Failed = append(p.Failed, store.FailedChannel{Channel: channel, Reason: failed.Reason})
		o.options.Log.Warn().Stringer("notice", n.ID).Str("kind", string(n.Kind)).Str("channel", string(channel)).Str("reason", failed.Reason).
			Msg("a channel does not take a briefing; the next one is tried")
		if p.Doubt {
			break
		}
		if err := o.options.Store.KeepNoticeProgress(context.WithoutCancel(ctx), n, p); err != nil {
			return err
		}
	}
	return o.reached(ctx, n, t, p, store.BriefingOnPage, nil)
}

// patience is how long a channel is tried that was begun with at that time.
func (t told) patience(since time.Time) time.Duration {
	if t.starts.IsZero() {
		return longestChannel
	}
	return min(longestChannel, t.starts.Sub(since)/timeLeftParts)
}

// by sends by one channel.
func (o *Outbox) by(ctx context.Context, channel store.BriefingChannel, n store.Notice, t told, p *store.NoticeProgress) (*briefingThread, error) {
	switch channel {
	case store.BriefingBySlack:
		return o.briefInSlack(ctx, n, t, p)
	case store.BriefingByEmail:
		return o.briefByMail(ctx, n, t, p)
	case store.BriefingByWebhook:
		return nil, o.briefByWebhook(ctx, n, t, p)
	case store.BriefingOnPage:
	}
	return nil, &SendError{Reason: "there is no such channel", Permanent: true}
}

// surely sends, after it was recorded that something may have been taken, and takes that
// back if it is sure that nothing was.
func (o *Outbox) surely(ctx context.Context, n store.Notice, p *store.NoticeProgress, send func() error) error {
	before := p.Doubt
	p.Doubt = true
	if err := o.options.Store.KeepNoticeProgress(ctx, n, *p); err != nil {
		p.Doubt = before
		return err
	}
	err := send()
	var failed *SendError
	if errors.As(err, &failed) && !failed.Doubt {
		p.Doubt = before
	}
	return err
}

// reached records that a person was told, and by what.
func (o *Outbox) reached(ctx context.Context, n store.Notice, t told, p store.NoticeProgress, channel store.BriefingChannel, thread *briefingThread) error {
	ctx = context.WithoutCancel(ctx)
	var raw json.RawMessage
	if thread != nil {
		var err error
		if raw, err = json.Marshal(thread); err != nil {
			return fmt.Errorf("encoding the thread of a briefing: %w", err)
		}
	}
	how := "by " + string(channel)
	if channel == store.BriefingOnPage {
		how = "on its page alone"
	}
	for _, f := range p.Failed {
		how += fmt.Sprintf("; not by %s: %s", f.Channel, f.Reason)
	}
	if t.telling == nil {
		return o.options.Store.NoticeReached(ctx, n, how)
	}
	telling := *t.telling
	telling.Channel, telling.Thread, telling.Notice, telling.How = channel, raw, n, how
	return o.options.Store.BriefingTold(ctx, telling)
}

// view is in whose words and time zone somebody is told.
func (o *Outbox) view(to store.Addressee) briefing.View {
	return briefing.View{Printer: words.In(to.Language), Zone: to.Notify.Location(), BaseURL: o.options.PublicURL}
}

// gatherBriefing reads a brief and puts it into words, or settles its notice where there
// is nothing to tell.
func (o *Outbox) gatherBriefing(ctx context.Context, n store.Notice, to store.Addressee) (t told, settled bool, err error) {
	drop := func(reason string) (told, bool, error) {
		return told{}, true, o.options.Store.DropNotice(ctx, n, reason)
	}
	b, err := o.options.Store.BriefingByID(ctx, n.OrganizationID, *n.About.BriefingID)
	if errors.Is(err, store.ErrNotFound) {
		return drop("the briefing is gone")
	}
	if err != nil {
		return told{}, false, err
	}
	switch {
	case b.PersonID != *n.PersonID:
		return drop("the briefing is for somebody else")
	case b.State == store.BriefingCanceled, b.State == store.BriefingSkipped, b.State == store.BriefingFailed:
		return drop(cmp.Or(b.Reason, "the briefing is "+string(b.State)))
	case b.Brief == nil:
		return drop("what it said was erased")
	case b.StartsAt == nil || o.options.Now().After(b.StartsAt.Add(store.BriefingGrace)):
		return drop("the meeting had begun")
	}
	var now briefing.Brief
	if err := json.Unmarshal(b.Brief, &now); err != nil {
		return told{}, false, fmt.Errorf("reading brief %s: what is stored is no brief", b.ID)
	}
	v := o.view(to)
	t = told{
		id: b.ID, kind: store.NoticeBriefingReady, to: to, print: v.Printer, page: now.Page(v), link: o.options.PublicURL + BriefingPath(b.ID),
		starts: *b.StartsAt, until: *b.StartsAt,
	}
	if len(b.Thread) > 0 {
		if err := json.Unmarshal(b.Thread, &t.thread); err != nil {
			return told{}, false, fmt.Errorf("reading the thread of brief %s: %w", b.ID, err)
		}
	}
	data := webhookBriefing{
		OrganizationID: b.OrganizationID, PersonID: b.PersonID, BriefingID: b.ID, MeetingID: b.MeetingID, Version: b.Version, URL: t.link, Brief: now,
	}
	data.Brief.Records = nil
	if b.FirstSentAt != nil {
		if b.Told == nil {
			return drop("what was told before was erased")
		}
		var before briefing.Brief
		if err := json.Unmarshal(b.Told, &before); err != nil {
			return told{}, false, fmt.Errorf("reading brief %s: what was told is no brief", b.ID)
		}
		data.Changes = briefing.Changes(before, now)
		switch {
		case len(data.Changes) > 0:
		case b.LastSentAt != nil && !b.LastSentAt.Before(n.CreatedAt):
			// Whoever sent it died before it could say so here.
			return told{}, true, o.options.Store.NoticeReached(ctx, n, "by "+string(b.Channel))
		default:
			return drop("nothing that matters has changed")
		}
		page := briefing.ChangesPage(data.Changes, now, v)
		t.kind, t.changes = store.NoticeBriefingUpdate, &page
	}
	if len(t.thread.Mails) == 0 {
		t.thread.Begins = now.Meeting.Start.UTC()
	}
	starts := now.Meeting.Start.In(v.Zone)
	t.line = v.T("Briefing for your meeting: %s", v.DateTime(starts))
	if t.changes != nil {
		t.line = v.T("Something has changed for your meeting: %s", v.DateTime(starts))
	}
	t.subject = v.T("Briefing for your meeting: %s", v.DateTime(t.thread.Begins.In(v.Zone)))
	t.data = data
	preferences, err := o.options.Store.BriefingPreferences(ctx, n.OrganizationID, b.PersonID)
	if err != nil {
		return told{}, false, err
	}
	t.channels = preferences.Settings.ChannelList()
	if t.changes != nil && b.Channel != "" && b.Channel != store.BriefingOnPage && slices.Contains(t.channels, b.Channel) {
		t.channels = append([]store.BriefingChannel{b.Channel}, slices.DeleteFunc(slices.Clone(t.channels), func(c store.BriefingChannel) bool { return c == b.Channel })...)
	}
	t.telling = &store.BriefingTelling{OrganizationID: b.OrganizationID, ID: b.ID, Version: b.Version, Brief: b.Brief}
	return t, false, nil
}

// gatherDigest reads the briefs of a digest and puts them into words. What was canceled
// or erased meanwhile is left out.
func (o *Outbox) gatherDigest(ctx context.Context, n store.Notice, to store.Addressee) (t told, settled bool, err error) {
	v := o.view(to)
	t = told{kind: n.Kind, to: to, print: v.Printer, link: o.options.PublicURL + BriefingsPath, until: n.CreatedAt.Add(digestPatience)}
	data := webhookDigest{OrganizationID: n.OrganizationID, PersonID: *n.PersonID, URL: t.link, Meetings: []webhookMeeting{}}
	var entries []briefing.Entry
	for _, meeting := range n.About.MeetingIDs {
		b, err := o.options.Store.BriefingOf(ctx, store.BriefingKey{OrganizationID: n.OrganizationID, MeetingID: meeting, PersonID: *n.PersonID})
		if errors.Is(err, store.ErrNotFound) || err == nil && (b.Brief == nil || b.State == store.BriefingCanceled) {
			continue
		}
		if err != nil {
			return told{}, false, err
		}
		var content briefing.Brief
		if err := json.Unmarshal(b.Brief, &content); err != nil {
			return told{}, false, fmt.Errorf("reading brief %s: what is stored is no brief", b.ID)
		}
		entries = append(entries, briefing.Entry{Brief: content, Path: BriefingPath(b.ID)})
		data.Meetings = append(data.Meetings, webhookMeeting{
			BriefingID: b.ID, MeetingID: b.MeetingID, URL: o.options.PublicURL + BriefingPath(b.ID), Title: content.Meeting.Title,
			Start: content.Meeting.Start, End: content.Meeting.End,
		})
	}
	if len(entries) == 0 {
		return told{}, true, o.options.Store.DropNotice(ctx, n, "none of its meetings is ahead any more")
	}
	t.line = v.T("Your meetings today")
	if n.Kind == store.NoticeBriefingWeek {
		t.line = v.T("Your meetings of the next seven days")
	}
	t.subject = t.line
	t.page, t.data = briefing.DigestPage(t.line, entries, v), data
	preferences, err := o.options.Store.BriefingPreferences(ctx, n.OrganizationID, *n.PersonID)
	if err != nil {
		return told{}, false, err
	}
	t.channels = preferences.Settings.ChannelList()
	return t, false, nil
}

// content is what is said: what changed, or else all of it.
func (t told) content() briefing.Page {
	if t.changes != nil {
		return *t.changes
	}
	return t.page
}
