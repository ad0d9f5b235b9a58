package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/store"
)

// Options are what an [Outbox] needs.
type Options struct {
	Store  *store.Store
	Sender Sender
	// PublicURL is this installation's address, for links.
	PublicURL string
	Log       zerolog.Logger
	// Interval between two looks; 0 means five seconds.
	Interval time.Duration
}

// Outbox sends the notices that are queued. Any number of them may share one
// database: what one has claimed, another leaves alone.
type Outbox struct {
	options Options
}

const (
	claimed = 3
	// sendTimeout bounds one message. A claim of a few has to outlast them all:
	// see store.NoticeLease.
	sendTimeout = 35 * time.Second
	// complainEvery is how often at most the log says that sending fails.
	complainEvery = 10 * time.Minute
)

// New returns an outbox; [Outbox.Run] starts it.
func New(o Options) *Outbox {
	if o.Interval <= 0 {
		o.Interval = 5 * time.Second
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	return &Outbox{options: o}
}

// Run sends until ctx ends, and returns when what was begun is done.
func (o *Outbox) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var complained time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for ctx.Err() == nil {
			more, err := o.sendSome(ctx)
			if err != nil && ctx.Err() == nil && time.Since(complained) > complainEvery {
				complained = time.Now()
				o.options.Log.Error().Err(err).Msg("notices can't be sent; they will be tried again")
			}
			if !more {
				break
			}
		}
		timer.Reset(o.options.Interval)
	}
}

// sendSome claims a few notices and settles each. When the mail server is away,
// the rest is put back untried.
func (o *Outbox) sendSome(ctx context.Context) (more bool, err error) {
	notices, err := o.options.Store.ClaimNotices(ctx, claimed)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	var away error
	for _, n := range notices {
		if away != nil || ctx.Err() != nil {
			if err := o.options.Store.ReturnNotice(lasting, n); err != nil {
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
			err = o.options.Store.RetryNotice(lasting, n, failed.Reason)
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
	if !Internal(to.Email, to.Domains) {
		return &SendError{Reason: "the address is not one that mail can be sent to", Permanent: true}
	}
	f, obsolete, err := o.gather(ctx, n)
	if err != nil {
		return err
	}
	if obsolete != "" {
		return o.options.Store.DropNotice(ctx, n, obsolete)
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
