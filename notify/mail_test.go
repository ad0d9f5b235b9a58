package notify_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
)

const from = "Débrief <debrief@acme.example>"

func newMail(t *testing.T, url string, password store.Secret) *notify.Mail {
	t.Helper()
	m, err := notify.NewMail(notify.MailOptions{URL: url, Password: password, From: from})
	require.NoError(t, err)
	return m
}

func message(t *testing.T, kind store.NoticeKind, language, recipient, connection, app, person string) notify.Message {
	t.Helper()
	m, err := notify.Compose(kind, language, recipient, connection, app, person)
	require.NoError(t, err)
	m.ID, m.To = uuid.New(), "ada@acme.example"
	return m
}

// parts returns a mail's decoded headers and bodies by their types.
func parts(t *testing.T, raw string) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	bodies := map[string]string{}
	reader := multipart.NewReader(m.Body, params["boundary"])
	for {
		// Not NextPart: it would decode by itself and hide the header.
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, bodies
		}
		require.NoError(t, err)
		require.Equal(t, "quoted-printable", part.Header.Get("Content-Transfer-Encoding"))
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "utf-8", strings.ToLower(params["charset"]))
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		require.NoError(t, err)
		bodies[kind] = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
}

func subject(t *testing.T, h mail.Header) string {
	t.Helper()
	decoded, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	require.NoError(t, err)
	return decoded
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	server := startServer(t, false, "")
	sent := message(t, store.NoticeReconnect, "de", "Jürgen Groß", "Vertrieb Süd", "", "")
	require.NoError(t, newMail(t, "smtp://"+server.Addr, "").Send(t.Context(), sent))

	got := server.Received()
	require.Len(t, got, 1)
	require.Equal(t, "debrief@acme.example", got[0].From)
	require.Equal(t, []string{"ada@acme.example"}, got[0].To)
	for _, line := range strings.Split(got[0].Raw, "\r\n") {
		require.LessOrEqual(t, len(line), 998)
		for _, b := range []byte(line) {
			require.Less(t, b, byte(0x80), "whatever the server can carry, this is ASCII on the wire")
		}
	}
	header, bodies := parts(t, got[0].Raw)
	require.Equal(t, "Bitte HubSpot neu verbinden: „Vertrieb Süd“", subject(t, header))
	require.Equal(t, "<"+sent.ID.String()+"@acme.example>", header.Get("Message-Id"))
	require.Equal(t, "auto-generated", header.Get("Auto-Submitted"))
	require.Equal(t, "de", header.Get("Content-Language"))
	require.NotEmpty(t, header.Get("Date"))
	require.Empty(t, header.Get("X-Mailer"))
	address, err := mail.ParseAddress(header.Get("From"))
	require.NoError(t, err)
	require.Equal(t, "Débrief", address.Name)
	require.Equal(t, sent.Text, bodies["text/plain"])
	require.Equal(t, sent.HTML, bodies["text/html"])
	require.Contains(t, bodies["text/plain"], "Guten Tag Jürgen Groß,\n")
	require.Contains(t, bodies["text/plain"], "\nhttps://debrief.acme.example/connections/1?a=1&b=2\n")
	require.Contains(t, bodies["text/html"], `<a href="https://debrief.acme.example/connections/1?a=1&amp;b=2">`)
}

// Every notice has words in every language, with nothing left to fill in and
// nothing that is loaded from elsewhere.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.NoticeKind{
		store.NoticeReconnect, store.NoticeUninstalled, store.NoticeMisconfigured, store.NoticeStandIn, store.NoticeTest,
	} {
		subjects := map[string]bool{}
		for _, language := range []string{"en", "de"} {
			m := message(t, kind, language, "Ada", "Sales", "Our app", "Grace Hopper")
			subjects[m.Subject] = true
			all := m.Subject + m.Text + m.HTML
			require.Equal(t, language, m.Language)
			require.NotContains(t, all, "{")
			require.NotContains(t, m.Subject, "Ada", "a subject names nobody")
			require.NotContains(t, m.Subject, "Grace")
			require.NotContains(t, m.HTML, "<img")
			require.NotContains(t, m.HTML, "url(")
			require.NotContains(t, m.HTML, "src=")
			require.LessOrEqual(t, len([]rune(m.Subject)), 80)
			require.Contains(t, m.Text, "Ada")
		}
		require.Len(t, subjects, 2, "two languages of %s", kind)
	}
	m := message(t, store.NoticeReconnect, "fr", "", "Sales", "", "")
	require.Equal(t, "en", m.Language)
	require.True(t, strings.HasPrefix(m.Text, "Hello,\n"), m.Text)
	_, err := notify.Compose("none", "en", "", "", "", "")
	require.Error(t, err)
}

// Whatever a name holds, it makes no header, no recipient and no markup.
func TestNamesCantInject(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Sales\r\nBcc: eve@evil.example", "Sales\nBcc: eve@evil.example\n\n<b>", "Sales\r\n\r\nbody", "Sales\rX: 1", "Sales\u2028X: 1",
		`<script>alert(1)</script>`, `"><img src=https://evil.example/p.gif>`, "{link} {host}", "\u202egnp.exe", strings.Repeat("ä", 500), "\xff\xfe\x00", "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
	} {
		server := startServer(t, false, "")
		m := message(t, store.NoticeReconnect, "en", name, name, name, name)
		require.NoError(t, newMail(t, "smtp://"+server.Addr, "").Send(t.Context(), m), "%q", name)
		got := server.Received()
		require.Len(t, got, 1)
		require.Equal(t, []string{"ada@acme.example"}, got[0].To, "%q", name)
		header, bodies := parts(t, got[0].Raw)
		require.Empty(t, header.Get("Bcc"), "%q", name)
		require.Empty(t, header.Get("X"), "%q", name)
		require.Len(t, header, 9, "%q: %v", name, header)
		require.NotContains(t, bodies["text/html"], "<script", "%q", name)
		require.NotContains(t, bodies["text/html"], "<img", "%q", name)
		require.NotContains(t, subject(t, header), "\n", "%q", name)
		require.NotContains(t, bodies["text/plain"], "\u202e", "%q", name)
		require.LessOrEqual(t, len([]rune(m.Subject)), 120, "%q", name)
	}
}

func TestInternal(t *testing.T) {
	t.Parallel()
	domains := []string{"acme.example", "acme-labs.example", ""}
	for address, want := range map[string]bool{
		"ada@acme.example": true, "ada+x@acme-labs.example": true, "Ada@ACME.example": true, "o'hara@acme.example": true,
		"ada@evil.example": false, "ada@sub.acme.example": false, "ada@notacme.example": false, "ada@acme.example.evil.example": false,
		"": false, "ada": false, "@acme.example": false, "ada@": false,
		"eve@evil.example,ada@acme.example": false, "eve@evil.example@acme.example": false, `"eve@evil.example"@acme.example`: false,
		"ada@acme.example\r\nBcc: eve@evil.example": false, "ada\n@acme.example": false, "Ada <ada@acme.example>": false,
		"eve@evil.example, ada@acme.example": false, "a\x00b@acme.example": false, "(x)ada@acme.example": false, "ada@acme.example>": false,
		"x:eve@evil.example;@acme.example": false,
	} {
		require.Equal(t, want, notify.Internal(address, domains), "%q", address)
	}
	require.False(t, notify.Internal("ada@acme.example", nil))
}

func TestWhatTheServerAnswers(t *testing.T) {
	t.Parallel()
	type want struct {
		permanent, away bool
		reason          string
	}
	for name, c := range map[string]struct {
		answer func(string) error
		want   want
	}{
		"the address refused":          {answerWith("ada@", 550), want{permanent: true, reason: "550 5.1.1"}},
		"the address refused for now":  {answerWith("ada@", 450), want{reason: "450 4.1.1"}},
		"the message refused":          {answerWith("", 554), want{permanent: true, reason: "554 5.1.1"}},
		"the message refused for now":  {answerWith("", 451), want{reason: "451 4.1.1"}},
		"too many of them at a time":   {answerWith("ada@", 421), want{reason: "421"}},
		"the mailbox is full, for now": {answerWith("ada@", 452), want{reason: "452"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, false, "")
			server.Answer(c.answer)
			err := newMail(t, "smtp://"+server.Addr, "").Send(t.Context(), message(t, store.NoticeTest, "en", "", "", "", ""))
			var failed *notify.SendError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, c.want.permanent, failed.Permanent, failed.Reason)
			require.Equal(t, c.want.away, failed.Away, failed.Reason)
			require.Contains(t, failed.Reason, c.want.reason)
			require.NotContains(t, err.Error(), "ada", "what the server says may hold the address")
			require.Empty(t, server.Received())
		})
	}
}

func TestAServerThatIsAway(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"nobody listens": deadAddress(t), "something else listens": startStranger(t)} {
		err := newMail(t, "smtp://"+address, "").Send(t.Context(), message(t, store.NoticeTest, "en", "", "", "", ""))
		var failed *notify.SendError
		require.ErrorAs(t, err, &failed, name)
		require.True(t, failed.Away, name)
		require.False(t, failed.Permanent, name)
	}
	server := startServer(t, false, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, newMail(t, "smtp://"+server.Addr, "").Send(ctx, message(t, store.NoticeTest, "en", "", "", "", "")))
	require.Empty(t, server.Received())
}

// The password goes over TLS to a server that is who it says, or nowhere.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	m := message(t, store.NoticeTest, "en", "", "", "", "")
	var failed *notify.SendError

	secure := startServer(t, true, "open sesame")
	roots := x509.NewCertPool()
	// The server's own certificate is its authority.
	roots.AddCert(secure.Certificate)
	mailer := newMail(t, "smtp://debrief@mail.acme.example", "open sesame")
	mailer.DialTo(secure.Addr, roots)
	require.NoError(t, mailer.Send(t.Context(), m))
	require.True(t, secure.Received()[0].TLS)
	require.Equal(t, []string{"open sesame"}, secure.Passwords())

	wrong := newMail(t, "smtp://debrief@mail.acme.example", "open barley")
	wrong.DialTo(secure.Addr, roots)
	require.ErrorAs(t, wrong.Send(t.Context(), m), &failed)
	require.True(t, failed.Away, "a wrong password is not about this notice")
	require.Contains(t, failed.Reason, "password")
	require.NotContains(t, failed.Reason, "barley")

	distrusted := newMail(t, "smtp://debrief@mail.acme.example", "open sesame")
	distrusted.DialTo(secure.Addr, x509.NewCertPool())
	require.ErrorAs(t, distrusted.Send(t.Context(), m), &failed)
	require.Contains(t, failed.Reason, "certificate")
	require.Len(t, secure.Passwords(), 2, "no password for a server that may be another")

	plain := startServer(t, false, "open sesame")
	stripped := newMail(t, "smtp://debrief@mail.acme.example", "open sesame")
	stripped.DialTo(plain.Addr, roots)
	require.ErrorAs(t, stripped.Send(t.Context(), m), &failed)
	require.Contains(t, failed.Reason, "STARTTLS")
	require.Empty(t, plain.Passwords(), "no password without TLS")
	require.Empty(t, plain.Received())

	unsigned := newMail(t, "smtp://"+plain.Addr, "")
	require.ErrorAs(t, unsigned.Send(t.Context(), m), &failed)
	require.True(t, failed.Away)
	require.False(t, failed.Permanent, "a server that wants somebody signed in refuses no notice for good")
}

func TestMailOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]notify.MailOptions{
		"nothing":                {From: from},
		"no scheme":              {URL: "mail.acme.example:587", From: from},
		"another scheme":         {URL: "https://mail.acme.example", From: from},
		"a password in the URL":  {URL: "smtp://debrief:hunter2@mail.acme.example", From: from},
		"a user and no password": {URL: "smtp://debrief@mail.acme.example", From: from},
		"a path":                 {URL: "smtp://mail.acme.example/x", From: from},
		"a port that is none":    {URL: "smtp://mail.acme.example:99999", From: from},
		"no sender":              {URL: "smtp://mail.acme.example"},
		"two senders":            {URL: "smtp://mail.acme.example", From: "a@acme.example, b@acme.example"},
		"a sender with a break":  {URL: "smtp://mail.acme.example", From: "a@acme.example\r\nBcc: eve@evil.example"},
	} {
		_, err := notify.NewMail(o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
	for _, url := range []string{"smtp://mail.acme.example", "smtps://mail.acme.example", "smtp://[::1]:25", "smtps://mail.acme.example:1465"} {
		_, err := notify.NewMail(notify.MailOptions{URL: url, From: "debrief@acme.example"})
		require.NoError(t, err, url)
	}
}
