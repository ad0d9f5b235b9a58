package notify

import (
	"context"
	"errors"
	"slices"

	"github.com/slack-go/slack"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/store"
)

// briefInSlack tells somebody in Slack: a brief is one message, an update edits that and
// answers it with what has changed. Nothing is posted twice: who finds that something may
// have been posted looks for it first.
func (o *Outbox) briefInSlack(ctx context.Context, n store.Notice, t told, p *store.NoticeProgress) (*briefingThread, error) {
	app, err := o.slackApp(ctx, n.OrganizationID)
	if err != nil {
		return nil, err
	}
	if app == nil {
		return nil, &SendError{Reason: "there is no Slack app that Slack accepts", Permanent: true, code: errAbsent}
	}
	thread, err := o.inSlack(ctx, *app, n, t, p)
	if err != nil {
		return nil, o.refused(ctx, *app, err)
	}
	return thread, nil
}

func (o *Outbox) inSlack(ctx context.Context, app store.SlackApp, n store.Notice, t told, p *store.NoticeProgress) (*briefingThread, error) {
	client := o.options.Slack
	user, found, err := client.user(ctx, app, t.to)
	if err != nil {
		return nil, sure(err)
	}
	nobody := &SendError{Reason: "Slack has no member of the workspace with that address who may be told", Permanent: true, code: errAbsent}
	if user == "" {
		return nil, nobody
	}
	if found {
		err := o.options.Store.LinkSlackUser(ctx, n.OrganizationID, *n.PersonID, user)
		var refusal *store.Refusal
		if errors.As(err, &refusal) {
			return nil, nobody // it is somebody else's: whoever that is, not this person
		}
		if err != nil {
			return nil, err
		}
	}
	channel, err := client.conversation(ctx, app.BotToken, user)
	if err != nil {
		return nil, sure(err)
	}
	thread := t.thread
	answered := ""
	if was := thread.Slack; was != nil && was.User == user && was.Channel == channel && t.changes != nil {
		// The edit tells nobody: that it comes first, and maybe twice, does no harm.
		err := o.editBrief(ctx, app, channel, was.TS, t)
		var failed *SendError
		switch {
		case err == nil:
			answered = was.TS
		case errors.As(err, &failed) && slices.Contains(gone, failed.code):
			// Who deleted it is told by a message of its own.
		default:
			return nil, sure(err)
		}
	}
	m := slackBrief(t, t.content())
	m.marker, m.thread = n.ID, answered
	ts := ""
	if p.Doubt {
		if ts, err = client.find(ctx, app.BotToken, channel, answered, n.ID, n.CreatedAt); err != nil {
			return nil, err // it is no clearer than before
		}
		p.Doubt = false
	}
	if ts != "" {
		// It may say less than it would by now.
		if err := client.update(ctx, app.BotToken, channel, ts, m); err != nil {
			p.Doubt = true
			return nil, err
		}
	} else {
		err := o.surely(ctx, n, p, func() error {
			ts, err = client.post(ctx, app.BotToken, channel, m)
			if tooLong(err) {
				short := t.short()
				short.marker, short.thread = n.ID, answered
				ts, err = client.post(ctx, app.BotToken, channel, short)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if answered == "" {
		thread.Slack = &slackThread{User: user, Channel: channel, TS: ts}
	}
	return &thread, nil
}

// sure takes the doubt from an error: nothing was posted.
func sure(err error) error {
	var failed *SendError
	if errors.As(err, &failed) {
		failed.Doubt = false
	}
	return err
}

// editBrief makes the first message say what the brief is now. Its marker was for
// finding it, and it is found.
func (o *Outbox) editBrief(ctx context.Context, app store.SlackApp, channel, ts string, t told) error {
	m := slackBrief(t, t.page)
	m.marker = t.id
	err := o.options.Slack.update(ctx, app.BotToken, channel, ts, m)
	if tooLong(err) {
		short := t.short()
		short.marker = t.id
		err = o.options.Slack.update(ctx, app.BotToken, channel, ts, short)
	}
	return err
}

func tooLong(err error) bool {
	var failed *SendError
	return errors.As(err, &failed) && slices.Contains(tooMuch, failed.code)
}

// slackBrief shows a page in Slack, with a button that leads to the whole.
func slackBrief(t told, content briefing.Page) slackMessage {
	blocks, more := content.Slack()
	if more {
		blocks = append(blocks, section(escape(t.print.T("There is more on the page."))))
	}
	page := button(ActOpen, "", t.print.T("Open the page"))
	page.URL = t.link
	return slackMessage{text: t.line, blocks: append(blocks, slack.NewActionBlock("", page))}
}

// short stands in for what is more than Slack takes.
func (t told) short() slackMessage {
	return shortCard(t.print.T("This briefing is more than Slack takes. The page has it all."), t.link, t.print)
}
