package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/store"
)

// Briefings is what the pages with briefs need of the store.
type Briefings interface {
	BriefingByID(ctx context.Context, organizationID, id uuid.UUID) (store.Briefing, error)
	Briefings(ctx context.Context, organizationID uuid.UUID, f store.BriefingFilter) ([]store.Briefing, error)
	MaySeeBriefing(ctx context.Context, organizationID, briefingID, personID uuid.UUID) error
	BriefingPreferences(ctx context.Context, organizationID, personID uuid.UUID) (store.BriefingPreferences, error)
	PeopleNames(ctx context.Context, organizationID uuid.UUID) (map[string]string, error)
}

// registerBriefings adds the pages with what people are told before their meetings.
// They show what the host's connection may read: to the host, to who answers for the
// host, and to admins.
func (w *Web) registerBriefings(inside *gin.RouterGroup) {
	inside.GET("/briefings", w.showBriefings)
	inside.GET("/briefings/:id", w.showBriefing)
}

// briefingStates are the states with what a page calls them.
var briefingStates = map[store.BriefingState]string{
	store.BriefingWaiting:   "planned",
	store.BriefingReady:     "on its way",
	store.BriefingDelivered: "told",
	store.BriefingSkipped:   "left out",
	store.BriefingCanceled:  "canceled",
	store.BriefingFailed:    "not told in time",
}

// briefingChannels are the channels with what a page calls them.
var briefingChannels = map[store.BriefingChannel]string{
	store.BriefingBySlack:   "told in Slack",
	store.BriefingByEmail:   "told by mail",
	store.BriefingByWebhook: "told by webhook",
	store.BriefingOnPage:    "told on this page alone",
}

// briefingsShown is how many briefs the list has: the next ones are what matters.
const briefingsShown = 100

type briefingsPage struct {
	Briefings []briefingRow
	// More: there are more than are shown.
	More bool
	// Everybodys: those of all people are shown; Admin: they may be.
	Everybodys, Admin bool
}

type briefingRow struct {
	ID     uuid.UUID
	Title  string
	Starts *time.Time
	For    string
	State  string
	Reason string
}

// showBriefings lists the briefs of meetings that are ahead, one's own or, for admins,
// everybody's.
func (w *Web) showBriefings(c *gin.Context) {
	ctx, organizationID, session := c.Request.Context(), organization(c), sessionOf(c)
	data := briefingsPage{Admin: session.Role == store.RoleAdmin}
	data.Everybodys = data.Admin && (session.PersonID == nil || c.Query("of") == "all")
	filter := store.BriefingFilter{From: time.Now().Add(-time.Hour), Limit: briefingsShown + 1}
	if !data.Everybodys {
		if session.PersonID == nil {
			w.noBriefing(c)
			return
		}
		filter.PersonID = session.PersonID
	}
	all, err := w.store.Briefings(ctx, organizationID, filter)
	if err != nil {
		w.broken(c, "reading briefings", err)
		return
	}
	if data.More = len(all) > briefingsShown; data.More {
		all = all[:briefingsShown]
	}
	names, err := w.store.PeopleNames(ctx, organizationID)
	if err != nil {
		w.broken(c, "reading names", err)
		return
	}
	for _, b := range all {
		row := briefingRow{ID: b.ID, Starts: b.StartsAt, For: names[b.PersonID.String()], State: briefingStates[b.State], Reason: b.Reason}
		var content briefing.Brief
		if b.Brief != nil && json.Unmarshal(b.Brief, &content) == nil {
			row.Title = content.Meeting.Title
		}
		data.Briefings = append(data.Briefings, row)
	}
	w.render(c, http.StatusOK, "briefings.html", w.printer(c).T("Briefings"), data)
}

type briefingPage struct {
	Briefing store.Briefing
	For      string
	State    string
	// Channel is how it was told; empty if it was not.
	Channel string
	// Head, Sections and Foot are the brief; empty where there is none yet.
	Head     []briefing.Line
	Sections []briefingSection
	Foot     string
	// Made: there is one.
	Made bool
}

// briefingSection has lines with what belongs to them.
type briefingSection struct {
	Heading string
	Items   []briefingItem
}

type briefingItem struct {
	briefing.Line

	Details []briefing.Line
}

// grouped puts details below their lines.
func grouped(sections []briefing.Section) []briefingSection {
	out := make([]briefingSection, 0, len(sections))
	for _, s := range sections {
		view := briefingSection{Heading: s.Heading}
		for _, l := range s.Lines {
			if last := len(view.Items) - 1; l.Detail && last >= 0 {
				view.Items[last].Details = append(view.Items[last].Details, l)
				continue
			}
			view.Items = append(view.Items, briefingItem{Line: l})
		}
		out = append(out, view)
	}
	return out
}

// Generated says that a model wrote it, Missing that something is not there.
func (i briefingItem) Generated() bool { return i.Kind == briefing.Generated }

// Missing says that it tells what is not there.
func (i briefingItem) Missing() bool { return i.Kind == briefing.Missing }

func (w *Web) showBriefing(c *gin.Context) {
	ctx, organizationID, session := c.Request.Context(), organization(c), sessionOf(c)
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		w.noBriefing(c)
		return
	}
	// The operator sees what is this organization's: what is not, is not found.
	if session.PersonID != nil {
		err = w.store.MaySeeBriefing(ctx, organizationID, id, *session.PersonID)
	}
	var b store.Briefing
	if err == nil {
		b, err = w.store.BriefingByID(ctx, organizationID, id)
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal), errors.Is(err, store.ErrNotFound):
		w.noBriefing(c)
		return
	case err != nil:
		w.broken(c, "reading a briefing", err)
		return
	}
	names, err := w.store.PeopleNames(ctx, organizationID)
	if err != nil {
		w.broken(c, "reading names", err)
		return
	}
	v, err := w.briefingView(c, b)
	if err != nil {
		w.broken(c, "reading a time zone", err)
		return
	}
	data := briefingPage{Briefing: b, For: names[b.PersonID.String()], State: briefingStates[b.State]}
	if b.FirstSentAt != nil {
		data.Channel = briefingChannels[b.Channel]
	}
	title := v.T("A briefing")
	if b.Brief != nil {
		var content briefing.Brief
		if err := json.Unmarshal(b.Brief, &content); err != nil {
			w.broken(c, "reading a briefing", errors.New("what is stored is no brief"))
			return
		}
		p := content.Page(v)
		title, data.Made, data.Head, data.Sections, data.Foot = p.Title, true, p.Head, grouped(p.Sections), p.Foot
	}
	w.render(c, http.StatusOK, "briefing.html", title, data)
}

// briefingView is in whose words and time zone a brief is shown: the reader's, or the
// host's to the operator, who has none.
func (w *Web) briefingView(c *gin.Context, b store.Briefing) (briefing.View, error) {
	reader := b.PersonID
	if id := sessionOf(c).PersonID; id != nil {
		reader = *id
	}
	preferences, err := w.store.BriefingPreferences(c.Request.Context(), b.OrganizationID, reader)
	return briefing.View{Printer: w.printer(c), Zone: preferences.Notify.Location()}, err
}

func (w *Web) noBriefing(c *gin.Context) {
	p := w.printer(c)
	w.fail(c, http.StatusNotFound, p.T("There is nothing here for you"),
		p.T("Either there is no such briefing, or it is not yours to see: a briefing is for the host of a meeting, for who answers for the host, and for admins."))
}
