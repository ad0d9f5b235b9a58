package webhooks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// Platforms write the same thing in several ways, and change their minds: a
// number as text, an absent time as "", milliseconds where there were words.
// These types take all of them, and say [Unfit] to the rest.

// text is a string that may come as a number or as null.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	switch {
	case bytes.Equal(raw, []byte("null")):
		return nil
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
	default:
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			return Unfit{"an id is neither text nor a number"}
		}
		s = n.String()
	}
	*t = text(s)
	return nil
}

// whole is a whole number that may come as text.
type whole int64

func (i *whole) UnmarshalJSON(raw []byte) error {
	var t text
	if err := t.UnmarshalJSON(raw); err != nil {
		return Unfit{"a number is not a number"}
	}
	if t == "" {
		return nil
	}
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return Unfit{"a number is not a whole number"}
	}
	*i = whole(n)
	return nil
}

// moment is a time: RFC 3339, or seconds or milliseconds since 1970 as a number
// or as text. It may be empty.
type moment time.Time

func (m *moment) UnmarshalJSON(raw []byte) error {
	var t text
	if err := t.UnmarshalJSON(raw); err != nil {
		return Unfit{"a time is neither text nor a number"}
	}
	parsed, err := parseMoment(string(t))
	if err != nil {
		return err
	}
	*m = moment(parsed)
	return nil
}

// A number below this is seconds: as milliseconds it would be in 1973.
const leastMilliseconds = 100_000_000_000

func parseMoment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= leastMilliseconds {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, Unfit{"a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"}
	}
	return parsed, nil
}

// loose is a part that some of a platform's events have in another shape, such as
// [] for an object: then it is empty, and the rest of the event is still read.
type loose[T any] struct{ it T }

func (l *loose[T]) UnmarshalJSON(raw []byte) error {
	var v T
	if json.Unmarshal(raw, &v) == nil {
		l.it = v
	}
	return nil
}

func (m moment) time() time.Time { return time.Time(m) }

// MarshalJSON writes it as it is read: what was fetched is stored.
func (m moment) MarshalJSON() ([]byte, error) {
	if m.time().IsZero() {
		return []byte(`""`), nil
	}
	return m.time().MarshalJSON()
}

// span is the time from a start for so many minutes; without a sensible length
// it has no end.
func span(start moment, minutes whole) (from, to time.Time) {
	from = start.time()
	if from.IsZero() || minutes <= 0 || minutes > 60*24*31 {
		return from, time.Time{}
	}
	return from, from.Add(time.Duration(minutes) * time.Minute)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// sortHints puts hints that came as a set into one order: the same delivery
// always gives the same event.
func sortHints(hints []meeting.CRMHint) {
	slices.SortStableFunc(hints, func(a, b meeting.CRMHint) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.RecordURL, b.RecordURL))
	})
}
