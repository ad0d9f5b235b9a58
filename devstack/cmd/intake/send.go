package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/debriefhq/debrief/devstack/process"
)

// answerTimeout is how long the last answer of a turn may take.
const answerTimeout = 30 * time.Second

// sender posts webhooks over one connection that it keeps. It speaks HTTP/1.1 by
// itself: on a machine that does everything, what a client costs is missing where
// it is measured, and pgbench costs little.
type sender struct {
	conn    net.Conn
	in      *bufio.Reader
	head    string
	mac     hash.Hash
	body    []byte
	request []byte
}

func newSender(ctx context.Context, address, secret string) (*sender, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the source's address: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("reading the source's secret: %w", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("reaching the receiver: %w", err)
	}
	return &sender{
		conn: conn, in: bufio.NewReader(conn), mac: hmac.New(sha256.New, key),
		head: "POST " + u.Path + " HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Type: application/json\r\n",
	}, nil
}

// post sends the n-th delivery, and returns its ID, the status, and how long the
// answer took.
func (s *sender) post(n, size int) (id string, status int, took time.Duration, err error) {
	now := time.Now()
	id = "msg_" + strconv.Itoa(n)
	s.body = appendDelivery(s.body[:0], n, size)

	// Standard Webhooks 1.0.0: what is signed is the ID, the time and the body.
	signed := append(append(s.request[:0], id...), '.')
	signed = append(strconv.AppendInt(signed, now.Unix(), 10), '.')
	s.mac.Reset()
	s.mac.Write(signed)
	s.mac.Write(s.body)

	r := append(append(s.request[:0], s.head...), "webhook-id: "...)
	r = append(append(r, id...), "\r\nwebhook-timestamp: "...)
	r = append(strconv.AppendInt(r, now.Unix(), 10), "\r\nwebhook-signature: v1,"...)
	r = append(base64.StdEncoding.AppendEncode(r, s.mac.Sum(nil)), "\r\nContent-Length: "...)
	r = append(strconv.AppendInt(r, int64(len(s.body)), 10), "\r\n\r\n"...)
	s.request = append(r, s.body...)

	begun := time.Now()
	if _, err := s.conn.Write(s.request); err != nil {
		return id, 0, 0, fmt.Errorf("sending: %w", err)
	}
	status, err = s.answer()
	return id, status, time.Since(begun), err
}

// answer reads an answer to its end, so that the next one can follow.
func (s *sender) answer() (int, error) {
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, errors.New("reading the answer: this is not HTTP")
	}
	status, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, fmt.Errorf("reading the answer's status: %w", err)
	}
	length := 0
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("reading the answer: %w", err)
		}
		name, value, found := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !found {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("reading the answer's length: %w", err)
			}
		}
	}
	if _, err := s.in.Discard(length); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	return status, nil
}

// appendDelivery appends the body of the n-th delivery: a meeting of its own has
// ended.
func appendDelivery(to []byte, n, size int) []byte {
	ended := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	begun := len(to)
	to = append(to, `{"type":"meeting.ended","timestamp":"`...)
	to = ended.AppendFormat(to, time.RFC3339)
	to = append(to, `","data":{"keys":{"instance_id":"i`...)
	to = strconv.AppendInt(to, int64(n), 10)
	to = append(to, `"},"title":"Weekly call","scheduled_start":"`...)
	to = ended.Add(-time.Hour).AppendFormat(to, time.RFC3339)
	to = append(to, `","actual_end":"`...)
	to = ended.AppendFormat(to, time.RFC3339)
	to = append(to, `","organizer":{"email":"mara@brightwater.example"},"attendees":[{"email":"guest`...)
	to = strconv.AppendInt(to, int64(n), 10)
	to = append(to, `@harrowmills.example"}],"summary":{"format":"text","text":"`...)
	const end = `"}}}`
	for len(to)-begun < size-len(end) {
		to = append(to, 'x')
	}
	return append(to, end...)
}

// send has all senders post for so long, as fast as they are answered. With
// repeated, each that is a multiple of it sends the one before again.
func (b *bench) send(ctx context.Context, long time.Duration, repeated int) (turn, error) {
	return b.pace(ctx, long, repeated, 0)
}

// pace is send at a rate a second; 0 means as fast as possible.
func (b *bench) pace(ctx context.Context, long time.Duration, repeated int, rate float64) (t turn, err error) {
	senders := make([]*sender, b.Senders)
	for i := range senders {
		if senders[i], err = newSender(ctx, b.scene.SourceURL, b.scene.SourceSecret); err != nil {
			return turn{}, err
		}
		defer func() { _ = senders[i].conn.Close() }()
	}
	var (
		all sync.WaitGroup
		mu  sync.Mutex
	)
	before := b.spentSoFar()
	begun := time.Now()
	for _, s := range senders {
		if err := s.conn.SetDeadline(begun.Add(long + answerTimeout)); err != nil {
			return turn{}, fmt.Errorf("bounding the wait for answers: %w", err)
		}
	}
	until := begun.Add(long)
	const room = 10_000_000 // numbers for each sender, so that none has another's
	for i, s := range senders {
		all.Go(func() {
			var mine []time.Duration
			var acked []string
			bad := 0
			first := i*room + b.sent
			n := first
			for k := 0; ctx.Err() == nil; k++ {
				if rate > 0 {
					due := begun.Add(time.Duration(float64(k*len(senders)+i) / rate * float64(time.Second)))
					if due.After(until) {
						break
					}
					time.Sleep(time.Until(due))
				}
				if time.Now().After(until) {
					break
				}
				if repeated == 0 || k == 0 || k%repeated != 0 {
					n++
				}
				id, status, one, err := s.post(n, b.Body)
				if err != nil || status != 200 {
					fmt.Fprintf(os.Stderr, "a delivery was answered %d: %v\n", status, err)
					bad++
					break
				}
				mine = append(mine, one)
				acked = append(acked, id)
			}
			mu.Lock()
			defer mu.Unlock()
			t.took = append(t.took, mine...)
			t.failed += bad
			for _, id := range acked {
				b.acked[id] = true
			}
		})
	}
	all.Wait()
	t.elapsed, t.spent = time.Since(begun), b.spentSoFar().minus(before)
	b.sent += room / 1000 // more than one sender sends in one turn
	return t, ctx.Err()
}

// peak is the largest resident size of a process so far in MiB, or 0 where the
// system does not say.
func peak(pid int) float64 { return process.Mebibytes(pid, "VmHWM:") }
