package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

const (
	// liveBeat is how often a page that follows changes hears that it is still
	// connected: proxies end what is silent for a minute.
	liveBeat = 20 * time.Second
	// livePause is the least time between two changes that a page hears of.
	livePause = 500 * time.Millisecond
	// liveWrite bounds one write to a page.
	liveWrite = 10 * time.Second
	// livePages bounds how many pages one process serves changes to, and liveOwn how
	// many of one person. A browser follows with the pages that are looked at.
	livePages = 2_000
	liveOwn   = 20
)

// Changes is what live updates need of the store.
type Changes interface {
	Watch(ctx context.Context, organizationID uuid.UUID) error
	Listen(ctx context.Context, listening func(), each func(organizationID, meetingID uuid.UUID)) error
}

// changes tells open pages of what changed. It holds one connection to PostgreSQL
// while there is a page, and none otherwise. A change that could not be heard of,
// since that connection was lost, is told as a change of everything.
type changes struct {
	store   Changes
	onError func(ctx context.Context, doing string, err error)

	mu    sync.Mutex
	pages map[*follower]struct{}
	own   map[string]int     // how many pages whoever has
	stop  context.CancelFunc // of the listener; nil while there is none
}

// follower is a page that hears of the changes of an organization, or of one
// meeting of it.
type follower struct {
	organizationID uuid.UUID
	meetingID      uuid.UUID // uuid.Nil: all
	changed        chan struct{}
}

func newChanges(s Changes, onError func(ctx context.Context, doing string, err error)) *changes {
	return &changes{store: s, onError: onError, pages: map[*follower]struct{}{}, own: map[string]int{}}
}

var errTooMany = errors.New("too many pages follow changes")

// follow begins to tell a page of changes, until the returned function is called.
func (h *changes) follow(organizationID, meetingID uuid.UUID) (*follower, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pages) >= livePages {
		return nil, nil, errTooMany
	}
	f := &follower{organizationID: organizationID, meetingID: meetingID, changed: make(chan struct{}, 1)}
	// It may have missed something since it was written.
	f.changed <- struct{}{}
	h.pages[f] = struct{}{}
	if h.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		h.stop = cancel
		go h.listen(ctx)
	}
	return f, func() { h.leave(f) }, nil
}

// admit takes one of the pages that somebody may have, until the returned function
// is called.
func (h *changes) admit(who string) (leave func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.own[who] >= liveOwn {
		return nil, false
	}
	h.own[who]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.own[who]--; h.own[who] == 0 {
			delete(h.own, who)
		}
	}, true
}

func (h *changes) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pages, f)
	if len(h.pages) == 0 && h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

func (h *changes) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.store.Listen(ctx, func() { h.tell(uuid.Nil, uuid.Nil) }, h.tell)
		if ctx.Err() != nil {
			return
		}
		h.onError(ctx, "listening for changes", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// tell marks the pages that a change concerns; with no organization, all. It never
// blocks: a page that has not looked yet looks once.
func (h *changes) tell(organizationID, meetingID uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.pages {
		if organizationID != uuid.Nil && (f.organizationID != organizationID || f.meetingID != uuid.Nil && f.meetingID != meetingID) {
			continue
		}
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
}

// live tells a page that something changed, as server-sent events: no more than
// that, the page then looks again for itself. It ends with the session, with the
// server, and when the browser goes.
func (w *Web) live(c *gin.Context) {
	ctx := c.Request.Context()
	var meetingID uuid.UUID
	if raw := c.Query("meeting"); raw != "" {
		var err error
		if meetingID, err = uuid.Parse(raw); err != nil {
			w.noMeeting(c)
			return
		}
		if !w.maySee(c, meetingID) {
			return
		}
	}
	who := store.Operator.Name
	if person := sessionOf(c).PersonID; person != nil {
		who = person.String()
	}
	done, ok := w.changes.admit(who)
	if !ok {
		c.Status(http.StatusTooManyRequests)
		return
	}
	defer done()
	f, leave, err := w.changes.follow(organization(c), meetingID)
	if err != nil {
		c.Status(http.StatusServiceUnavailable)
		return
	}
	defer leave()
	if err := w.store.Watch(ctx, organization(c)); err != nil {
		w.broken(c, "following changes", err)
		return
	}
	c.Header("Content-Type", "text/event-stream")
	c.Header("X-Accel-Buffering", "no") // a proxy that gathers would hold it back
	out := stream{c: c, control: http.NewResponseController(c.Writer)}
	// The server's bounds are for pages that are read and written once.
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		w.broken(c, "following changes", err)
		return
	}
	if out.write("retry: 3000\n\n") != nil {
		return
	}
	beat, again := time.NewTicker(liveBeat), time.NewTicker(store.WatchAgain)
	defer beat.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.options.Closing:
			return
		case <-f.changed:
			if out.write("event: changed\ndata: \n\n") != nil {
				return
			}
			// What comes at once is told at once.
			select {
			case <-ctx.Done():
			case <-w.options.Closing:
			case <-time.After(livePause):
			}
		case <-beat.C:
			if out.write(": still here\n\n") != nil {
				return
			}
		case <-again.C:
			if !w.still(c) {
				return
			}
		}
	}
}

// still says whether the page may go on following: its session stands, for the
// same organization, and its changes are still announced.
func (w *Web) still(c *gin.Context) bool {
	session, err := w.Session(c.Request)
	if err != nil || session.OrganizationID != nil && *session.OrganizationID != organization(c) {
		return false
	}
	if err := w.store.Watch(c.Request.Context(), organization(c)); err != nil {
		w.options.OnError(c.Request.Context(), "following changes", err)
		return false
	}
	return true
}

// stream writes events, each at once.
type stream struct {
	c       *gin.Context
	control *http.ResponseController
}

func (s stream) write(event string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil {
		return fmt.Errorf("writing to a page: %w", err)
	}
	if _, err := s.c.Writer.WriteString(event); err != nil {
		return fmt.Errorf("writing to a page: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("writing to a page: %w", err)
	}
	return nil
}
