package activities

import (
	"context"
	"errors"
	"time"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// longestPoints is how long talking points are waited for: the brief has to go out.
const longestPoints = 45 * time.Second

// talkingPoints asks the organization's model, once. Where there is none, there are no
// points.
func (a *Activities) talkingPoints(ctx context.Context, work store.BriefingWork, brief briefing.Brief) ([]string, error) {
	asker, err := a.asker(ctx, Meeting{OrganizationID: work.OrganizationID, MeetingID: work.MeetingID}, work.Meeting.Version, longestPoints)
	if errors.Is(err, store.ErrModelOff) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestPoints)
	defer cancel()
	ask := func(ctx context.Context, p briefing.Prompt) (string, error) {
		reply, err := asker.Once(ctx, model.Request{System: p.System, Turns: []model.Turn{{Text: p.Text}}, Schema: p.Schema, MaxTokens: p.MaxTokens})
		return reply.Text, err
	}
	return briefing.TalkingPoints(ctx, ask, brief, briefing.View{Printer: words.In(work.Language), Zone: work.Notify.Location()})
}
