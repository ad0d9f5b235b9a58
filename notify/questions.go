package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// waiting is a meeting with questions that wait for an answer.
type waiting struct {
	meetingID uuid.UUID
	open      int
}

// tellOfQuestions tells one notice about questions, or settles it otherwise. A
// person is told in Slack if Slack knows them, else by mail; in neither at night,
// and once a day if they want that. What is settled by then is told to nobody.
func (o *Outbox) tellOfQuestions(ctx context.Context, n store.Notice) error {
	if n.Kind == store.NoticeChannel {
		return o.announce(ctx, n)
	}
	if n.PersonID == nil {
		return o.spread(ctx, n)
	}
	to, err := o.options.Store.Addressee(ctx, n.OrganizationID, *n.PersonID)
	if errors.Is(err, store.ErrNotFound) {
		return o.options.Store.PassNoticeOn(ctx, n, "its recipient left, or has no address in the organization's domains any more; it was passed on")
	}
	if err != nil {
		return err
	}
	now := o.options.Now()
	if until := to.Notify.QuietUntil(now); !until.IsZero() {
		return o.options.Store.ReturnNotice(ctx, n, until)
	}
	if at := to.Notify.NextDigest(now); !at.IsZero() && n.Kind != store.NoticeDigest {
		return o.options.Store.PutInDigest(ctx, n, at)
	}
	all, err := o.waiting(ctx, n)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return o.options.Store.DropNotice(ctx, n, "nothing waits for an answer any more")
	}
	told, err := o.tellInSlack(ctx, n, to, all)
	if err != nil {
		return err
	}
	if told {
		return o.options.Store.NoticeWasSent(context.WithoutCancel(ctx), n)
	}
	if o.options.Sender == nil {
		return o.options.Store.ReturnNotice(ctx, n, time.Now().Add(noMailWait))
	}
	f := facts{Host: host(o.options.PublicURL), Link: o.options.PublicURL + "/inbox", Meetings: len(all)}
	for _, w := range all {
		f.Questions += w.open
	}
	if len(all) == 1 {
		f.Link = o.options.PublicURL + InboxPath(all[0].meetingID)
	}
	return o.mail(ctx, n, to, f)
}

// waiting are the meetings that a notice is about, as far as its recipient may
// see them and something is open.
func (o *Outbox) waiting(ctx context.Context, n store.Notice) ([]waiting, error) {
	var all []waiting
	for i, id := range n.About.MeetingIDs {
		if slices.Contains(n.About.MeetingIDs[:i], id) {
			continue
		}
		if n.PersonID != nil {
			var refusal *store.Refusal
			err := o.options.Store.MaySee(ctx, n.OrganizationID, id, *n.PersonID)
			if errors.As(err, &refusal) || errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		c, err := o.card(ctx, n.OrganizationID, id, words.Printer{})
		if errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if open := len(c.Open()); open > 0 {
			all = append(all, waiting{meetingID: id, open: open})
		}
	}
	return all, nil
}

func (o *Outbox) card(ctx context.Context, organizationID, meetingID uuid.UUID, p words.Printer) (card.Card, error) {
	facts, err := o.options.Store.CardFacts(ctx, organizationID, meetingID)
	if err != nil {
		return card.Card{}, err
	}
	return card.Of(facts, p), nil
}

// spread tells each of those who may answer.
func (o *Outbox) spread(ctx context.Context, n store.Notice) error {
	all, err := o.waiting(ctx, n)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return o.options.Store.DropNotice(ctx, n, "nothing waits for an answer any more")
	}
	asked, err := o.options.Store.Approvers(ctx, n.OrganizationID, all[0].meetingID)
	if err != nil {
		return err
	}
	people := make([]uuid.UUID, 0, len(asked))
	for _, a := range asked {
		people = append(people, a.PersonID)
	}
	return o.options.Store.SpreadNotice(ctx, n, people)
}

// tellInSlack shows a person the cards in Slack. It is false, and nothing was
// sent, where Slack does not have the person, or does not want the app.
func (o *Outbox) tellInSlack(ctx context.Context, n store.Notice, to store.Addressee, all []waiting) (bool, error) {
	app, err := o.slackApp(ctx, n.OrganizationID)
	if err != nil || app == nil {
		return false, err
	}
	user, found, err := o.options.Slack.user(ctx, *app, to)
	if err != nil {
		return false, o.refused(ctx, *app, err)
	}
	if user == "" {
		return false, nil
	}
	if found {
		err := o.options.Store.LinkSlackUser(ctx, n.OrganizationID, *n.PersonID, user)
		var refusal *store.Refusal
		if errors.As(err, &refusal) {
			return false, nil // it is somebody else's: whoever that is, not this person
		}
		if err != nil {
			return false, err
		}
	}
	for _, w := range all {
		if err := o.tellCard(ctx, *app, n, w.meetingID, user, to.Language); err != nil {
			var failed *SendError
			if errors.As(err, &failed) && failed.Permanent {
				return false, nil
			}
			return false, o.refused(ctx, *app, err)
		}
	}
	return true, nil
}

// slackApp is the organization's app, or nil if there is none that Slack accepts.
func (o *Outbox) slackApp(ctx context.Context, organizationID uuid.UUID) (*store.SlackApp, error) {
	app, err := o.options.Store.SlackApp(ctx, organizationID)
	if errors.Is(err, store.ErrNotFound) || err == nil && app.Problem != "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &app, nil
}

// refused records what an error says about the app itself. Where Slack does not
// accept it, people are told by mail from now on: the notice is tried again.
func (o *Outbox) refused(ctx context.Context, app store.SlackApp, err error) error {
	var failed *SendError
	if !errors.As(err, &failed) {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	switch {
	case failed.Refused:
		if err := o.options.Store.SlackRefused(lasting, app, failed.Reason); err != nil {
			return err
		}
	case failed.After > 0:
		if err := o.options.Store.PauseSlack(lasting, app.OrganizationID, failed.After); err != nil {
			return err
		}
	}
	return err
}

// tellCard posts a meeting's card to a person, or, where it is there from an
// earlier time, answers it with a line: an edit alone would not be noticed.
func (o *Outbox) tellCard(ctx context.Context, app store.SlackApp, n store.Notice, meetingID uuid.UUID, user, language string) error {
	m, err := o.options.Store.ClaimSlackMessage(ctx, n.OrganizationID, meetingID, n.PersonID)
	if errors.Is(err, store.ErrNotFound) {
		return &SendError{Reason: "another process is at this message"}
	}
	if err != nil {
		return err
	}
	if m.Closed != "" {
		// Who deleted it has had it.
		return o.options.Store.CloseSlackMessage(ctx, m, m.Closed)
	}
	was := m.TS != "" && m.CreatedAt.Before(n.CreatedAt)
	m, err = o.show(ctx, app, m, user)
	if err != nil || !was {
		return err
	}
	p := words.In(language)
	line := p.T("There are new questions about this meeting.")
	switch n.Kind { //nolint:exhaustive // the others are no reminders
	case store.NoticeReminder, store.NoticeDigest:
		line = p.T("These questions still wait for your answer.")
	case store.NoticeEscalated:
		line = p.T("These questions have waited for long, and come to you, too.")
	}
	reply := slackMessage{text: line, marker: n.ID, thread: m.TS}
	if n.Attempts > 1 {
		if ts, err := o.options.Slack.find(ctx, app.BotToken, m.ChannelID, m.TS, n.ID, n.CreatedAt); err != nil || ts != "" {
			return err
		}
	}
	_, err = o.options.Slack.post(ctx, app.BotToken, m.ChannelID, reply)
	return err
}

// announce names a meeting in the organization's channel.
func (o *Outbox) announce(ctx context.Context, n store.Notice) error {
	organization, err := o.options.Store.Organization(ctx, n.OrganizationID)
	if err != nil {
		return err
	}
	if until := organization.Settings.Notify.QuietUntil(o.options.Now()); !until.IsZero() {
		return o.options.Store.ReturnNotice(ctx, n, until)
	}
	all, err := o.waiting(ctx, n)
	if err != nil {
		return err
	}
	app, err := o.slackApp(ctx, n.OrganizationID)
	if err != nil {
		return err
	}
	if len(all) == 0 || app == nil || app.ChannelID == "" {
		return o.options.Store.DropNotice(ctx, n, "nothing waits for an answer any more, or there is no channel")
	}
	if _, err := o.options.Slack.CheckChannel(ctx, *app, app.ChannelID, organization.Domains); err != nil {
		return o.refused(ctx, *app, err)
	}
	m, err := o.options.Store.ClaimSlackMessage(ctx, n.OrganizationID, all[0].meetingID, nil)
	if errors.Is(err, store.ErrNotFound) {
		return &SendError{Reason: "another process is at this message"}
	}
	if err != nil {
		return err
	}
	if m.Closed != "" {
		return o.options.Store.DropNotice(ctx, n, m.Closed)
	}
	if _, err := o.show(ctx, *app, m, ""); err != nil {
		return o.refused(ctx, *app, err)
	}
	return o.options.Store.NoticeWasSent(context.WithoutCancel(ctx), n)
}

// editSome brings a few messages up to date that show less than their cards.
func (o *Outbox) editSome(ctx context.Context) (more bool, err error) {
	messages, err := o.options.Store.ClaimSlackMessages(ctx, claimed)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	var first error
	for _, m := range messages {
		step, done := context.WithTimeout(lasting, sendTimeout)
		err := o.edit(step, m)
		done()
		if err != nil && first == nil {
			first = err
		}
	}
	return len(messages) > 0 && first == nil, first
}

func (o *Outbox) edit(ctx context.Context, m store.SlackMessage) error {
	app, err := o.slackApp(ctx, m.OrganizationID)
	if err != nil || app == nil {
		return err // the claim ends by itself
	}
	_, err = o.show(ctx, *app, m, "")
	return o.refused(ctx, *app, err)
}

// gone are the errors that tell that a message will never be edited again: it was
// deleted, or where it was is closed.
var gone = []string{
	"message_not_found", "channel_not_found", "is_archived", "not_in_channel", "cant_update_message", "edit_window_closed", "is_inactive", "message_limit_exceeded",
}

// tooMuch are the errors that tell that a message is more than Slack takes.
var tooMuch = []string{"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}

// show makes a claimed message show its card as it stands, and ends the claim
// unless nobody knows what became of it. It posts the message to the user, or the
// channel, if it is not there. The message is never posted twice: that it is
// about to be sent is recorded before, and who finds it so looks for it first.
func (o *Outbox) show(ctx context.Context, app store.SlackApp, m store.SlackMessage, user string) (store.SlackMessage, error) {
	lasting := context.WithoutCancel(ctx)
	err := o.showing(ctx, lasting, app, &m, user)
	var failed *SendError
	switch {
	case err == nil || !errors.As(err, &failed):
		return m, err
	case m.TS != "" && slices.Contains(gone, failed.code):
		return m, o.options.Store.CloseSlackMessage(lasting, m, failed.Reason)
	case failed.Doubt && m.TS == "":
		return m, err
	}
	wait := max(failed.After, time.Second)
	if m.TS != "" {
		wait = max(failed.After, 30*time.Second)
	}
	if settled := o.options.Store.SlackMessageFailed(lasting, m, wait); settled != nil {
		return m, settled
	}
	return m, err
}

func (o *Outbox) showing(ctx, lasting context.Context, app store.SlackApp, m *store.SlackMessage, user string) error {
	if m.TS == "" && m.PostingSince != nil {
		if m.PersonID == nil {
			// What others say in a channel is not Debrief's to read.
			return o.options.Store.CloseSlackMessage(lasting, *m, "nobody knows whether it was posted, and it is not repeated")
		}
		ts, err := o.options.Slack.find(ctx, app.BotToken, m.ChannelID, "", m.ID, *m.PostingSince)
		if err != nil {
			// It is no clearer than before.
			var failed *SendError
			if errors.As(err, &failed) {
				failed.Doubt = true
			}
			return err
		}
		m.TS = ts
		m.ShownHash = nil
	}
	content, err := o.content(ctx, *m)
	if err != nil {
		return err
	}
	content.marker = m.ID
	hash, err := hashOf(content)
	if err != nil {
		return err
	}
	if m.TS == "" {
		channel := app.ChannelID
		if m.PersonID != nil {
			if channel, err = o.options.Slack.conversation(ctx, app.BotToken, user); err != nil {
				// Nothing was posted yet.
				var failed *SendError
				if errors.As(err, &failed) {
					failed.Doubt = false
				}
				return err
			}
		}
		if err := o.options.Store.SlackMessagePosting(ctx, *m, channel); err != nil {
			return err
		}
		m.ChannelID = channel
		ts, err := o.options.Slack.post(ctx, app.BotToken, channel, content)
		if short, ok := o.shorter(*m, err); ok {
			short.marker = m.ID
			ts, err = o.options.Slack.post(ctx, app.BotToken, channel, short)
		}
		if err != nil {
			return err
		}
		m.TS = ts
	} else if !bytes.Equal(hash, m.ShownHash) {
		err := o.options.Slack.update(ctx, app.BotToken, m.ChannelID, m.TS, content)
		if short, ok := o.shorter(*m, err); ok {
			short.marker = m.ID
			err = o.options.Slack.update(ctx, app.BotToken, m.ChannelID, m.TS, short)
		}
		if err != nil {
			return err
		}
	}
	return o.options.Store.SlackMessageShown(lasting, *m, m.ChannelID, m.TS, hash)
}

// shorter is what to show instead where Slack does not take a card.
func (o *Outbox) shorter(m store.SlackMessage, err error) (slackMessage, bool) {
	var failed *SendError
	if !errors.As(err, &failed) || !slices.Contains(tooMuch, failed.code) {
		return slackMessage{}, false
	}
	var p words.Printer
	return shortCard(p.T("This card is more than Slack takes. The page has it all."), o.options.PublicURL+InboxPath(m.MeetingID), p), true
}

// content is what a message shows. Of what was erased, or is no longer the
// person's to see, nothing is left.
func (o *Outbox) content(ctx context.Context, m store.SlackMessage) (slackMessage, error) {
	link := o.options.PublicURL + InboxPath(m.MeetingID)
	var p words.Printer
	if m.PersonID != nil {
		to, err := o.options.Store.Addressee(ctx, m.OrganizationID, *m.PersonID)
		if err == nil {
			p = words.In(to.Language)
			err = o.options.Store.MaySee(ctx, m.OrganizationID, m.MeetingID, *m.PersonID)
		}
		var refusal *store.Refusal
		if errors.As(err, &refusal) || errors.Is(err, store.ErrNotFound) {
			return shortCard(p.T("This meeting is no longer yours to see."), "", p), nil
		}
		if err != nil {
			return slackMessage{}, err
		}
	}
	c, err := o.card(ctx, m.OrganizationID, m.MeetingID, p)
	if errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrNotFound) {
		return shortCard(p.T("What was said in this meeting was erased."), "", p), nil
	}
	if err != nil {
		return slackMessage{}, err
	}
	if m.PersonID == nil {
		return channelCard(c, link, p), nil
	}
	return slackCard(c, link, p), nil
}

// hashOf tells one content from another.
func hashOf(m slackMessage) ([]byte, error) {
	raw, err := json.Marshal(m.blocks)
	if err != nil {
		return nil, fmt.Errorf("encoding a message: %w", err)
	}
	sum := sha256.Sum256(append([]byte(m.text+"\x00"), raw...))
	return sum[:], nil
}
