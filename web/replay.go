package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// Replays is what having a delivery looked at again needs of the store.
type Replays interface {
	ResumeDelivery(ctx context.Context, id uuid.UUID, actor store.Actor) error
	RedoDelivery(ctx context.Context, id, redo uuid.UUID, actor store.Actor) (copied uuid.UUID, err error)
}

// Preview says what would become of a stored delivery if it were looked at now,
// and changes nothing.
type Preview func(ctx context.Context, d store.Delivery) (Previewed, error)

// Previewed is the answer of a [Preview].
type Previewed struct {
	// Events are what the delivery tells; none if Reason says why it can't be used.
	Events []meeting.EventType
	Reason string
	// Changes says whether it would change a meeting, or make one.
	Changes bool
}

// registerReplay adds the page where a delivery is looked at again. Many at once
// are for the command, which shows how far it is.
func (w *Web) registerReplay(admin *gin.RouterGroup) {
	admin.GET("/:id/replay", w.showReplay)
	admin.POST("/:id/replay", w.replay)
}

type replayPage struct {
	deliveryView
	// Redo names what the button for doing it as new does, so that a second click
	// does nothing.
	Redo    uuid.UUID
	Preview *Previewed
	// AsNew says whether it can be done as new.
	AsNew   bool
	Problem string
}

func (w *Web) showReplay(c *gin.Context) {
	w.renderReplay(c, http.StatusOK, "")
}

func (w *Web) renderReplay(c *gin.Context, status int, problem string) {
	d, ok := w.findDelivery(c)
	if !ok {
		return
	}
	data := replayPage{deliveryView: viewDelivery(d.FoundDelivery), Redo: uuid.New(), AsNew: mayRedo(d), Problem: problem}
	if w.options.Preview != nil && d.HasBody {
		p, err := w.options.Preview(c.Request.Context(), d.Delivery)
		if err != nil {
			w.broken(c, "previewing a delivery", err)
			return
		}
		data.Preview = &p
	}
	w.render(c, status, "replay.html", w.printer(c).T("Look at it again"), data)
}

// mayRedo: changes in the CRM have happened, and there is nothing to be new.
func mayRedo(d store.DeliveryDetails) bool { return d.Platform != "hubspot" }

func (w *Web) replay(c *gin.Context) {
	d, ok := w.findDelivery(c)
	if !ok {
		return
	}
	id, done := d.ID, "resumed"
	var err error
	switch c.PostForm("as") {
	case "missing":
		err = w.store.ResumeDelivery(c.Request.Context(), d.ID, actor(c))
	case "new":
		redo, wrong := uuid.Parse(c.PostForm("redo"))
		switch {
		case wrong != nil || !mayRedo(d):
			w.noDelivery(c)
			return
		case c.PostForm("sure") != "yes":
			w.renderReplay(c, http.StatusConflict, "Tick that you want it twice: what it writes to HubSpot may stand there already.")
			return
		}
		var copied uuid.UUID
		if copied, err = w.store.RedoDelivery(c.Request.Context(), d.ID, redo, actor(c)); copied != uuid.Nil {
			id, done = copied, "redone"
		}
	default:
		w.renderReplay(c, http.StatusConflict, "Choose what should be done.")
		return
	}
	switch {
	case errors.Is(err, store.ErrErased):
		w.renderReplay(c, http.StatusConflict, "Its content was dropped: there is nothing that could be read again.")
	case err != nil:
		w.broken(c, "replaying a delivery", err)
	default:
		c.Redirect(http.StatusSeeOther, "/deliveries/"+id.String()+"?done="+done)
	}
}
