package notify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// mailServer is a real SMTP server on loopback that keeps what it takes.
type mailServer struct {
	Addr        string
	Certificate *x509.Certificate

	mu sync.Mutex
	// answer decides about a recipient or, with "", about a message; nil takes all.
	answer   func(rcpt string) error
	password string
	received []received
	signedIn []string // passwords that were offered
	rcpts    int
	// silent: it takes messages and does not say so.
	silent bool
}

type received struct {
	From, Raw string
	To        []string
	TLS       bool
}

type session struct {
	server *mailServer
	conn   *smtp.Conn
	mail   received
	ok     bool
}

func startServer(t *testing.T, useTLS bool, password string) *mailServer {
	t.Helper()
	s := &mailServer{password: password}
	backend := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	backend.Domain = "mail.acme.example"
	backend.AllowInsecureAuth = true
	backend.ReadTimeout, backend.WriteTimeout = 10*time.Second, 10*time.Second
	if useTLS {
		own := certificate(t)
		var err error
		s.Certificate, err = x509.ParseCertificate(own.Certificate[0])
		require.NoError(t, err)
		backend.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Addr = listener.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = backend.Serve(listener) }()
	t.Cleanup(func() { _, _ = listener.Close(), backend.Close(); <-done })
	return s
}

func (s *mailServer) Answer(f func(rcpt string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *mailServer) Received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.received...)
}

// Tries counts the recipients that were named to it.
func (s *mailServer) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcpts
}

func (s *mailServer) Passwords() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.signedIn...)
}

func (s *session) Reset()        { s.mail = received{} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if s.server.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.signedIn = append(s.server.signedIn, password)
		if password != s.server.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no such user " + user}
		}
		s.ok = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.password != "" && !s.ok {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = received{From: from, TLS: encrypted}
	return nil
}

func (s *session) decide(rcpt string) error {
	s.server.mu.Lock()
	answer := s.server.answer
	s.server.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(rcpt)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	s.server.rcpts++
	s.server.mu.Unlock()
	if err := s.decide(to); err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.decide(""); err != nil {
		return err
	}
	s.mail.Raw = string(raw)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, s.mail)
	if s.server.silent {
		_ = s.conn.Conn().Close()
	}
	return nil
}

// answerWith refuses recipients whose address holds part, and with "" messages.
func answerWith(part string, code int) func(string) error {
	return func(rcpt string) error {
		if (part == "" && rcpt == "") || (part != "" && strings.Contains(rcpt, part)) {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "not here: " + rcpt}
		}
		return nil
	}
}

// certificate is one that nobody trusts.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost", "mail.acme.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// deadAddress is one where nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// startStranger answers each connection with something that is no SMTP.
func startStranger(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-somebody\r\n")
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}
