package notify

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// facts are what the words of a notice are filled with.
type facts struct {
	// Recipient is the name of who is told, "" if it is not known.
	Recipient string
	// Connection and App are names as people gave them; Account is a HubSpot
	// account's domain or number.
	Connection, Account, App string
	// Person is the name of whom it is about.
	Person string
	// Source is a source's name.
	Source string
	// Reason is a sentence of our own.
	Reason string
	// Questions wait for an answer, about Meetings.
	Questions, Meetings int
	// Link is a page of this installation. Whoever opens it signs in there.
	Link string
	// Host is this installation's address, as people know it.
	Host string
}

// wording is one kind of notice in one language. {…} stands for a fact.
type wording struct {
	subject string
	// paragraphs come before the link.
	paragraphs []string
	// link says what opening it is for; "" for none.
	link string
}

const (
	greetingEN = "Hello {recipient},"
	greetingDE = "Guten Tag {recipient},"
	closingEN  = "Debrief at {host} sent this to you alone. Nobody reads answers to this address."
	closingDE  = "Diese Nachricht hat Debrief ({host}) nur an Sie geschickt. Antworten an diese Adresse liest niemand."
)

// wordings are all notices, in English and in German. A subject shows on locked
// screens and in lists: beyond a connection's name it names nothing.
var wordings = map[store.NoticeKind]map[string]wording{
	store.NoticeReconnect: {
		"en": {
			subject: `Please reconnect HubSpot: "{connection}"`,
			paragraphs: []string{
				`HubSpot no longer accepts the connection "{connection}" to the account {account}. Debrief can't read or write there until somebody connects it again.`,
				`Nothing is lost: the work that needs this connection waits, and goes on where it was once it is back.`,
			},
			link: "Sign in and reconnect it here:",
		},
		"de": {
			subject: `Bitte HubSpot neu verbinden: „{connection}“`,
			paragraphs: []string{
				`HubSpot nimmt die Verbindung „{connection}“ zum Konto {account} nicht mehr an. Bis sie jemand neu verbindet, kann Debrief dort weder lesen noch schreiben.`,
				`Es geht nichts verloren: Die Arbeit, die diese Verbindung braucht, wartet und läuft danach dort weiter, wo sie war.`,
			},
			link: "Hier können Sie sich anmelden und die Verbindung erneuern:",
		},
	},
	store.NoticeUninstalled: {
		"en": {
			subject: `Debrief was removed from HubSpot: "{connection}"`,
			paragraphs: []string{
				`Somebody uninstalled the app behind the connection "{connection}" in the HubSpot account {account}. Debrief no longer has access to it.`,
				`If that was intended, there is nothing to do. If not, connect it again: the work that waits for this connection then goes on where it was.`,
			},
			link: "Sign in and look at the connection here:",
		},
		"de": {
			subject: `Debrief wurde aus HubSpot entfernt: „{connection}“`,
			paragraphs: []string{
				`Jemand hat die App hinter der Verbindung „{connection}“ im HubSpot-Konto {account} deinstalliert. Debrief hat dort keinen Zugriff mehr.`,
				`War das Absicht, ist nichts zu tun. Falls nicht, verbinden Sie das Konto neu: Die Arbeit, die auf diese Verbindung wartet, läuft dann dort weiter, wo sie war.`,
			},
			link: "Hier können Sie sich anmelden und die Verbindung ansehen:",
		},
	},
	store.NoticeMisconfigured: {
		"en": {
			subject: "HubSpot does not accept Debrief's app",
			paragraphs: []string{
				`HubSpot refuses the app "{app}" itself: its client ID, its client secret or its redirect address is wrong. No connection of this app can be renewed until that is corrected.`,
				`No connection is lost. Compare the three with the app's settings in HubSpot, and correct what differs.`,
			},
			link: "Sign in and look at the connections here:",
		},
		"de": {
			subject: "HubSpot nimmt die App von Debrief nicht an",
			paragraphs: []string{
				`HubSpot weist die App „{app}“ selbst zurück: Ihre Client-ID, ihr Client-Secret oder ihre Rückleitungsadresse stimmt nicht. Solange das so ist, lässt sich keine Verbindung dieser App erneuern.`,
				`Keine Verbindung geht verloren. Vergleichen Sie die drei Angaben mit den Einstellungen der App in HubSpot, und berichtigen Sie, was abweicht.`,
			},
			link: "Hier können Sie sich anmelden und die Verbindungen ansehen:",
		},
	},
	store.NoticeStandIn: {
		"en": {
			subject: "You take over for a colleague in Debrief",
			paragraphs: []string{
				`{person} no longer uses Debrief. What was open there comes to you now: questions that wait for an answer, follow-ups of past meetings, and connections to HubSpot.`,
				`Nothing is written to HubSpot because of this, unless you or the rules allow it.`,
			},
			link: "Sign in and see what is open here:",
		},
		"de": {
			subject: "Sie vertreten jemanden in Debrief",
			paragraphs: []string{
				`{person} nutzt Debrief nicht mehr. Was dort offen war, kommt nun zu Ihnen: Fragen, die auf eine Antwort warten, die Nacharbeit zu Meetings und die Verbindungen zu HubSpot.`,
				`Deswegen wird nichts in HubSpot geschrieben, es sei denn, Sie oder die Regeln erlauben es.`,
			},
			link: "Hier können Sie sich anmelden und sehen, was offen ist:",
		},
	},
	store.NoticeSlackRefused: {
		"en": {
			subject: "Slack does not accept Debrief's app",
			paragraphs: []string{
				`Slack refuses Debrief's app: {reason}. Nobody is told anything in Slack until an admin connects it again (debrief slack connect).`,
				`Nothing is lost: questions are told by mail meanwhile, and can be answered on their pages.`,
			},
		},
		"de": {
			subject: "Slack nimmt die App von Debrief nicht an",
			paragraphs: []string{
				`Slack weist die App von Debrief zurück: {reason}. In Slack erfährt niemand mehr etwas, bis jemand aus der Verwaltung sie neu verbindet (debrief slack connect).`,
				`Es geht nichts verloren: Fragen kommen solange per E-Mail und lassen sich auf ihren Seiten beantworten.`,
			},
		},
	},
	store.NoticeSourceRefused: {
		"en": {
			subject: `The source "{source}" needs other API credentials`,
			paragraphs: []string{
				`The platform does not let Debrief get what the webhooks of the source "{source}" only name: {reason}.`,
				`Nothing is lost: what came waits. It goes on once somebody gives Debrief other credentials (debrief sources credentials) or allows these to do more at the platform.`,
			},
		},
		"de": {
			subject: `Die Quelle „{source}“ braucht andere Zugangsdaten`,
			paragraphs: []string{
				`Die Plattform lässt Debrief nicht abrufen, was die Webhooks der Quelle „{source}“ nur nennen: {reason}.`,
				`Es geht nichts verloren: Was gekommen ist, wartet. Es geht weiter, sobald jemand Debrief andere Zugangsdaten gibt (debrief sources credentials) oder diesen bei der Plattform mehr erlaubt.`,
			},
		},
	},
	store.NoticeAsked:     questions("Questions wait for your answer", "Fragen warten auf Ihre Antwort"),
	store.NoticeDigest:    questions("Your questions of the day", "Ihre Fragen des Tages"),
	store.NoticeReminder:  questions("Reminder: questions wait for your answer", "Erinnerung: Fragen warten auf Ihre Antwort"),
	store.NoticeEscalated: questions("Questions that nobody answered come to you", "Unbeantwortete Fragen kommen zu Ihnen"),
	store.NoticeTest: {
		"en": {
			subject:    "A test mail from Debrief",
			paragraphs: []string{"Mail from Debrief arrives here. Umlauts do, too: äöüß ÄÖÜ €."},
		},
		"de": {
			subject:    "Eine Testnachricht von Debrief",
			paragraphs: []string{"Nachrichten von Debrief kommen hier an. Umlaute auch: äöüß ÄÖÜ €."},
		},
	},
}

// questions are the words of what is about questions: how many, and where. Which
// meeting it is and what is asked stands on the page alone: mail is read by
// servers on its way, and shows on locked screens.
func questions(en, de string) map[string]wording {
	return map[string]wording{
		"en": {
			subject:    en,
			paragraphs: []string{`After {meetings} Debrief has {questions} for you. Nothing of it is written to HubSpot before somebody has answered.`},
			link:       "Sign in and answer here. Opening the link decides nothing:",
		},
		"de": {
			subject:    de,
			paragraphs: []string{`Nach {meetings} hat Debrief {questions} an Sie. Davon wird nichts in HubSpot geschrieben, bevor jemand geantwortet hat.`},
			link:       "Hier können Sie sich anmelden und antworten. Der Link allein entscheidet nichts:",
		},
	}
}

// compose puts a notice into words. A language that is not known is English.
func compose(kind store.NoticeKind, language string, f facts) (Message, error) {
	w, ok := wordings[kind][language]
	if !ok {
		language = "en"
		if w, ok = wordings[kind][language]; !ok {
			return Message{}, fmt.Errorf("there are no words for notices of the kind %q", kind)
		}
	}
	greeting, closing := greetingEN, closingEN
	if language == "de" {
		greeting, closing = greetingDE, closingDE
	}
	fill := f.filler(words.In(language))
	paragraphs := []string{}
	if fill("{recipient}") == "" {
		greeting = strings.ReplaceAll(greeting, " {recipient}", "")
	}
	for _, p := range append(append([]string{greeting}, w.paragraphs...), w.link, closing) {
		if p == "" {
			continue // there is no link
		}
		paragraphs = append(paragraphs, fill(p))
	}
	m := Message{Subject: fill(w.subject), Language: language}
	var text, page strings.Builder
	fmt.Fprintf(&page, "<!doctype html>\n<html lang=\"%s\"><meta charset=\"utf-8\"><title>%s</title>\n<body style=\"font-family: sans-serif; line-height: 1.5\">\n",
		language, html.EscapeString(m.Subject))
	for _, p := range paragraphs {
		text.WriteString(p + "\n")
		page.WriteString("<p>" + html.EscapeString(p))
		if w.link != "" && p == w.link {
			text.WriteString(f.Link + "\n")
			link := html.EscapeString(f.Link)
			fmt.Fprintf(&page, "<br>\n<a href=\"%s\">%s</a>", link, link)
		}
		text.WriteString("\n")
		page.WriteString("</p>\n")
	}
	page.WriteString("</body></html>\n")
	m.Text, m.HTML = strings.TrimSuffix(text.String(), "\n"), page.String()
	return m, nil
}

func (f facts) filler(p words.Printer) func(string) string {
	return strings.NewReplacer(
		"{recipient}", plain(f.Recipient), "{connection}", plain(f.Connection), "{account}", plain(f.Account),
		"{app}", plain(f.App), "{person}", plain(f.Person), "{host}", plain(f.Host), "{reason}", plain(p.Known(f.Reason)),
		"{source}", plain(f.Source),
		"{questions}", p.Plural(f.Questions, "%d question", "%d questions"), "{meetings}", p.Plural(f.Meetings, "%d meeting", "%d meetings"),
	).Replace
}

// longestName is how much of a name stands in a mail, in characters.
const longestName = 80

// plain makes one short line of a name that somebody typed: a line break in it
// would begin another header, and what turns the direction of writing would hide
// what follows.
func plain(name string) string {
	line := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, name)
	// What looks like an encoded word (RFC 2047) would be decoded where it is read.
	line = strings.ReplaceAll(strings.Join(strings.Fields(line), " "), "=?", "= ?")
	if runes := []rune(line); len(runes) > longestName {
		line = string(runes[:longestName-1]) + "…"
	}
	return line
}
