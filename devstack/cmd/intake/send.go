package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/debriefhq/debrief/webhooks"
)

// sender posts webhooks over one connection that it keeps. It speaks HTTP/1.1 by
// itself: on a machine that does everything, a client that costs as much as the
// server would be half of what is measured.
type sender struct {
	conn    net.Conn
	in      *bufio.Reader
	request bytes.Buffer
	host    string
	path    string
	secret  string
}

func newSender(ctx context.Context, address, secret string) (*sender, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the source's address: %w", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("reaching the receiver: %w", err)
	}
	return &sender{conn: conn, in: bufio.NewReader(conn), host: u.Host, path: u.Path, secret: secret}, nil
}

// post sends one delivery, and returns the status and how long the answer took.
func (s *sender) post(id string, body []byte) (status int, took time.Duration, err error) {
	now := time.Now()
	signature, err := webhooks.SignStandard(s.secret, id, now, body)
	if err != nil {
		return 0, 0, fmt.Errorf("signing: %w", err)
	}
	s.request.Reset()
	fmt.Fprintf(&s.request, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nwebhook-id: %s\r\nwebhook-timestamp: %d\r\nwebhook-signature: %s\r\nContent-Length: %d\r\n\r\n",
		s.path, s.host, id, now.Unix(), signature, len(body))
	s.request.Write(body)
	begun := time.Now()
	if err := s.conn.SetDeadline(begun.Add(30 * time.Second)); err != nil {
		return 0, 0, fmt.Errorf("sending: %w", err)
	}
	if _, err := s.conn.Write(s.request.Bytes()); err != nil {
		return 0, 0, fmt.Errorf("sending: %w", err)
	}
	status, err = s.answer()
	return status, time.Since(begun), err
}

// answer reads an answer to its end, so that the next one can follow.
func (s *sender) answer() (int, error) {
	line, err := s.in.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return 0, errors.New("reading the answer: this is not HTTP")
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, fmt.Errorf("reading the answer's status: %w", err)
	}
	length := 0
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("reading the answer: %w", err)
		}
		name, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			break
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, fmt.Errorf("reading the answer's length: %w", err)
			}
		}
	}
	if _, err := io.CopyN(io.Discard, s.in, int64(length)); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	return status, nil
}

// delivery returns the n-th delivery: a meeting of its own has ended.
func delivery(n, size int) (id string, body []byte) {
	id = "msg_" + strconv.Itoa(n)
	at := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	start := fmt.Sprintf(`{"type":"meeting.ended","timestamp":%q,"data":{"keys":{"instance_id":"i%d"},"title":"Weekly call","scheduled_start":%q,"actual_end":%q,`+
		`"organizer":{"email":"mara@brightwater.example"},"attendees":[{"email":"guest%d@harrowmills.example"}],"summary":{"format":"text","text":"`,
		at.Add(time.Hour).Format(time.RFC3339), n, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339), n)
	const end = `"}}}`
	return id, []byte(start + strings.Repeat("x", max(size-len(start)-len(end), 0)) + end)
}

// send has all senders post for so long, as fast as they are answered. With
// repeated, each that is a multiple of it sends the one before again.
func (b *bench) send(ctx context.Context, turn time.Duration, repeated int) (took []time.Duration, failed int, elapsed time.Duration, err error) {
	return b.pace(ctx, turn, repeated, 0)
}

// pace is send at a rate a second; 0 means as fast as possible.
func (b *bench) pace(ctx context.Context, turn time.Duration, repeated int, rate float64) (took []time.Duration, failed int, elapsed time.Duration, err error) {
	senders := make([]*sender, b.Senders)
	for i := range senders {
		if senders[i], err = newSender(ctx, b.scene.SourceURL, b.scene.SourceSecret); err != nil {
			return nil, 0, 0, err
		}
		defer func() { _ = senders[i].conn.Close() }()
	}
	var (
		all sync.WaitGroup
		mu  sync.Mutex
	)
	begun := time.Now()
	until := begun.Add(turn)
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
				id, body := delivery(n, b.Body)
				status, one, err := s.post(id, body)
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
			took = append(took, mine...)
			failed += bad
			for _, id := range acked {
				b.acked[id] = true
			}
		})
	}
	all.Wait()
	b.sent += room / 1000 // more than one sender sends in one turn
	return took, failed, time.Since(begun), ctx.Err()
}

// peak is the largest resident size of a process so far in MiB, or 0 where the
// system does not say (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
func peak(pid int) float64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024
		}
	}
	return 0
}
