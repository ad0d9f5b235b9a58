package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// BriefingSettings is what the page about briefings needs of the store.
type BriefingSettings interface {
	PersonBriefing(ctx context.Context, organizationID, personID uuid.UUID) (store.BriefingSettings, error)
	PersonNotify(ctx context.Context, organizationID, personID uuid.UUID) (store.NotifySettings, error)
	BriefingPreferences(ctx context.Context, organizationID, personID uuid.UUID) (store.BriefingPreferences, error)
	SetBriefingSettings(ctx context.Context, organizationID uuid.UUID, b store.BriefingSettings, actor store.Actor) error
	SetPersonBriefing(ctx context.Context, organizationID, personID uuid.UUID, b store.BriefingSettings, actor store.Actor) error
	SetNotifySettings(ctx context.Context, organizationID uuid.UUID, n store.NotifySettings, actor store.Actor) error
	SetPersonNotify(ctx context.Context, organizationID, personID uuid.UUID, n store.NotifySettings, actor store.Actor) error
}

// registerBriefingSettings adds the page with when and how one is briefed, and with
// what holds for all, which admins change.
func (w *Web) registerBriefingSettings(inside *gin.RouterGroup) {
	inside.GET("/settings/briefings", w.showBriefingSettings)
	inside.POST("/settings/briefings", w.changeBriefing)
	inside.POST("/settings/briefings/organization", w.requireRole(store.RoleAdmin), w.changeBriefings)
}

type briefingSettingsPage struct {
	// Mine is nil for the operator, Everybodys for who is no admin.
	Mine, Everybodys *briefingForm
	Done             string
}

// briefingForm is a person's settings, or the organization's.
type briefingForm struct {
	// Whose sets the form apart from the other one on the page.
	Whose, Action, Problem string
	Fields                 []briefingField
}

type briefingField struct {
	Name, Label, Hint string
	// Value is what is said here, Holds what holds where nothing is.
	Value, Holds string
	// Switch: it is on or off.
	Switch bool
}

// briefingDones are what the page may say after a change.
var briefingDones = map[string]string{
	"mine": "You are briefed like this from now on.",
	"all":  "Everybody who does not say otherwise is briefed like this from now on.",
}

// briefingFields are the form's fields, over what is said here and what holds
// otherwise.
func briefingFields(b, holds store.BriefingSettings, n, told store.NotifySettings) []briefingField {
	holds = holds.Full()
	zone, quiet := told.TimeZone, told.QuietHours
	if zone == "" {
		zone = "UTC"
	}
	if quiet == "" {
		quiet = "off"
	}
	return []briefingField{
		{Name: "briefings", Label: "Briefings before meetings", Value: b.Briefings, Holds: holds.Briefings, Switch: true},
		{Name: "lead", Label: "How long before the start", Hint: "45m or 2h, from 5m to 72h", Value: b.Lead, Holds: holds.Lead},
		{Name: "channels", Label: "Where they go", Hint: "slack, email, webhook, page: in the order in which that is tried", Value: b.Channels, Holds: holds.Channels},
		{Name: "digest", Label: "The day's meetings in one message", Hint: "a time of day such as 07:30, or off", Value: b.Digest, Holds: holds.Digest},
		{Name: "digest_days", Label: "On these days", Hint: "mon-fri or mon,wed,sat", Value: b.DigestDays, Holds: holds.DigestDays},
		{Name: "week_ahead", Label: "The week's meetings in one message", Hint: "mon 07:00, or off", Value: b.WeekAhead, Holds: holds.WeekAhead},
		{Name: "talking_points", Label: "Talking points by the language model, where there is one", Value: b.TalkingPoints, Holds: holds.TalkingPoints, Switch: true},
		{
			Name: "hubspot_note", Label: "A note in HubSpot, too", Value: b.HubSpotNote, Holds: holds.HubSpotNote, Switch: true,
			Hint: "Where HubSpot has the meeting already, from a calendar, say: beside it, on those who are coming, for all who see them there.",
		},
		{Name: "time_zone", Label: "Time zone", Hint: "a name such as Europe/Berlin", Value: n.TimeZone, Holds: zone},
		{Name: "quiet_hours", Label: "Quiet hours", Hint: "20:00-08:00, or off", Value: n.QuietHours, Holds: quiet},
	}
}

// readBriefing reads what the form says. What is told once a day about questions is not
// this form's.
func readBriefing(c *gin.Context, was store.NotifySettings) (store.BriefingSettings, store.NotifySettings) {
	said := func(name string) string { return strings.TrimSpace(c.PostForm(name)) }
	was.TimeZone, was.QuietHours = said("time_zone"), said("quiet_hours")
	return store.BriefingSettings{
		Briefings: said("briefings"), Lead: said("lead"), Channels: strings.ReplaceAll(said("channels"), " ", ""), Digest: said("digest"),
		DigestDays: strings.ReplaceAll(said("digest_days"), " ", ""), WeekAhead: said("week_ahead"), TalkingPoints: said("talking_points"), HubSpotNote: said("hubspot_note"),
	}, was
}

func (w *Web) showBriefingSettings(c *gin.Context) {
	w.renderBriefingSettings(c, http.StatusOK, briefingSettingsPage{Done: briefingDones[c.Query("done")]})
}

// renderBriefingSettings shows the page with the forms that data has not.
func (w *Web) renderBriefingSettings(c *gin.Context, status int, data briefingSettingsPage) {
	ctx, organizationID, session := c.Request.Context(), organization(c), sessionOf(c)
	o, err := w.store.Organization(ctx, organizationID)
	if err != nil {
		w.broken(c, "reading settings", err)
		return
	}
	if data.Everybodys == nil && session.Role == store.RoleAdmin {
		data.Everybodys = everybodysForm(o.Settings.Briefing, o.Settings.Notify)
	}
	if data.Mine == nil && session.PersonID != nil {
		b, err := w.store.PersonBriefing(ctx, organizationID, *session.PersonID)
		if err != nil {
			w.broken(c, "reading settings", err)
			return
		}
		n, err := w.store.PersonNotify(ctx, organizationID, *session.PersonID)
		if err != nil {
			w.broken(c, "reading settings", err)
			return
		}
		data.Mine = myForm(b, n, o.Settings)
	}
	w.render(c, status, "briefsettings.html", w.printer(c).T("Briefings"), data)
}

func myForm(b store.BriefingSettings, n store.NotifySettings, of store.Settings) *briefingForm {
	return &briefingForm{Whose: "mine", Action: "/settings/briefings", Fields: briefingFields(b, of.Briefing, n, of.Notify)}
}

func everybodysForm(b store.BriefingSettings, n store.NotifySettings) *briefingForm {
	return &briefingForm{Whose: "all", Action: "/settings/briefings/organization", Fields: briefingFields(b, store.BriefingSettings{}, n, store.NotifySettings{})}
}

func (w *Web) changeBriefing(c *gin.Context) {
	ctx, organizationID, session := c.Request.Context(), organization(c), sessionOf(c)
	if session.PersonID == nil {
		w.fail(c, http.StatusForbidden, w.printer(c).T("Briefings"), "The operator is nobody of the organization, and is not briefed.")
		return
	}
	was, err := w.store.PersonNotify(ctx, organizationID, *session.PersonID)
	if err != nil {
		w.broken(c, "reading settings", err)
		return
	}
	b, n := readBriefing(c, was)
	// What is wrong with one must not leave half of it saved.
	if err = b.Check(); err == nil && n != was {
		err = w.store.SetPersonNotify(ctx, organizationID, *session.PersonID, n, actor(c))
	}
	if err == nil {
		err = w.store.SetPersonBriefing(ctx, organizationID, *session.PersonID, b, actor(c))
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		o, err := w.store.Organization(ctx, organizationID)
		if err != nil {
			w.broken(c, "reading settings", err)
			return
		}
		form := myForm(b, n, o.Settings)
		form.Problem = sentence(refusal)
		w.renderBriefingSettings(c, http.StatusConflict, briefingSettingsPage{Mine: form})
	case err != nil:
		w.broken(c, "changing settings", err)
	default:
		c.Redirect(http.StatusSeeOther, "/settings/briefings?done=mine")
	}
}

func (w *Web) changeBriefings(c *gin.Context) {
	ctx, organizationID := c.Request.Context(), organization(c)
	o, err := w.store.Organization(ctx, organizationID)
	if err != nil {
		w.broken(c, "reading settings", err)
		return
	}
	b, n := readBriefing(c, o.Settings.Notify)
	if err = b.Check(); err == nil && n != o.Settings.Notify {
		err = w.store.SetNotifySettings(ctx, organizationID, n, actor(c))
	}
	if err == nil {
		err = w.store.SetBriefingSettings(ctx, organizationID, b, actor(c))
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		form := everybodysForm(b, n)
		form.Problem = sentence(refusal)
		w.renderBriefingSettings(c, http.StatusConflict, briefingSettingsPage{Everybodys: form})
	case err != nil:
		w.broken(c, "changing settings", err)
	default:
		c.Redirect(http.StatusSeeOther, "/settings/briefings?done=all")
	}
}
