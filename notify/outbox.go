package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/internal/poll"
	"github.com/debriefhq/debrief/store"
)

// Options are what an [Outbox] needs.
type Options struct {
	Store *store.Store
	// Sender carries mails. Nil where there is no mail server: then only Slack is
	// told, and what would be a mail waits.
	Sender Sender
	// Slack calls Slack; nil for Slack's own address.
	Slack *Slack
	// Webhooks posts to an organization's endpoints; nil for those that reach public
	// addresses alone.
	Webhooks *Webhooks
	// PublicURL is this installation's address, for links.
	PublicURL string
	Log       zerolog.Logger
	// Interval between two looks; 0 means five seconds, and one second for messages
	// in Slack that have to be edited: who clicked looks at it.
	Interval time.Duration
	// Now is the clock of quiet hours and digests; nil for the real one.
	Now func() time.Time
}

// Outbox sends the notices that are queued, and keeps the messages in Slack up
// to date. Any number of them may share one database: what one has claimed,
// another leaves alone.
type Outbox struct {
	options Options
}

const (
	claimed = 3
	// sendTimeout bounds one message. A claim of a few has to outlast them all:
	// see store.NoticeLease; and a claim of one in Slack outlasts it:
	// store.SlackLease.
	sendTimeout = 35 * time.Second
	// noMailWait is how long what would be a mail waits where there is no mail
	// server, before it is looked at again.
	noMailWait = 10 * time.Minute
)

// New returns an outbox; [Outbox.Run] starts it.
func New(o Options) *Outbox {
	if o.Interval <= 0 {
		o.Interval = 5 * time.Second
	}
	if o.Slack == nil {
		o.Slack = NewSlack(SlackOptions{})
	}
	if o.Webhooks == nil {
		o.Webhooks = NewWebhooks(WebhookOptions{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	return &Outbox{options: o}
}

// Run sends until ctx ends, and returns when what was begun is done.
func (o *Outbox) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() {
		o.loop("notices can't be sent; they will be tried again", o.options.Interval).Run(ctx, nil, o.sendSome)
	})
	work.Go(func() {
		places, sending := make(chan struct{}, briefedAtOnce), new(sync.WaitGroup)
		defer sending.Wait()
		o.loop("briefings can't be sent; they will be tried again", min(o.options.Interval, time.Second)).Run(ctx, nil, func(ctx context.Context) (bool, error) {
			return o.briefSome(ctx, places, sending)
		})
	})
	work.Go(func() {
		o.loop("messages in Slack can't be edited; they will be tried again", min(o.options.Interval, time.Second)).Run(ctx, nil, o.editSome)
	})
	work.Wait()
}

func (o *Outbox) loop(complaint string, interval time.Duration) poll.Loop {
	return poll.Loop{Interval: interval, Complain: func(err error) { o.options.Log.Error().Err(err).Msg(complaint) }}
}

// sendSome claims a few notices and settles each. When the mail server is away,
// the rest is put back untried.
func (o *Outbox) sendSome(ctx context.Context) (more bool, err error) {
	notices, err := o.options.Store.ClaimNotices(ctx, claimed, o.options.Sender == nil)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	var away error
	for _, n := range notices {
		if away != nil || ctx.Err() != nil {
			if err := o.options.Store.ReturnNotice(lasting, n, time.Time{}); err != nil {
				return false, err
			}
			continue
		}
		step, done := context.WithTimeout(lasting, sendTimeout)
		err := o.send(step, n)
		done()
		var failed *SendError
		switch {
		case err == nil:
		case errors.As(err, &failed) && failed.Permanent:
			o.options.Log.Warn().Stringer("notice", n.ID).Str("kind", string(n.Kind)).Str("reason", failed.Reason).Msg("a notice could not be delivered")
			err = o.options.Store.FailNotice(lasting, n, failed.Reason)
		case errors.As(err, &failed):
			if failed.Away {
				away = failed
			}
			err = o.options.Store.RetryNotice(lasting, n, failed.Reason, failed.After)
		}
		if err != nil {
			// The database is away: the claim ends by itself.
			return false, err
		}
	}
	return len(notices) > 0 && away == nil, away
}

// send tells one notice, or settles it otherwise. A [*SendError] leaves it
// claimed.
func (o *Outbox) send(ctx context.Context, n store.Notice) error {
	if n.Kind.IsApproval() {
		return o.tellOfQuestions(ctx, n)
	}
	if n.PersonID == nil {
		return o.options.Store.DropNotice(ctx, n, "there is nobody to tell")
	}
	to, err := o.options.Store.Addressee(ctx, n.OrganizationID, *n.PersonID)
	if errors.Is(err, store.ErrNotFound) {
		return o.options.Store.PassNoticeOn(ctx, n, "its recipient left, or has no address in the organization's domains any more; it was passed on")
	}
	if err != nil {
		return err
	}
	f, obsolete, err := o.gather(ctx, n)
	if err != nil {
		return err
	}
	if obsolete != "" {
		return o.options.Store.DropNotice(ctx, n, obsolete)
	}
	return o.mail(ctx, n, to, f)
}

// mail sends a notice to its recipient's address.
func (o *Outbox) mail(ctx context.Context, n store.Notice, to store.Addressee, f facts) error {
	if !Internal(to.Email, to.Domains) {
		return &SendError{Reason: "the address is not one that mail can be sent to", Permanent: true}
	}
	f.Recipient = to.Name
	m, err := compose(n.Kind, to.Language, f)
	if err != nil {
		return &SendError{Reason: err.Error(), Permanent: true}
	}
	m.ID, m.To = n.ID, to.Email
	if err := o.options.Sender.Send(ctx, m); err != nil {
		return err
	}
	return o.options.Store.NoticeWasSent(context.WithoutCancel(ctx), n)
}

// gather reads what a notice's words need. obsolete is why it need not be told
// any more.
func (o *Outbox) gather(ctx context.Context, n store.Notice) (f facts, obsolete string, err error) {
	f.Host = host(o.options.PublicURL)
	switch {
	case n.About.ConnectionID != nil:
		c, err := o.options.Store.Connection(ctx, n.OrganizationID, *n.About.ConnectionID)
		if errors.Is(err, store.ErrNotFound) {
			return f, "the connection is gone", nil
		}
		if err != nil {
			return f, "", err
		}
		if c.State == store.Connected || c.State == store.Revoked {
			return f, fmt.Sprintf("the connection is %s by now", c.State), nil
		}
		f.Connection, f.Account = c.Name, c.HubDomain
		if f.Account == "" {
			f.Account = strconv.FormatInt(c.HubID, 10)
		}
		f.Link = o.options.PublicURL + ConnectionPath(c.ID)
	case n.About.AppID != nil:
		app, err := o.options.Store.App(ctx, n.OrganizationID, *n.About.AppID)
		if errors.Is(err, store.ErrNotFound) {
			return f, "the app is gone", nil
		}
		if err != nil {
			return f, "", err
		}
		all, err := o.options.Store.Connections(ctx, n.OrganizationID)
		if err != nil {
			return f, "", err
		}
		refused := false
		for _, c := range all {
			refused = refused || (c.AppID == app.ID && c.State == store.Misconfigured)
		}
		if !refused {
			return f, "HubSpot accepts the app by now", nil
		}
		f.App, f.Link = app.Name, o.options.PublicURL+ConnectionsPath
	case n.About.PersonID != nil:
		names, err := o.options.Store.PeopleNames(ctx, n.OrganizationID)
		if err != nil {
			return f, "", err
		}
		f.Person = names[n.About.PersonID.String()]
		f.Link = o.options.PublicURL + "/"
	case n.About.SourceID != nil:
		source, err := o.options.Store.Source(ctx, *n.About.SourceID)
		if errors.Is(err, store.ErrNotFound) {
			return f, "the source is gone", nil
		}
		if err != nil {
			return f, "", err
		}
		if source.API.State() != "refused" {
			return f, "the platform accepts the source's credentials by now, or they were removed", nil
		}
		f.Source, f.Reason = source.Name, source.API.Problem
	case n.Kind == store.NoticeSlackRefused:
		app, err := o.options.Store.SlackApp(ctx, n.OrganizationID)
		if errors.Is(err, store.ErrNotFound) {
			return f, "there is no Slack app any more", nil
		}
		if err != nil {
			return f, "", err
		}
		if app.Problem == "" {
			return f, "Slack accepts the app by now", nil
		}
		f.Reason = app.Problem
	}
	return f, "", nil
}

// ConnectionsPath is the page with all connections, where links lead.
const ConnectionsPath = "/connections"

// ConnectionPath is a connection's own page. It holds no token: whoever opens it
// signs in.
func ConnectionPath(id uuid.UUID) string { return ConnectionsPath + "/" + id.String() }

func host(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// SendTest sends a test mail to an address of an organization, at once.
func SendTest(ctx context.Context, s Sender, publicURL, to string, domains []string, language string) error {
	if !Internal(to, domains) {
		return &SendError{Reason: "the address is not in the organization's domains, and mail goes nowhere else", Permanent: true}
	}
	m, err := compose(store.NoticeTest, language, facts{Host: host(publicURL)})
	if err != nil {
		return err
	}
	m.ID, m.To = uuid.New(), to
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Send(ctx, m)
}
