package eval

import "github.com/debriefhq/debrief/planner"

// phrases are the rules that hear explicit phrases.
var phrases = planner.Phrases
