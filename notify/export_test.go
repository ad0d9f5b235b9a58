package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/debriefhq/debrief/store"
)

// Compose puts a notice into words, for tests.
func Compose(kind store.NoticeKind, language, recipient, connection, app, person string) (Message, error) {
	return compose(kind, language, facts{
		Recipient: recipient, Connection: connection, Account: "acme.example", App: app, Person: person,
		Link: "https://debrief.acme.example/connections/1?a=1&b=2", Host: "debrief.acme.example",
	})
}

// SendSome is one look for notices that are due.
func (o *Outbox) SendSome(ctx context.Context) (bool, error) { return o.sendSome(ctx) }

// DialTo lets the mail server's name lead to that address, and trusts the given
// authorities alone (nil: the machine's).
func (m *Mail) DialTo(address string, roots *x509.CertPool) {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	m.options = append(m.options, gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(&tls.Config{ServerName: m.host, RootCAs: roots, MinVersion: tls.VersionTLS12}))
}

// EditSome is one look for messages in Slack that show less than their cards.
func (o *Outbox) EditSome(ctx context.Context) (bool, error) { return o.editSome(ctx) }

// BriefSome is one look for notices that brief people, until what it found is sent.
func (o *Outbox) BriefSome(ctx context.Context) (bool, error) {
	var sending sync.WaitGroup
	defer sending.Wait()
	return o.briefSome(ctx, make(chan struct{}, briefedAtOnce), &sending)
}

// MayPostTo says whether a webhook may go to an address.
func MayPostTo(address string, loopback bool) bool {
	return mayPostTo(netip.MustParseAddr(address), loopback)
}

// SignWebhook is the value of the header with the signatures.
func SignWebhook(secrets []store.Secret, id string, at time.Time, body string) (string, error) {
	return signWebhook(secrets, id, at, []byte(body))
}
