package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// meetingsPage is how many meetings are listed at once.
const meetingsPage = 50

// MeetingPages is what the pages about meetings need of the store.
type MeetingPages interface {
	MeetingsSeen(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID, before store.ListedMeeting, limit int) ([]store.ListedMeeting, error)
	WhatCameIn(ctx context.Context, organizationID, meetingID uuid.UUID) ([]store.CameIn, error)
	FollowUpOf(ctx context.Context, organizationID, meetingID uuid.UUID) (store.FollowUp, error)
	OpenTranscript(ctx context.Context, organizationID, meetingID uuid.UUID, actor store.Actor) ([]meeting.Segment, error)
	ChoiceFor(ctx context.Context, organizationID, meetingID uuid.UUID) (store.Choice, error)
	UndoPreview(ctx context.Context, organizationID, meetingID uuid.UUID) (store.Undo, error)
	RequestUndo(ctx context.Context, organizationID, meetingID uuid.UUID, actor store.Actor) error
	ChooseConnection(ctx context.Context, organizationID, meetingID, connectionID uuid.UUID, actor store.Actor) error
}

type meetingsData struct {
	Meetings []store.ListedMeeting
	// Before leads to the earlier ones; empty at the end.
	Before string
	// Viewer sees none.
	Viewer bool
}

func (w *Web) showMeetings(c *gin.Context) {
	session := sessionOf(c)
	data := meetingsData{Viewer: session.Role == store.RoleViewer}
	var err error
	// One more than is shown tells whether there are earlier ones.
	data.Meetings, err = w.store.MeetingsSeen(c.Request.Context(), organization(c), session.PersonID, beforeMeeting(c.Query("before")), meetingsPage+1)
	if err != nil {
		w.broken(c, "listing meetings", err)
		return
	}
	if len(data.Meetings) > meetingsPage {
		data.Meetings = data.Meetings[:meetingsPage]
		last := data.Meetings[meetingsPage-1]
		data.Before = strconv.FormatInt(last.At.UnixMicro(), 10) + "." + last.ID.String()
	}
	c.Set(liveKey, "/live")
	w.render(c, http.StatusOK, "meetings.html", w.printer(c).T("Meetings"), data)
}

func beforeMeeting(s string) store.ListedMeeting {
	m := afterInbox(s)
	return store.ListedMeeting{ID: m.MeetingID, At: m.Until}
}

type meetingData struct {
	ID      uuid.UUID
	Meeting meeting.Meeting
	Erased  *time.Time
	Host    string
	// Start and End are nil where they are not known.
	Start, End *time.Time
	CameIn     []store.CameIn
	Card       cardView
	// Pause says what the follow-up waits for; empty if it does not.
	Pause       string
	PauseReason string
	// Choices are the connections that an admin may choose between.
	Choices     []store.Connection
	WorkflowURL string
	Undo        undoView
	// Heard is what a language model made of it; nil if none was asked.
	Heard   *heardView
	Problem string
	Done    string
}

// undoView is what an undo would do, as the page shows it.
type undoView struct {
	store.Undo
	Lines []undoLine
}

// undoLine is an item of it, with what it would change as people read it.
type undoLine struct {
	store.UndoItem
	Changes []card.Change
	// Links is for the template of changes: it links nothing.
	Links []string
}

// Can says whether there is anything to undo.
func (v undoView) Can() bool {
	return slices.ContainsFunc(v.Items, func(i store.UndoItem) bool { return i.Why == "" })
}

// Asked says whether one is under way that is not planned yet.
func (v undoView) Asked() bool { return v.State == store.UndoRequested }

// Said says whether there is a transcript to open.
func (d meetingData) Said() bool { return len(d.Meeting.Transcript.Segments) > 0 }

// Written counts what stands in HubSpot.
func (d meetingData) Written() int {
	n := 0
	for _, l := range d.Card.Lines {
		if l.State == store.ActionWritten {
			n++
		}
	}
	return n
}

// Notes are the meeting's summary and next steps, in its own language.
func (d meetingData) Notes() []meeting.Text {
	var all []meeting.Text
	for _, t := range []meeting.Text{d.Meeting.Summary, d.Meeting.NextSteps} {
		if strings.TrimSpace(t.Text) != "" {
			all = append(all, t)
		}
	}
	return all
}

// Came says whether somebody was there, as far as is known.
func (meetingData) Came(a meeting.Attendee) string {
	switch {
	case a.NoShow, a.Attended != nil && !*a.Attended:
		return "no"
	case a.Attended != nil:
		return "yes"
	}
	return ""
}

func (w *Web) showMeeting(c *gin.Context) {
	if id, ok := w.meetingOf(c); ok {
		w.renderMeeting(c, http.StatusOK, id, refused{})
	}
}

func (w *Web) renderMeeting(c *gin.Context, status int, id uuid.UUID, r refused) {
	facts, ok := w.facts(c, id)
	if !ok {
		return
	}
	if into := facts.Meeting.MergedInto; into != nil {
		c.Redirect(http.StatusSeeOther, "/meetings/"+into.String())
		return
	}
	p := w.printer(c)
	view := w.cardView(c, facts, onMeeting, r)
	data := meetingData{ID: id, Meeting: facts.Meeting.Content, Erased: facts.Meeting.ErasedAt, Host: view.Host, Card: view, Problem: view.Problem}
	if at := data.Meeting.Start(); !at.IsZero() {
		data.Start = &at
	}
	if at := data.Meeting.End(); !at.IsZero() {
		data.End = &at
	}
	if sessionOf(c).IsOperator && w.options.WorkflowURL != nil {
		data.WorkflowURL = w.options.WorkflowURL(id)
	}
	if err := w.readMeeting(c, facts, &data); err != nil {
		w.broken(c, "reading a meeting", err)
		return
	}
	var in inboxData
	w.done(c, &in)
	data.Done = in.Done
	switch c.Query("done") {
	case "chosen":
		data.Done = p.T("The connection is chosen; the follow-up goes on.")
	case "undo":
		data.Done = p.T("The undo is asked for. What it does appears below.")
	}
	if status == http.StatusOK { // else the page's address is a form's
		c.Set(liveKey, "/live?meeting="+id.String())
	}
	w.render(c, status, "meeting.html", view.Title, data)
}

func (w *Web) readMeeting(c *gin.Context, facts store.CardFacts, data *meetingData) error {
	ctx, organizationID, p := c.Request.Context(), organization(c), w.printer(c)
	var err error
	if data.CameIn, err = w.store.WhatCameIn(ctx, organizationID, data.ID); err != nil {
		return err
	}
	if data.Heard, err = w.heard(c, facts.Meeting); err != nil {
		return err
	}
	if data.Written() > 0 {
		if data.Undo.Undo, err = w.store.UndoPreview(ctx, organizationID, data.ID); err != nil {
			return err
		}
		for _, item := range data.Undo.Items {
			data.Undo.Lines = append(data.Undo.Lines, undoLine{UndoItem: item, Changes: card.OfUndo(facts, item, p)})
		}
	}
	followUp, err := w.store.FollowUpOf(ctx, organizationID, data.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // nothing to follow up yet
	}
	if err != nil {
		return err
	}
	switch {
	case followUp.PausedSince == nil:
	case followUp.PausedReason != "":
		data.Pause, data.PauseReason = p.T("The follow-up waits for a choice between connections."), followUp.PausedReason
		if sessionOf(c).Role != store.RoleAdmin {
			break
		}
		choice, err := w.store.ChoiceFor(ctx, organizationID, data.ID)
		if err != nil {
			return err
		}
		for _, connection := range choice.Connections {
			if !connection.State.Ended() && (choice.WroteTo == 0 || choice.WroteTo == connection.HubID) {
				data.Choices = append(data.Choices, connection)
			}
		}
	default:
		data.Pause = p.T("The follow-up waits for a connection to HubSpot, and goes on where it was as soon as there is one.")
	}
	return nil
}

// openTranscript shows what was said, and has written down who opened it. It is a
// POST: neither a preview nor a scanner opens it.
func (w *Web) openTranscript(c *gin.Context) {
	id, ok := w.meetingOf(c)
	if !ok {
		return
	}
	said, err := w.store.OpenTranscript(c.Request.Context(), organization(c), id, actor(c))
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.noMeeting(c)
	case err != nil:
		w.broken(c, "opening a transcript", err)
	default:
		w.render(c, http.StatusOK, "transcript.html", w.printer(c).T("Transcript"), transcriptData{ID: id, Segments: said})
	}
}

type transcriptData struct {
	ID       uuid.UUID
	Segments []meeting.Segment
}

// At is the place of a segment in the meeting: "12:04".
func (transcriptData) At(s meeting.Segment) string {
	at := time.Duration(s.StartSeconds) * time.Second
	if at >= time.Hour {
		return time.Time{}.Add(at).Format("15:04:05")
	}
	return time.Time{}.Add(at).Format("04:05")
}

// undo asks for what the meeting led to to be taken back, as far as that is
// possible: a plan like any other, with permissions, and questions where they ask.
func (w *Web) undo(c *gin.Context) {
	id, ok := w.meetingOf(c)
	if !ok {
		return
	}
	err := w.store.RequestUndo(c.Request.Context(), organization(c), id, actor(c))
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		w.renderMeeting(c, http.StatusConflict, id, refused{card: w.printer(c).Known(refusal.Sentence)})
	case errors.Is(err, store.ErrNotFound):
		w.noMeeting(c)
	case err != nil:
		w.broken(c, "asking for an undo", err)
	default:
		c.Redirect(http.StatusSeeOther, "/meetings/"+id.String()+"?done=undo")
	}
}

func (w *Web) chooseConnection(c *gin.Context) {
	id, ok := w.meetingOf(c)
	if !ok {
		return
	}
	connectionID, err := uuid.Parse(c.PostForm("connection"))
	if err == nil {
		err = w.store.ChooseConnection(c.Request.Context(), organization(c), id, connectionID, actor(c))
	} else {
		err = store.ErrNotFound
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		w.renderMeeting(c, http.StatusConflict, id, refused{card: refusal.Sentence})
	case errors.Is(err, store.ErrNotFound):
		w.renderMeeting(c, http.StatusConflict, id, refused{card: w.printer(c).T("Choose one of the connections.")})
	case err != nil:
		w.broken(c, "choosing a connection", err)
	default:
		c.Redirect(http.StatusSeeOther, "/meetings/"+id.String()+"?done=chosen")
	}
}
