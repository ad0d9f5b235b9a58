package main

import (
	"fmt"
	"io"
	"net"
	"net/mail"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server that counts what it takes, by Message-ID.
type mailServer struct {
	addr   string
	server *smtp.Server
	done   chan struct{}

	mu    sync.Mutex
	taken map[string]int
}

func startMail() (*mailServer, error) {
	m := &mailServer{taken: map[string]int{}, done: make(chan struct{})}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailSession{m}, nil }))
	m.server.Domain = "mail.bench.example"
	m.server.ReadTimeout, m.server.WriteTimeout = time.Minute, time.Minute
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, fmt.Errorf("starting the mail server: %w", err)
	}
	m.addr = listener.Addr().String()
	go func() { defer close(m.done); _ = m.server.Serve(listener) }()
	return m, nil
}

func (m *mailServer) stop() {
	_ = m.server.Close()
	<-m.done
}

// count is how many mails came, and how many came again.
func (m *mailServer) count() (mails, again int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.taken {
		mails, again = mails+1, again+n-1
	}
	return mails, again
}

type mailSession struct{ *mailServer }

func (mailSession) Reset()                               {}
func (mailSession) Logout() error                        { return nil }
func (mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s mailSession) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err == nil {
		_, err = io.Copy(io.Discard, message.Body)
	}
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "it can't be read"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[message.Header.Get("Message-ID")]++
	return nil
}
