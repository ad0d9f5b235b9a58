package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/debriefhq/debrief/store"
)

// mailTimeout bounds each step of the conversation with a mail server; all of
// them together stay below sendTimeout.
const mailTimeout = 10 * time.Second

// MailOptions say which mail server takes mails over.
type MailOptions struct {
	// URL is smtp://user@host:587 or smtps://user@host:465; without a user nobody
	// signs in, and without a port it is the one shown. smtp:// insists on
	// STARTTLS, unless the host is this machine.
	URL string
	// Password is the user's. It does not stand in the URL, which shows in lists
	// of processes and in settings.
	Password store.Secret
	// From is the sender: an address, or Name <address>.
	From string
}

// Mail is a [Sender] by SMTP. Make it with [NewMail]; it is safe for concurrent
// use.
type Mail struct {
	host    string
	from    *mail.Address
	options []gomail.Option
}

// NewMail returns a sender by SMTP. It connects to nothing yet. The error says
// what is wrong with the options, and repeats none of them.
func NewMail(o MailOptions) (*Mail, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("the mail server is not a URL like smtp://user@mail.example.com:587 or smtps://user@mail.example.com:465")
	}
	if _, ok := u.User.Password(); ok {
		return nil, errors.New("the mail server's URL holds a password: give it by itself")
	}
	from, err := mail.ParseAddress(o.From)
	if err != nil {
		return nil, errors.New("the sender of mails is not an address like debrief@example.com or Debrief <debrief@example.com>")
	}
	m := &Mail{host: u.Hostname(), from: from, options: []gomail.Option{gomail.WithTimeout(mailTimeout)}}
	switch {
	case u.Scheme == "smtps":
		m.options = append(m.options, gomail.WithSSL(), gomail.WithPort(465))
	case isLoopback(u.Hostname()):
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.TLSOpportunistic), gomail.WithPort(587))
	default:
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithPort(587))
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil || port < 1 || port > 65535 {
			return nil, errors.New("the port in the mail server's URL is no port")
		}
		m.options = append(m.options, gomail.WithPort(port))
	}
	if user := u.User.Username(); user != "" {
		if o.Password == "" {
			return nil, errors.New("the mail server's URL names a user, and there is no password for it")
		}
		m.options = append(m.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(user), gomail.WithPassword(o.Password.Reveal()))
	}
	if _, err := gomail.NewClient(m.host, m.options...); err != nil {
		return nil, errors.New("the mail server's URL can't be used")
	}
	return m, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Send hands a message to the mail server.
func (m *Mail) Send(ctx context.Context, message Message) error {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(m.from)
	if err := out.To(message.To); err != nil {
		return &SendError{Reason: "the address is not one that mail can be sent to", Permanent: true}
	}
	out.Subject(message.Subject)
	_, domain, _ := strings.Cut(m.from.Address, "@")
	out.SetMessageIDWithValue(message.ID.String() + "@" + domain)
	if len(message.After) > 0 {
		// RFC 5322 §3.6.4.
		before := make([]string, 0, len(message.After))
		for _, id := range message.After {
			before = append(before, "<"+id.String()+"@"+domain+">")
		}
		out.SetGenHeader(gomail.HeaderInReplyTo, before[len(before)-1])
		out.SetGenHeader(gomail.HeaderReferences, strings.Join(before, " "))
	}
	out.SetDate()
	// RFC 3834 §5: nobody's holiday notice answers it.
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetGenHeader("Content-Language", message.Language)
	out.SetBodyString(gomail.TypeTextPlain, message.Text)
	out.AddAlternativeString(gomail.TypeTextHTML, message.HTML)

	client, err := gomail.NewClient(m.host, m.options...)
	if err != nil {
		return &SendError{Reason: "the mail server's URL can't be used", Away: true}
	}
	err = client.DialAndSendWithContext(ctx, out)
	// What goes wrong after the server took it over, such as saying goodbye, is no
	// reason to send it again.
	if err == nil || out.IsDelivered() {
		return nil
	}
	failed := sendError(err)
	// All of it was sent, and no answer came.
	var sent *gomail.SendError
	failed.Doubt = errors.As(err, &sent) && sent.Reason == gomail.ErrSMTPDataClose && sent.ErrorCode() == 0
	return failed
}

// sendError says what went wrong in words of our own: what the server said may
// hold the address.
func sendError(err error) *SendError {
	var sent *gomail.SendError
	var answer *textproto.Error
	var netErr net.Error
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &sent) && sent.ErrorCode() != 0:
		code := strings.TrimSpace(strconv.Itoa(sent.ErrorCode()) + " " + sent.EnhancedStatusCode())
		refused := sent.ErrorCode() >= 500
		if sent.Reason == gomail.ErrSMTPMailFrom {
			// Not about this message: a sender that it does not let, or nobody
			// signed in.
			return &SendError{Reason: fmt.Sprintf("the mail server does not take mails from this sender (%s)", code), Away: true}
		}
		if refused {
			return &SendError{Reason: fmt.Sprintf("the mail server refused it (%s)", code), Permanent: true}
		}
		return &SendError{Reason: fmt.Sprintf("the mail server does not take it for now (%s)", code)}
	case errors.As(err, &answer) && (answer.Code == 535 || answer.Code == 534 || answer.Code == 530):
		return &SendError{Reason: fmt.Sprintf("the mail server does not accept the user and the password (%d)", answer.Code), Away: true}
	case errors.As(err, &answer):
		return &SendError{Reason: fmt.Sprintf("the mail server answered %d", answer.Code), Away: true}
	case errors.As(err, &verification), errors.As(err, &unknownCA), errors.As(err, &wrongHost), errors.As(err, &invalid):
		return &SendError{Reason: "the mail server's certificate is not one that this machine trusts for its name", Away: true}
	case errors.As(err, &record):
		return &SendError{Reason: "the mail server does not speak TLS at this port", Away: true}
	case errors.As(err, &dns):
		return &SendError{Reason: "the mail server's name can't be resolved", Away: true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return &SendError{Reason: "the mail server did not answer in time", Away: true}
	case errors.As(err, &netErr):
		return &SendError{Reason: "the mail server can't be reached", Away: true}
	default:
		// go-mail has no type for these: no STARTTLS, no way to sign in, a
		// connection that broke off.
		return &SendError{Reason: "the mail server can't be talked to safely: it offers no STARTTLS or no way to sign in, or it hung up", Away: true}
	}
}
