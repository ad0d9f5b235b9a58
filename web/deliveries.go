package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// Received is what the pages about deliveries need of the store.
type Received interface {
	SearchDeliveries(ctx context.Context, f store.DeliverySearch) ([]store.FoundDelivery, error)
	DeliveryDetails(ctx context.Context, organizationID, id uuid.UUID) (store.DeliveryDetails, error)
	Replays
}

// onPage is how many rows a page of a list has.
const onPage = 50

// registerDeliveries adds the pages about what was received. They show envelopes
// and verdicts, never a body: who may see what a delivery says sees it on its
// meeting's page.
func (w *Web) registerDeliveries(inside *gin.RouterGroup) {
	admin := inside.Group("/deliveries", w.requireRole(store.RoleAdmin))
	admin.GET("", w.showDeliveries)
	admin.GET("/:id", w.showDelivery)
	w.registerReplay(admin)
}

type deliveriesPage struct {
	Deliveries []deliveryView
	Sources    []store.Source
	States     []deliveryState
	IsOperator bool

	// What was asked for, as it was written, and what is wrong with it by field.
	Source, State, From, Until, Meeting string
	Problems                            map[string]string
	// Nobody: those of accounts that nobody connected.
	Nobody bool
	// Older is the address of the next page; empty at the end. Newest is that of
	// the first, where this is another.
	Older, Newest string
}

type deliveryState struct {
	State store.DeliveryState
	Label string
}

// Bad says whether somebody should look.
func badDelivery(s store.DeliveryState) bool {
	return s == store.DeliveryUnprocessable || s == store.DeliveryUnrouted
}

// deliveryStates are the verdicts with what a page calls them.
func deliveryStates() []deliveryState {
	return []deliveryState{
		{store.DeliveryReceived, "not looked at yet"},
		{store.DeliveryFetching, "being fetched"},
		{store.DeliveryUnderstood, "understood"},
		{store.DeliveryUnprocessable, "not usable"},
		{store.DeliveryExcluded, "excluded"},
		{store.DeliveryUnrouted, "nobody's"},
	}
}

type deliveryView struct {
	store.FoundDelivery
	Verdict  string
	Bad      bool
	Meetings []meetingLink
}

// meetingLink leads to a meeting, whose title not everybody may see.
type meetingLink struct {
	ID       uuid.UUID
	StartsAt *time.Time
}

func viewDelivery(d store.FoundDelivery) deliveryView {
	v := deliveryView{FoundDelivery: d, Verdict: string(d.State), Bad: badDelivery(d.State)}
	for _, s := range deliveryStates() {
		if s.State == d.State {
			v.Verdict = s.Label
		}
	}
	for i, id := range d.MeetingIDs {
		v.Meetings = append(v.Meetings, meetingLink{id, d.Starts[i]})
	}
	return v
}

func (w *Web) showDeliveries(c *gin.Context) {
	data := deliveriesPage{
		States: deliveryStates(), IsOperator: sessionOf(c).IsOperator, Problems: map[string]string{},
		Source: c.Query("source"), State: c.Query("state"), From: c.Query("from"), Until: c.Query("until"), Meeting: strings.TrimSpace(c.Query("meeting")),
	}
	search := data.search(c.Query("before"), organization(c))
	ctx, organizationID := c.Request.Context(), organization(c)
	var err error
	if data.Sources, err = w.store.Sources(ctx, &organizationID); err != nil {
		w.broken(c, "reading sources", err)
		return
	}
	status := http.StatusOK
	if len(data.Problems) > 0 {
		status = http.StatusConflict
	} else {
		search.Limit = onPage + 1
		found, err := w.store.SearchDeliveries(ctx, search)
		if err != nil {
			w.broken(c, "reading deliveries", err)
			return
		}
		if len(found) > onPage {
			found = found[:onPage]
			data.Older = data.address(found[onPage-1].Key().String())
		}
		if search.Before != (store.DeliveryKey{}) {
			data.Newest = data.address("")
		}
		for _, d := range found {
			data.Deliveries = append(data.Deliveries, viewDelivery(d))
		}
	}
	w.render(c, status, "deliveries.html", w.printer(c).T("Deliveries"), data)
}

// search reads what was asked for.
func (p *deliveriesPage) search(before string, organizationID uuid.UUID) store.DeliverySearch {
	f := store.DeliverySearch{OrganizationID: organizationID}
	var err error
	if p.Source != "" {
		if f.SourceID, err = uuid.Parse(p.Source); err != nil {
			p.Problems["source"] = "Choose a source of the list."
		}
	}
	if p.Meeting != "" {
		if f.MeetingID, err = uuid.Parse(p.Meeting); err != nil {
			p.Problems["meeting"] = "A meeting's ID has 36 characters, as in the address of its page."
		}
	}
	if p.State != "" {
		f.State = store.DeliveryState(p.State)
		if !slices.ContainsFunc(p.States, func(s deliveryState) bool { return s.State == f.State }) {
			p.Problems["state"] = "Choose a verdict of the list."
		}
	}
	// Those that belong to nobody are for whoever runs Debrief.
	if p.Nobody = p.IsOperator && f.State == store.DeliveryUnrouted; p.Nobody {
		f.OrganizationID = uuid.Nil
	}
	f.From, f.Until = p.day("from", p.From), p.day("until", p.Until)
	if !f.Until.IsZero() {
		f.Until = f.Until.AddDate(0, 0, 1)
	}
	if !f.From.IsZero() && !f.Until.IsZero() && !f.From.Before(f.Until) {
		p.Problems["until"] = "The last day is before the first one."
	}
	if f.Before, err = store.ParseDeliveryKey(before); err != nil {
		f.Before = store.DeliveryKey{}
	}
	return f
}

// day reads a day in UTC, as a browser's field for dates sends it.
func (p *deliveriesPage) day(field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		p.Problems[field] = "Write the day as 2026-11-22."
	}
	return at
}

// address is the page with the same filter, from a place on.
func (p *deliveriesPage) address(before string) string {
	return address("/deliveries", "source", p.Source, "state", p.State, "from", p.From, "until", p.Until, "meeting", p.Meeting, "before", before)
}

// address is a path with those parameters that are not empty.
func address(path string, parameters ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		if parameters[i+1] != "" {
			q.Set(parameters[i], parameters[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

type deliveryPage struct {
	deliveryView
	Details store.DeliveryDetails
	Kept    []header
	Events  []deliveryEvent
	// Nobody: it belongs to no organization.
	Nobody bool
	Done   string
}

// deliveryEvent is what it told, with the workflow that it is for, for whoever runs
// Debrief.
type deliveryEvent struct {
	store.DeliveryEvent
	WorkflowURL string
}

type header struct{ Name, Value string }

// Revised says that it came with other content, too.
func (p deliveryPage) Revised() bool { return p.Details.Versions > 1 }

// Waits says that it is looked at again.
func (p deliveryPage) Waits() bool { return p.State == store.DeliveryReceived }

// deliveryDones are what the page may say after a replay, by the word in its
// address.
var deliveryDones = map[string]string{
	"resumed": "It is looked at again: what is missing is done.",
	"redone":  "This is the copy that is done as new.",
}

// findDelivery is the delivery of the address, or the page that says that there is
// none.
func (w *Web) findDelivery(c *gin.Context) (store.DeliveryDetails, bool) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		w.noDelivery(c)
		return store.DeliveryDetails{}, false
	}
	d, err := w.store.DeliveryDetails(c.Request.Context(), organization(c), id)
	if errors.Is(err, store.ErrNotFound) && sessionOf(c).IsOperator {
		// Those that belong to nobody are for whoever runs Debrief.
		d, err = w.store.DeliveryDetails(c.Request.Context(), uuid.Nil, id)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.noDelivery(c)
	case err != nil:
		w.broken(c, "reading a delivery", err)
	}
	return d, err == nil
}

func (w *Web) showDelivery(c *gin.Context) {
	details, ok := w.findDelivery(c)
	if !ok {
		return
	}
	data := deliveryPage{Details: details, Nobody: details.OrganizationID == nil, Done: deliveryDones[c.Query("done")]}
	data.deliveryView = viewDelivery(data.Details.FoundDelivery)
	for name, value := range data.Headers {
		data.Kept = append(data.Kept, header{name, value})
	}
	for _, e := range data.Details.Events {
		view := deliveryEvent{DeliveryEvent: e}
		if sessionOf(c).IsOperator && w.options.WorkflowURL != nil {
			view.WorkflowURL = w.options.WorkflowURL(e.MeetingID)
		}
		data.Events = append(data.Events, view)
	}
	slices.SortFunc(data.Kept, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	w.render(c, http.StatusOK, "delivery.html", w.printer(c).T("A delivery from %s", data.Source), data)
}

func (w *Web) noDelivery(c *gin.Context) {
	w.fail(c, http.StatusNotFound, w.printer(c).T("There is no such delivery"), w.printer(c).T("Your organization has received none at this address. The list is at /deliveries."))
}
