package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
)

const (
	// inboxPage is how many cards the inbox shows at once.
	inboxPage = 10
	// maxAtOnce bounds how many lines are approved with one click.
	maxAtOnce = 200
)

// Questions is what the inbox needs of the store. Every decision goes to Decide,
// the one judge: the pages check nothing themselves.
type Questions interface {
	Inbox(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID, after store.InboxMeeting, limit int) ([]store.InboxMeeting, int, error)
	OpenQuestions(ctx context.Context, organizationID uuid.UUID) (questions, meetings int, err error)
	CardFacts(ctx context.Context, organizationID, meetingID uuid.UUID) (store.CardFacts, error)
	MaySee(ctx context.Context, organizationID, meetingID, personID uuid.UUID) error
	Decide(ctx context.Context, d store.Decision) (store.Decided, error)
}

func (w *Web) registerInbox(inside gin.IRouter) {
	inside.GET("/inbox", w.showInbox)
	inside.GET("/inbox/:meeting", w.showCard)
	inside.POST("/inbox/:meeting/all", w.approveAll)
	inside.POST("/inbox/:meeting/question/:approval", w.decide)
	inside.GET("/meetings", w.showMeetings)
	inside.GET("/meetings/:meeting", w.showMeeting)
	inside.POST("/meetings/:meeting/transcript", w.openTranscript)
	inside.POST("/meetings/:meeting/undo", w.undo)
	inside.POST("/meetings/:meeting/connection", w.requireRole(store.RoleAdmin), w.chooseConnection)
	inside.GET("/live", w.live)
}

// The places that a decision is made on, and led back to.
const (
	onInbox   = "inbox"
	onCard    = "card"
	onMeeting = "meeting"
)

// cardView is a card as the pages show it.
type cardView struct {
	card.Card
	// On is the page that it stands on.
	On string
	// Asked wait for an answer, Running goes on without one, and Settled is over.
	Asked   []lineView
	Running []lineView
	Settled []lineView
	// Problem is why approving all of it was refused.
	Problem string
}

// Approvable are the questions that one click can approve: those that need no
// choice.
func (v cardView) Approvable() []uuid.UUID {
	var ids []uuid.UUID
	for _, l := range v.Asked {
		if (!l.Choose() || l.CandidatePicked != "") && !l.Outcome() {
			ids = append(ids, *l.ApprovalID)
		}
	}
	return ids
}

// lineView is a line as the pages show it, with what was typed into it if it was
// refused.
type lineView struct {
	card.Line
	MeetingID uuid.UUID
	On        string
	Problem   string
	Typed     url.Values
}

// Choose: a record has to be picked.
func (l lineView) Choose() bool { return len(l.Candidates) > 0 }

// Outcome: nobody knows whether it was written.
func (l lineView) Outcome() bool { return l.Kind == "outcome" }

// Editable: there are values that may be others.
func (l lineView) Editable() bool { return l.Kind != "read" && len(l.Changes) > 0 }

// None is what picking none of the candidates means.
func (l lineView) None() string { return store.NoneOfThese }

// Reason is what was typed as the reason of a rejection.
func (l lineView) Reason() string { return l.Typed.Get("reason") }

// Picked says whether a candidate was picked before the refusal.
func (l lineView) Picked(id string) bool {
	if typed, ok := l.Typed["pick"]; ok {
		return len(typed) == 1 && typed[0] == id
	}
	return l.CandidatePicked == id
}

// Anchor names the line on its page.
func (l lineView) Anchor() string { return "line-" + l.ActionID.String() }

// Fields are the line's inputs.
func (l lineView) Fields() []field {
	fields := make([]field, 0, len(l.Changes))
	for _, c := range l.Changes {
		f := field{Change: c, ID: "f-" + l.ApprovalID.String() + "-" + c.Property, Was: formValue(c.Input)}
		f.Values = []string{f.Was}
		if c.Input.Kind == card.InputChoices {
			f.Values = strings.Split(f.Was, ";")
		}
		if typed, ok := l.Typed[f.Name()]; ok {
			f.Values = typed
		}
		fields = append(fields, f)
	}
	return fields
}

// field is one input of the form that edits a line.
type field struct {
	card.Change
	ID string
	// Was is the value that the form began with, and Values what is in it now:
	// several where several may be chosen.
	Was    string
	Values []string
}

// Name carries the kind where the form's value is not HubSpot's.
func (f field) Name() string {
	if f.Input.Kind == card.InputDateTime {
		return timePrefix + f.Property
	}
	return valuePrefix + f.Property
}

// WasName is the name of the hidden input beside it.
func (f field) WasName() string { return wasPrefix + f.Name() }

// Value is what is in the input.
func (f field) Value() string { return strings.Join(f.Values, ";") }

// Kind is the input's. A browser would empty an input for numbers that holds
// something else.
func (f field) Kind() card.InputKind {
	if f.Input.Kind == card.InputNumber && f.Value() != "" {
		if _, err := strconv.ParseFloat(f.Value(), 64); err != nil {
			return card.InputText
		}
	}
	return f.Input.Kind
}

// Selected says whether an option is chosen.
func (f field) Selected(value string) bool { return slices.Contains(f.Values, value) }

// Options are the choices, with what the field holds where that is none of them.
func (f field) Options() []card.Option {
	options := slices.Clone(f.Input.Options)
	for _, value := range f.Values {
		if !slices.ContainsFunc(options, func(o card.Option) bool { return o.Value == value }) {
			options = append([]card.Option{{Value: value, Label: value}}, options...)
		}
	}
	return options
}

const (
	valuePrefix = "v."
	timePrefix  = "t."
	wasPrefix   = "was."
	// formTime is how a browser writes a time; it is read and shown in UTC.
	formTime = "2006-01-02T15:04"
)

func formValue(i card.Input) string {
	if i.Kind != card.InputDateTime {
		return i.Value
	}
	at, err := time.Parse(time.RFC3339, i.Value)
	if err != nil {
		return i.Value
	}
	return at.UTC().Format(formTime)
}

// edits are the values of a form that are others than it began with.
func edits(form url.Values) map[string]string {
	out := map[string]string{}
	for name := range form {
		property, plain := strings.CutPrefix(name, valuePrefix)
		if !plain {
			var isTime bool
			if property, isTime = strings.CutPrefix(name, timePrefix); !isTime {
				continue
			}
		}
		value, was := lines(strings.Join(nonEmpty(form[name]), ";")), lines(form.Get(wasPrefix+name))
		if value == was {
			continue
		}
		if !plain {
			if at, err := time.Parse(formTime, value); err == nil {
				value = at.Format(time.RFC3339)
			}
		}
		out[property] = value
	}
	return out
}

// nonEmpty drops the empty value that goes along with a choice of several, so that
// choosing none is told from not being asked.
func nonEmpty(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

// lines undoes what browsers make of line ends.
func lines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// refused is what a page says after a decision that was not recorded.
type refused struct {
	// problems are the sentences by the approval, and typed what its form held.
	problems map[uuid.UUID]string
	typed    map[uuid.UUID]url.Values
	// card is the sentence about all of it.
	card string
}

// view makes a card's view for a page.
func (w *Web) cardView(c *gin.Context, facts store.CardFacts, on string, r refused) cardView {
	v := cardView{Card: card.Of(facts, w.printer(c)), On: on, Problem: r.card}
	shown := map[uuid.UUID]bool{}
	for _, l := range v.Lines {
		line := lineView{Line: l, MeetingID: v.MeetingID, On: on}
		if l.ApprovalID != nil {
			line.Problem, line.Typed = r.problems[*l.ApprovalID], r.typed[*l.ApprovalID]
			shown[*l.ApprovalID] = l.Open()
		}
		switch {
		case l.Open():
			v.Asked = append(v.Asked, line)
		case !l.State.Settled() || l.State.Happened():
			v.Running = append(v.Running, line)
		default:
			v.Settled = append(v.Settled, line)
		}
	}
	// A question that no longer waits has nowhere else to say so.
	for id, sentence := range r.problems {
		if !shown[id] && v.Problem == "" {
			v.Problem = sentence
		}
	}
	return v
}

// inboxData is the inbox, or one card of it.
type inboxData struct {
	Cards []cardView
	// One: only the card of one meeting, by its link.
	One bool
	// Total are the meetings from here on, More those that this page doesn't show,
	// and After leads to them.
	Total, More int
	After       string
	Done        string
	DoneMeeting string
	// Viewer sees counts alone.
	Viewer              bool
	Questions, Meetings int
}

// Waiting counts the open questions of the cards that are shown.
func (d inboxData) Waiting() int {
	n := 0
	for _, c := range d.Cards {
		n += len(c.Asked)
	}
	return n
}

func (w *Web) showInbox(c *gin.Context) { w.renderInbox(c, http.StatusOK, uuid.Nil, refused{}) }

// renderInbox shows the inbox; of the meeting at, also what was refused about it.
func (w *Web) renderInbox(c *gin.Context, status int, at uuid.UUID, r refused) {
	p := w.printer(c)
	data, err := w.readInbox(c, at, r)
	if err != nil {
		w.broken(c, "reading the inbox", err)
		return
	}
	if status == http.StatusOK { // else the page's address is a form's
		c.Set(liveKey, "/live")
	}
	w.render(c, status, "inbox.html", p.T("Inbox"), data)
}

func (w *Web) readInbox(c *gin.Context, at uuid.UUID, r refused) (data inboxData, err error) {
	ctx, session := c.Request.Context(), sessionOf(c)
	if data.Viewer = session.Role == store.RoleViewer; data.Viewer {
		data.Questions, data.Meetings, err = w.store.OpenQuestions(ctx, organization(c))
		return data, err
	}
	page, total, err := w.store.Inbox(ctx, organization(c), session.PersonID, afterInbox(c.Query("after")), inboxPage)
	if err != nil {
		return data, err
	}
	data.Total, data.More = total, total-len(page)
	if data.More > 0 {
		last := page[len(page)-1]
		data.After = strconv.FormatInt(last.Until.UnixMicro(), 10) + "." + last.MeetingID.String()
	}
	if at != uuid.Nil && !slices.ContainsFunc(page, func(m store.InboxMeeting) bool { return m.MeetingID == at }) {
		page = append([]store.InboxMeeting{{MeetingID: at}}, page...)
	}
	for _, m := range page {
		facts, err := w.store.CardFacts(ctx, organization(c), m.MeetingID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return data, err
		}
		here := refused{}
		if m.MeetingID == at {
			here = r
		}
		data.Cards = append(data.Cards, w.cardView(c, facts, onInbox, here))
	}
	w.done(c, &data)
	return data, nil
}

func afterInbox(s string) store.InboxMeeting {
	micro, id, _ := strings.Cut(s, ".")
	at, err := strconv.ParseInt(micro, 10, 64)
	if err != nil {
		return store.InboxMeeting{}
	}
	meetingID, err := uuid.Parse(id)
	if err != nil {
		return store.InboxMeeting{}
	}
	return store.InboxMeeting{MeetingID: meetingID, Until: time.UnixMicro(at)}
}

// done puts in words what the address says was decided.
func (w *Web) done(c *gin.Context, data *inboxData) {
	p := w.printer(c)
	switch n, _ := strconv.Atoi(c.Query("n")); c.Query("done") {
	case string(store.ApprovalApproved):
		data.Done = p.Plural(max(n, 1), "Approved: %d line. It is carried out now.", "Approved: %d lines. They are carried out now.")
	case string(store.ApprovalEdited):
		data.Done = p.T("Recorded with your changes.")
	case string(store.ApprovalRejected):
		data.Done = p.T("Rejected. Nothing of it is written.")
	case string(store.ApprovalPending):
		data.Done = p.T("Your approval is recorded. Somebody else has to approve, too.")
	default:
		return
	}
	if id, err := uuid.Parse(c.Query("meeting")); err == nil {
		data.DoneMeeting = id.String()
	}
}

// maySee says whether the page may be about that meeting. Of one that may not be
// seen nobody is told whether it exists.
func (w *Web) maySee(c *gin.Context, meetingID uuid.UUID) bool {
	session := sessionOf(c)
	if session.PersonID == nil {
		return true // the operator; what is not this organization's is not found
	}
	err := w.store.MaySee(c.Request.Context(), organization(c), meetingID, *session.PersonID)
	var refusal *store.Refusal
	switch {
	case err == nil:
		return true
	case errors.As(err, &refusal), errors.Is(err, store.ErrNotFound):
		w.noMeeting(c)
	default:
		w.broken(c, "asking who may see a meeting", err)
	}
	return false
}

func (w *Web) noMeeting(c *gin.Context) {
	p := w.printer(c)
	w.fail(c, http.StatusNotFound, p.T("There is nothing here for you"),
		p.T("Either there is no such meeting, or it is not yours to see: a meeting is seen by its host, by those of your organization who attended it, and by its approvers."))
}

// meetingOf is the meeting of the address, if the page may be about it.
func (w *Web) meetingOf(c *gin.Context) (uuid.UUID, bool) {
	id, err := uuid.Parse(c.Param("meeting"))
	if err != nil {
		w.noMeeting(c)
		return uuid.Nil, false
	}
	return id, w.maySee(c, id)
}

func (w *Web) showCard(c *gin.Context) {
	if id, ok := w.meetingOf(c); ok {
		w.renderCard(c, http.StatusOK, id, refused{})
	}
}

func (w *Web) renderCard(c *gin.Context, status int, meetingID uuid.UUID, r refused) {
	facts, ok := w.facts(c, meetingID)
	if !ok {
		return
	}
	if into := facts.Meeting.MergedInto; into != nil {
		c.Redirect(http.StatusSeeOther, "/inbox/"+into.String())
		return
	}
	data := inboxData{One: true, Cards: []cardView{w.cardView(c, facts, onCard, r)}}
	w.done(c, &data)
	if status == http.StatusOK {
		c.Set(liveKey, "/live?meeting="+meetingID.String())
	}
	w.render(c, status, "inbox.html", w.printer(c).T("Inbox"), data)
}

func (w *Web) facts(c *gin.Context, meetingID uuid.UUID) (store.CardFacts, bool) {
	facts, err := w.store.CardFacts(c.Request.Context(), organization(c), meetingID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.noMeeting(c)
	case err != nil:
		w.broken(c, "reading a card", err)
	}
	return facts, err == nil
}

// decide records one answer. What the form says is the judge's to check.
func (w *Web) decide(c *gin.Context) {
	meetingID, err := uuid.Parse(c.Param("meeting"))
	if err != nil {
		w.noMeeting(c)
		return
	}
	approvalID, err := uuid.Parse(c.Param("approval"))
	if err != nil {
		w.noMeeting(c)
		return
	}
	if err := c.Request.ParseForm(); err != nil {
		w.fail(c, http.StatusRequestEntityTooLarge, w.printer(c).T("That is too much"), w.printer(c).T("Nothing was decided: the form was larger than 64 kilobytes."))
		return
	}
	form := c.Request.PostForm
	d := store.Decision{
		OrganizationID: organization(c), ApprovalID: approvalID, MeetingID: meetingID,
		Verdict: store.Verdict(form.Get("verdict")), Reason: strings.TrimSpace(form.Get("reason")), Actor: actor(c), Via: store.ViaWeb,
	}
	if d.Verdict == store.Edit {
		if property := form.Get("candidates"); property != "" {
			d.Edit = map[string]string{}
			if pick := form.Get("pick"); pick != "" && pick == form.Get("picked") {
				d.Verdict, d.Edit = store.Approve, nil
			} else if pick != "" {
				d.Edit[property] = pick
			}
		} else if d.Edit = edits(form); len(d.Edit) == 0 {
			d.Verdict = store.Approve // the values as they stand
		}
	}
	decided, err := w.store.Decide(c.Request.Context(), d)
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal), errors.Is(err, store.ErrNotFound):
		sentence := w.printer(c).T("There is no such question.")
		if refusal != nil {
			sentence = w.printer(c).Known(refusal.Sentence)
		}
		w.refuse(c, meetingID, refused{problems: map[uuid.UUID]string{approvalID: sentence}, typed: map[uuid.UUID]url.Values{approvalID: form}})
	case err != nil:
		w.broken(c, "deciding", err)
	default:
		w.decided(c, meetingID, decided.State, 1)
	}
}

// approveAll approves the lines that the page showed, each by its ID: what has
// been asked since is not among them.
func (w *Web) approveAll(c *gin.Context) {
	meetingID, err := uuid.Parse(c.Param("meeting"))
	if err != nil {
		w.noMeeting(c)
		return
	}
	p, ids := w.printer(c), c.PostFormArray("approval")
	if len(ids) == 0 || len(ids) > maxAtOnce {
		w.refuse(c, meetingID, refused{card: p.T("Nothing was decided: the page named no questions, or too many.")})
		return
	}
	r := refused{problems: map[uuid.UUID]string{}}
	done, state := 0, store.ApprovalApproved
	for _, raw := range ids {
		id, err := uuid.Parse(raw)
		if err != nil {
			continue
		}
		decided, err := w.store.Decide(c.Request.Context(), store.Decision{
			OrganizationID: organization(c), ApprovalID: id, MeetingID: meetingID, Verdict: store.Approve, Actor: actor(c), Via: store.ViaWeb,
		})
		var refusal *store.Refusal
		switch {
		case errors.As(err, &refusal):
			r.problems[id] = p.Known(refusal.Sentence)
		case err != nil:
			w.broken(c, "deciding", err)
			return
		default:
			done++
			state = decided.State
		}
	}
	if len(r.problems) == 0 {
		w.decided(c, meetingID, state, done)
		return
	}
	r.card = p.T("%d of %d lines are approved. Beside the others it says why they are not.", done, len(ids))
	if done == 0 {
		r.card = p.T("Nothing was approved. Beside each line it says why.")
	}
	w.refuse(c, meetingID, r)
}

// decided leads back to where the decision was made.
func (w *Web) decided(c *gin.Context, meetingID uuid.UUID, state store.ApprovalState, n int) {
	query := url.Values{"done": {string(state)}}
	if n > 1 {
		query.Set("n", strconv.Itoa(n))
	}
	switch c.PostForm("on") {
	case onMeeting:
		c.Redirect(http.StatusSeeOther, "/meetings/"+meetingID.String()+"?"+query.Encode()+"#card")
	case onCard:
		c.Redirect(http.StatusSeeOther, "/inbox/"+meetingID.String()+"?"+query.Encode())
	default:
		query.Set("meeting", meetingID.String())
		c.Redirect(http.StatusSeeOther, "/inbox?"+query.Encode())
	}
}

// refuse shows the page again with the judge's sentence beside the line, to those
// who may see the meeting.
func (w *Web) refuse(c *gin.Context, meetingID uuid.UUID, r refused) {
	if !w.maySee(c, meetingID) {
		return
	}
	switch c.PostForm("on") {
	case onMeeting:
		w.renderMeeting(c, http.StatusConflict, meetingID, r)
	case onCard:
		w.renderCard(c, http.StatusConflict, meetingID, r)
	default:
		w.renderInbox(c, http.StatusConflict, meetingID, r)
	}
}
