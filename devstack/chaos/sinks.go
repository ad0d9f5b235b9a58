package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/debriefhq/debrief/store"
)

// sinks are what people are told by, outside of Slack: a mail server, and a program that
// takes webhooks. They keep what they took.
type sinks struct {
	mailAddr, hookURL string

	mail *smtp.Server
	hook *http.Server
	all  sync.WaitGroup

	mu   sync.Mutex
	told []Telling
}

func newSinks() (*sinks, error) {
	s := &sinks{}
	s.mail = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailbox{s}, nil }))
	s.mail.Domain, s.mail.ReadTimeout, s.mail.WriteTimeout = "mail.chaos.example", time.Minute, time.Minute
	s.hook = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return // whoever was cut off sends again
		}
		var message struct{ Data json.RawMessage } // what is around it is of each message its own
		if err := json.Unmarshal(body, &message); err != nil {
			http.Error(w, "this is no JSON", http.StatusBadRequest)
			return
		}
		s.take(Telling{Channel: ByWebhook, ID: r.Header.Get("webhook-id"), Text: string(message.Data)})
		w.WriteHeader(http.StatusNoContent)
	})}
	for _, serve := range []func(net.Listener){
		func(l net.Listener) { s.mailAddr = l.Addr().String(); s.all.Go(func() { _ = s.mail.Serve(l) }) },
		func(l net.Listener) {
			s.hookURL = "http://" + l.Addr().String()
			s.all.Go(func() { _ = s.hook.Serve(l) })
		},
	} {
		l, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			s.close()
			return nil, fmt.Errorf("starting what people are told by: %w", err)
		}
		serve(l)
	}
	return s, nil
}

func (s *sinks) env() []string {
	return []string{"DEBRIEF_SMTP_URL=smtp://" + s.mailAddr, "DEBRIEF_MAIL_FROM=Debrief <debrief@brightwater.example>", "DEBRIEF_WEBHOOKS_TO_LOOPBACK=true"}
}

func (s *sinks) take(t Telling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, t)
}

func (s *sinks) close() {
	_, _ = s.mail.Close(), s.hook.Close()
	s.all.Wait()
}

type mailbox struct{ *sinks }

func (mailbox) Reset()                               {}
func (mailbox) Logout() error                        { return nil }
func (mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (mailbox) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (m mailbox) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(message.Body)
	}
	if err != nil {
		return &smtp.SMTPError{Code: 451, Message: "it can't be read"}
	}
	// Without the line ends of quoted-printable, and the boundary, which is of each
	// message its own.
	lines := strings.Split(strings.ReplaceAll(string(body), "=\r\n", ""), "\n")
	text := strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "--") }), "\n")
	m.take(Telling{Channel: ByMail, ID: message.Header.Get("Message-ID"), Text: text})
	return nil
}

// tellings are all that were taken, and what stands in Slack.
func (w *world) tellings() []Telling {
	w.sinks.mu.Lock()
	all := append([]Telling(nil), w.sinks.told...)
	w.sinks.mu.Unlock()
	for _, t := range w.tenants {
		if t.slack == "" {
			continue
		}
		for _, m := range w.slack.Cards(t.slack) {
			all = append(all, Telling{Channel: BySlackMessage, ID: m.TS, Text: m.All()})
		}
	}
	return all
}

// hosts makes those of the organization's people who are briefed, each told by a way of
// their own.
func (w *world) hosts(ctx context.Context, t *tenant) error {
	if _, err := w.store.AddWebhookEndpoint(ctx, store.WebhookEndpoint{OrganizationID: t.id, Name: "desk", URL: w.sinks.hookURL}, store.Operator); err != nil {
		return err
	}
	for channel, host := range hosts {
		id := t.mara.ID
		if channel != BySlackMessage {
			p, err := w.store.AddPerson(ctx, store.Person{
				OrganizationID: t.id, Name: host.name, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: host.email}},
			}, store.Operator)
			if err != nil {
				return err
			}
			id = p.ID
		}
		if err := w.store.SetPersonBriefing(ctx, t.id, id, store.BriefingSettings{Channels: channel + ",page"}, store.Operator); err != nil {
			return err
		}
	}
	return nil
}
