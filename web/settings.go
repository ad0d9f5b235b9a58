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

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Settings is what the page with settings needs of the store.
type Settings interface {
	Organization(ctx context.Context, id uuid.UUID) (store.Organization, error)
	UpdateSettings(ctx context.Context, id uuid.UUID, domains []string, settings store.Settings, actor store.Actor) error
	Delegate(ctx context.Context, organizationID, from, to uuid.UUID, until time.Time, actor store.Actor) error
	EndDelegation(ctx context.Context, organizationID, from uuid.UUID, actor store.Actor) error
	Delegations(ctx context.Context, organizationID uuid.UUID) ([]store.Delegation, error)
	SetPersonLanguage(ctx context.Context, organizationID, personID uuid.UUID, language string) error
}

const (
	defaultApprovalTTL = 7 * 24 * time.Hour
	defaultRemindAfter = 24 * time.Hour
	// longestWait bounds what the form takes for a deadline or a reminder.
	longestWait = 366 * 24 * time.Hour
)

// registerSettings adds the page with everybody's own settings, and with how
// approvals work, which admins change.
func (w *Web) registerSettings(inside *gin.RouterGroup) {
	inside.GET("/settings", w.showSettings)
	inside.POST("/settings/language", w.changeLanguage)
	inside.POST("/settings/delegation", w.delegate)
	inside.POST("/settings/delegation/end", w.endDelegation)
	inside.POST("/settings/approvals", w.requireRole(store.RoleAdmin), w.changeApprovals)
}

type settingsPage struct {
	MaySee, IsAdmin bool
	// Me is who is signed in; nil for the operator.
	Me        *store.Person
	Languages []languageView
	// Mine is who answers in my place, Others all delegations, for admins.
	Mine   *store.Delegation
	Others []store.Delegation
	// Delegates are the people who could answer for somebody, Givers those who could
	// hand that over, for admins.
	Delegates, Givers []store.Person
	Approvals         approvalsForm
	Delegation        delegationForm
	Expiry            []expiryView
	// Model is the language model that is asked; nil if there is none.
	Model         *modelView
	Problem, Done string
}

type languageView struct {
	Tag, Name string
	Chosen    bool
}

// expiryView is what becomes of questions that nobody answers.
type expiryView struct {
	Policy store.ExpiryPolicy
	Label  string
}

func expiryViews() []expiryView {
	labels := map[store.ExpiryPolicy]string{
		store.ExpiryRejects: "It counts as rejected: nothing is written", store.ExpiryEscalates: "Admins and approvers are asked, once more",
		store.ExpiryLeavesOpen: "It stays open, with a new deadline",
	}
	var out []expiryView
	for _, p := range store.ExpiryPolicies() {
		out = append(out, expiryView{p, labels[p]})
	}
	return out
}

// approvalsForm is how approvals work, as the form has it.
type approvalsForm struct {
	Quorum         string
	NoSelfApproval bool
	Approvers      []approverView
	// Hours until a reminder (0 is never) and until the deadline.
	Remind, Deadline  string
	OnExpiry          store.ExpiryPolicy
	TemporalDecisions bool
	// Problems by field; the one without a field is the store's.
	Problems map[string]string

	approvers []uuid.UUID
}

type approverView struct {
	store.Person
	Chosen bool
}

type delegationForm struct {
	From, To, Until string
	// Field is the one to blame: "to" or "until".
	Field, Problem string
}

// settingDones are what the page may say after a change, by the word in its
// address.
var settingDones = map[string]string{
	"language":  "From now on, pages are in this language.",
	"delegated": "The delegation holds from now on.",
	"ended":     "The delegation is over.",
	"approvals": "The settings for approvals are saved.",
}

// languageNames are the languages in their own words.
var languageNames = map[string]string{"en": "English", "de": "Deutsch"}

func (w *Web) showSettings(c *gin.Context) {
	w.renderSettings(c, http.StatusOK, settingsPage{Done: settingDones[c.Query("done")]})
}

func (w *Web) renderSettings(c *gin.Context, status int, data settingsPage) {
	if err := w.readSettings(c, &data); err != nil {
		w.broken(c, "reading settings", err)
		return
	}
	w.render(c, status, "settings.html", w.printer(c).T("Settings"), data)
}

func (w *Web) readSettings(c *gin.Context, data *settingsPage) error {
	ctx, organizationID, session := c.Request.Context(), organization(c), sessionOf(c)
	data.IsAdmin, data.MaySee, data.Expiry = session.Role == store.RoleAdmin, session.Role != store.RoleViewer, expiryViews()
	people, err := w.store.People(ctx, organizationID)
	if err != nil {
		return err
	}
	for i, p := range people {
		if session.PersonID != nil && p.ID == *session.PersonID {
			data.Me = &people[i]
		}
		if p.Active() && p.Role != store.RoleViewer {
			data.Delegates = append(data.Delegates, p)
		}
	}
	for _, tag := range words.Languages() {
		data.Languages = append(data.Languages, languageView{tag, languageNames[tag], tag == w.printer(c).Language()})
	}
	if !data.MaySee {
		return nil
	}
	all, err := w.store.Delegations(ctx, organizationID)
	if err != nil {
		return err
	}
	for i, d := range all {
		if data.Me != nil && d.FromID == data.Me.ID {
			data.Mine = &all[i]
		} else if data.IsAdmin {
			data.Others = append(data.Others, d)
		}
	}
	if data.IsAdmin {
		data.Givers = data.Delegates
	}
	o, err := w.store.Organization(ctx, organizationID)
	if err != nil {
		return err
	}
	if data.Model, err = w.modelOf(ctx, organizationID); err != nil {
		return err
	}
	if data.Approvals.Problems == nil {
		data.Approvals = approvalsOf(o.Settings)
	}
	for _, p := range data.Delegates {
		data.Approvals.Approvers = append(data.Approvals.Approvers, approverView{p, slices.Contains(data.Approvals.approvers, p.ID)})
	}
	return nil
}

func approvalsOf(s store.Settings) approvalsForm {
	remind := max(0, s.Approvals.RemindAfter.Or(defaultRemindAfter))
	f := approvalsForm{
		Quorum: strconv.Itoa(max(1, s.Approvals.Quorum)), NoSelfApproval: s.Approvals.NoSelfApproval, approvers: s.Approvals.Approvers,
		Remind: hours(remind), Deadline: hours(s.ApprovalTTL.Or(defaultApprovalTTL)), OnExpiry: s.Approvals.OnExpiry,
		TemporalDecisions: s.TemporalDecisions,
	}
	if f.OnExpiry == "" {
		f.OnExpiry = store.ExpiryRejects
	}
	return f
}

// hours writes a duration as the form has it.
func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) }

// Numbers of the form may be written with a comma.
func parseHours(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(text), ",", ".", 1), 64)
	if err != nil || n < 0 || n > longestWait.Hours() {
		return 0, false
	}
	return time.Duration(n * float64(time.Hour)).Round(time.Minute), true
}

func (w *Web) changeApprovals(c *gin.Context) {
	ctx, organizationID := c.Request.Context(), organization(c)
	o, err := w.store.Organization(ctx, organizationID)
	if err != nil {
		w.broken(c, "reading settings", err)
		return
	}
	form := approvalsForm{
		Quorum: c.PostForm("quorum"), NoSelfApproval: c.PostForm("no_self_approval") == "yes", Remind: c.PostForm("remind"),
		Deadline: c.PostForm("deadline"), OnExpiry: store.ExpiryPolicy(c.PostForm("on_expiry")),
		TemporalDecisions: c.PostForm("temporal_decisions") == "yes", Problems: map[string]string{},
	}
	form.read(c.PostFormArray("approver"), &o.Settings)
	if len(form.Problems) == 0 {
		err = w.store.UpdateSettings(ctx, organizationID, o.Domains, o.Settings, actor(c))
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		form.Problems["form"] = sentence(refusal)
		fallthrough
	case len(form.Problems) > 0:
		w.renderSettings(c, http.StatusConflict, settingsPage{Approvals: form})
	case err != nil:
		w.broken(c, "changing settings", err)
	default:
		c.Redirect(http.StatusSeeOther, "/settings?done=approvals")
	}
}

// read puts what the form says into settings, and what is wrong with it into its
// problems.
func (f *approvalsForm) read(approvers []string, s *store.Settings) {
	a := &s.Approvals
	var err error
	if a.Quorum, err = strconv.Atoi(strings.TrimSpace(f.Quorum)); err != nil || a.Quorum < 1 {
		f.Problems["quorum"] = "How many people have to approve is a whole number, from 1 on."
	}
	for _, text := range approvers {
		id, err := uuid.Parse(text)
		if err != nil {
			f.Problems["approvers"] = "Choose people of the list."
			continue
		}
		f.approvers = append(f.approvers, id)
	}
	a.NoSelfApproval, a.Approvers, a.OnExpiry, s.TemporalDecisions = f.NoSelfApproval, f.approvers, f.OnExpiry, f.TemporalDecisions
	remind, ok := parseHours(f.Remind)
	if !ok {
		f.Problems["remind"] = "Write a number of hours, at most a year's; 0 for no reminder."
	}
	if a.RemindAfter = store.Duration(remind); remind == 0 {
		a.RemindAfter = -1
	}
	deadline, ok := parseHours(f.Deadline)
	if !ok || deadline <= 0 {
		f.Problems["deadline"] = "Write a number of hours, more than 0 and at most a year's."
	}
	s.ApprovalTTL = store.Duration(deadline)
}

func (w *Web) changeLanguage(c *gin.Context) {
	session, language := sessionOf(c), c.PostForm("language")
	if session.PersonID == nil || !slices.Contains(words.Languages(), language) {
		w.renderSettings(c, http.StatusConflict, settingsPage{Problem: "Choose a language of the list."})
		return
	}
	if err := w.store.SetPersonLanguage(c.Request.Context(), organization(c), *session.PersonID, language); err != nil {
		w.broken(c, "changing a language", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/settings?done=language")
}

// giver is on whose behalf a form about a delegation is: one's own, unless an
// admin names somebody. The store refuses everybody else.
func (w *Web) giver(c *gin.Context) (uuid.UUID, error) {
	if from := c.PostForm("from"); from != "" {
		return uuid.Parse(from) //nolint:wrapcheck // becomes a sentence
	}
	if id := sessionOf(c).PersonID; id != nil {
		return *id, nil
	}
	return uuid.Nil, store.ErrNotFound
}

func (w *Web) delegate(c *gin.Context) {
	in := delegationForm{From: c.PostForm("from"), To: c.PostForm("to"), Until: c.PostForm("until")}
	refuse := func(status int, field, problem string) {
		in.Field, in.Problem = field, problem
		w.renderSettings(c, status, settingsPage{Delegation: in})
	}
	from, err := w.giver(c)
	if err != nil {
		refuse(http.StatusConflict, "from", "Choose a person of the list.")
		return
	}
	to, err := uuid.Parse(in.To)
	if err != nil {
		refuse(http.StatusConflict, "to", "Choose a person of the list.")
		return
	}
	until, err := time.Parse(time.DateOnly, in.Until)
	if err != nil {
		refuse(http.StatusConflict, "until", "Write the day as 2026-11-22.")
		return
	}
	// The day itself still counts.
	err = w.store.Delegate(c.Request.Context(), organization(c), from, to, until.AddDate(0, 0, 1), actor(c))
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		refuse(http.StatusConflict, "until", sentence(refusal))
	case errors.Is(err, store.ErrNotFound):
		refuse(http.StatusNotFound, "to", "Nobody of your organization is this person.")
	case err != nil:
		w.broken(c, "delegating approvals", err)
	default:
		c.Redirect(http.StatusSeeOther, "/settings?done=delegated")
	}
}

func (w *Web) endDelegation(c *gin.Context) {
	from, err := w.giver(c)
	if err == nil {
		err = w.store.EndDelegation(c.Request.Context(), organization(c), from, actor(c))
	} else {
		err = store.ErrNotFound
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		w.renderSettings(c, http.StatusConflict, settingsPage{Problem: sentence(refusal)})
	case errors.Is(err, store.ErrNotFound):
		w.renderSettings(c, http.StatusNotFound, settingsPage{Problem: "There is no such delegation: it may be over already."})
	case err != nil:
		w.broken(c, "ending a delegation", err)
	default:
		c.Redirect(http.StatusSeeOther, "/settings?done=ended")
	}
}
