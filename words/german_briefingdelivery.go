package words

// germanBriefingDelivery is how briefs reach people, and the pages with them.
var germanBriefingDelivery = map[string]string{
	"Briefing for your meeting: %s":                                "Briefing zu Ihrem Meeting: %s",
	"Something has changed for your meeting: %s":                   "Zu Ihrem Meeting hat sich etwas geändert: %s",
	"Your meetings today":                                          "Ihre Meetings heute",
	"Your meetings of the next seven days":                         "Ihre Meetings der nächsten sieben Tage",
	"There is more on the page.":                                   "Auf der Seite steht mehr.",
	"This briefing is more than Slack takes. The page has it all.": "Dieses Briefing ist mehr, als Slack annimmt. Die Seite zeigt alles.",
	"All of it is on its page:":                                    "Alles steht auf der Seite dazu:",

	"When and how":            "Wann und wie",
	"Only yours":              "Nur Ihre",
	"No briefings are ahead.": "Es stehen keine Briefings an.",
	"Briefings of meetings that are ahead, the first meeting first": "Briefings der kommenden Meetings, das erste Meeting zuerst",
	"Later ones are not shown yet.":                                 "Spätere werden noch nicht gezeigt.",
	"A briefing":                                                    "Ein Briefing",
	"It is due:":                                                    "Fällig:",
	"planned":                                                       "geplant",
	"on its way":                                                    "unterwegs",
	"told":                                                          "mitgeteilt",
	"left out":                                                      "ausgelassen",
	"not told in time":                                              "nicht rechtzeitig mitgeteilt",
	"told in Slack":                                                 "in Slack mitgeteilt",
	"told by mail":                                                  "per E-Mail mitgeteilt",
	"told by webhook":                                               "per Webhook mitgeteilt",
	"told on this page alone":                                       "nur auf dieser Seite",
	"There is nothing to show: it has not been made yet, or what it said was erased.":                                                                     "Es gibt nichts zu zeigen: Es ist noch nicht erstellt, oder sein Inhalt wurde gelöscht.",
	"Either there is no such briefing, or it is not yours to see: a briefing is for the host of a meeting, for who answers for the host, and for admins.": "Entweder gibt es dieses Briefing nicht, oder Sie können es nicht einsehen: Ein Briefing ist für den Gastgeber eines Meetings, für die Vertretung und für die Verwaltung.",
}
