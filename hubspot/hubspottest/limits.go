package hubspottest

import (
	"net/http"
	"strconv"
	"time"
)

// bucket says against which short limit a call counts.
type bucket int

const (
	noBucket bucket = iota
	burstBucket
	searchBucket
	associationBucket
	journalBucket
	subscriptionBucket
)

type windowKey struct {
	hub      int64
	clientID string
	bucket   bucket
}

// window holds when the calls of a rolling span were made: a ring, so that a
// busy account costs no memory per call.
type window struct {
	times []time.Time
	start int
	n     int
}

// take drops what is older than the span and adds now if there is room.
func (w *window) take(now time.Time, span time.Duration, most int) (used int, allowed bool) {
	if len(w.times) < most {
		grown := make([]time.Time, most)
		for i := range w.n {
			grown[i] = w.times[(w.start+i)%len(w.times)]
		}
		w.times, w.start = grown, 0
	}
	for w.n > 0 && !w.times[w.start].After(now.Add(-span)) {
		w.start, w.n = (w.start+1)%len(w.times), w.n-1
	}
	if w.n >= most {
		return w.n, false
	}
	w.times[(w.start+w.n)%len(w.times)] = now
	w.n++
	return w.n, true
}

func (s *Server) window(k windowKey) *window {
	w := s.windows[k]
	if w == nil {
		w = &window{}
		s.windows[k] = w
	}
	return w
}

// dailyUse is what an account's private apps have called on one of its days.
type dailyUse struct {
	day  string
	used int
}

// today is the account's use since its last midnight.
func (s *Server) today(p *portal) *dailyUse {
	day := s.now().In(p.zone()).Format("2006-01-02")
	u := s.daily[p.HubID]
	if u == nil || u.day != day {
		u = &dailyUse{day: day}
		s.daily[p.HubID] = u
	}
	return u
}

func (p *portal) zone() *time.Location {
	if p.location == nil || p.location.String() != p.TimeZone {
		zone, err := time.LoadLocation(p.TimeZone)
		if err != nil {
			zone = time.UTC
		}
		p.location = zone
	}
	return p.location
}

// UseDaily counts calls of the account's other private apps against the day
// that they share with yours.
func (s *Server) UseDaily(hubID int64, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.today(s.mustPortal(hubID)).used += calls
}

// burst is how many calls in ten seconds an app has in an account.
func (set Settings) burst(private bool) int {
	switch {
	case set.BurstLimit > 0:
		return set.BurstLimit
	case !private:
		return 110
	case set.Starter:
		return 100
	}
	return 190
}

func (set Settings) perDay() int {
	switch {
	case set.DailyLimit > 0:
		return set.DailyLimit
	case set.Starter:
		return 250_000
	}
	return 625_000
}

func (set Settings) associations() int {
	switch {
	case set.AssociationLimit > 0:
		return set.AssociationLimit
	case set.Starter:
		return 100
	}
	return 150
}

func (set Settings) searches() int {
	if set.SearchLimit > 0 {
		return set.SearchLimit
	}
	return 5
}

const burstWindow = 10 * time.Second

// limit counts the call against its bucket and the day. The headers are those
// of the answer: none for searches and association batches.
func (q *request) limit() (*reply, map[string]string) {
	set := q.portal.Settings
	if set.NoRateLimits || q.route.bucket == noBucket {
		return nil, nil
	}
	refuse := func(out reply) (*reply, map[string]string) { return &out, nil }
	private := q.app.PrivateDistribution
	var day *dailyUse
	if private {
		if day = q.s.today(q.portal); day.used >= set.perDay() {
			return refuse(limitExceeded("DAILY", "You have reached your daily limit."))
		}
	}
	switch q.route.bucket {
	case searchBucket:
		if _, ok := q.s.window(windowKey{hub: q.portal.HubID, bucket: searchBucket}).take(q.now, time.Second, set.searches()); !ok {
			out := limitExceeded("SECONDLY", "You have reached your secondly limit.")
			if set.PlainSearchLimit {
				for _, name := range []string{"policyName", "errorType", "requestId"} {
					delete(out.body.(map[string]any), name)
				}
			}
			return refuse(out)
		}
		day.count()
		return nil, nil
	case associationBucket:
		if _, ok := q.s.window(windowKey{hub: q.portal.HubID, bucket: associationBucket}).take(q.now, burstWindow, set.associations()); !ok {
			return refuse(burstExceeded())
		}
		day.count()
		return nil, nil
	default:
	}
	most := set.burst(private)
	used, allowed := q.s.window(windowKey{q.portal.HubID, q.app.ClientID, burstBucket}).take(q.now, burstWindow, most)
	if allowed {
		day.count()
	}
	headers := map[string]string{
		"X-HubSpot-RateLimit-Max":                   strconv.Itoa(most),
		"X-HubSpot-RateLimit-Remaining":             strconv.Itoa(most - used),
		"X-HubSpot-RateLimit-Interval-Milliseconds": strconv.FormatInt(burstWindow.Milliseconds(), 10),
	}
	if private {
		headers["X-HubSpot-RateLimit-Daily"] = strconv.Itoa(set.perDay())
		headers["X-HubSpot-RateLimit-Daily-Remaining"] = strconv.Itoa(set.perDay() - day.used)
	}
	if !allowed {
		out := burstExceeded()
		out.header = headers
		return &out, headers
	}
	return nil, headers
}

// count works on nil: apps of the marketplace have no day.
func (u *dailyUse) count() {
	if u != nil {
		u.used++
	}
}

// limitApp counts calls of the journal, which are outside the accounts' limits.
func (q *request) limitApp() *reply {
	most := map[bucket]int{journalBucket: 100, subscriptionBucket: 50}[q.route.bucket]
	if most == 0 {
		return nil
	}
	if _, ok := q.s.window(windowKey{clientID: q.app.ClientID, bucket: q.route.bucket}).take(q.now, time.Second, most); !ok {
		out := limitExceeded("SECONDLY", "You have reached your secondly limit.")
		return &out
	}
	return nil
}

func burstExceeded() reply {
	return limitExceeded("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.")
}

func limitExceeded(policy, message string) reply {
	return reply{status: http.StatusTooManyRequests, body: map[string]any{
		"status": "error", "message": message, "errorType": "RATE_LIMIT", "category": "RATE_LIMITS",
		"correlationId": newUUID(), "policyName": policy, "requestId": newUUID(),
	}}
}
