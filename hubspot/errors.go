package hubspot

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The kinds of failure, for errors.Is. A kind is what a caller acts on; the
// details are in [*Error].
var (
	// ErrUnauthorized: the access token is expired, revoked or unknown (401).
	ErrUnauthorized = errors.New("hubspot: the access token was not accepted")
	// ErrMissingScopes: the grant, or the user that it acts for, lacks a right
	// (403). [Error.MissingScopes] names the scopes if HubSpot did.
	ErrMissingScopes = errors.New("hubspot: a permission is missing")
	// ErrNotFound: no such record, property, pipeline or endpoint (404).
	ErrNotFound = errors.New("hubspot: not found")
	// ErrConflict: another record already has a value that must be unique
	// (409, and the 400 of a unique property). [Error.ExistingID] names the
	// record if HubSpot did.
	ErrConflict = errors.New("hubspot: already exists")
	// ErrValidation: the request was refused as not valid (400), and will be
	// refused again. [Error.Properties] names the properties if HubSpot did.
	ErrValidation = errors.New("hubspot: not valid")
	// ErrRateLimited: a limit is reached (429). See [RetryDelay].
	ErrRateLimited = errors.New("hubspot: rate limited")
	// ErrUnavailable: HubSpot cannot answer now (423, 477, 5xx, no answer at
	// all). See [RetryDelay], and [OutcomeUnknown] if the call was a write.
	ErrUnavailable = errors.New("hubspot: unavailable")
)

// Statuses that net/http has no name for.
const (
	// statusMigrating: the account is being moved to another data centre;
	// Retry-After says how long, up to 24 h (developers.hubspot.com, "Error
	// handling").
	statusMigrating = 477
)

const (
	// lockedWait: a lock lasts two seconds (same page, 423).
	lockedWait = 2 * time.Second
	// burstWait: the ten-second window rolls.
	burstWait = 10 * time.Second
	// searchWait: the search limit counts by the second.
	searchWait = time.Second
	// dailyWait: the daily budget returns at midnight of the account's time
	// zone, which a client does not know; looking each hour costs little.
	dailyWait = time.Hour
	// serverWait: "pause for a few seconds" (same page, 502 and 504).
	serverWait = 3 * time.Second
	// longestWait caps what a Retry-After may ask: 477's longest.
	longestWait = 24 * time.Hour
	// longestWindowWait caps what one may ask for a limit that counts by
	// seconds. HubSpot does not document the header there, and counts it in
	// milliseconds elsewhere: 10000 must not become three hours.
	longestWindowWait = time.Minute
)

// Codes of a [PropertyError] for a record that lacks what the account's admin
// requires. HubSpot enforces those rules on every write since version 2026-09
// (developers.hubspot.com, "CRM API write validation enforcement").
const (
	// CodeMissingRequired: the property must have a value.
	CodeMissingRequired = "MISSING_REQUIRED_PROPERTY"
	// CodeMissingConditional: it must have one because of another's value,
	// such as a reason once a deal is lost.
	CodeMissingConditional = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
)

// Error is an answer of HubSpot that is not a success. Its text holds the
// status, HubSpot's category and the names of properties, and never HubSpot's
// own message: that may quote an e-mail address or a value.
type Error struct {
	// Method and Endpoint say what was called; Endpoint holds no IDs.
	Method, Endpoint string
	StatusCode       int
	// Category is HubSpot's word for the failure, such as
	// "VALIDATION_ERROR" or "MISSING_SCOPES"; SubCategory refines it.
	Category, SubCategory string
	// Message is HubSpot's sentence. It may hold personal data: keep it out
	// of logs.
	Message string
	// CorrelationID names the call at HubSpot's support.
	CorrelationID string
	// PolicyName names the limit that a 429 is about, such as
	// "TEN_SECONDLY_ROLLING", "SECONDLY" or "DAILY"; may be empty.
	PolicyName string
	// RetryAfter is what the answer's Retry-After header asked for, at most
	// 24 h; 0 if it did not. Use [RetryDelay].
	RetryAfter time.Duration
	// MissingScopes are the scopes of which a 403 wants at least one.
	MissingScopes []string
	// ExistingID is the record that already has the value, if a conflict
	// names it.
	ExistingID string
	// Properties are the properties that were refused.
	Properties []PropertyError

	uniqueValue bool
	write       bool
}

// PropertyError is one property that was refused. Code says why, such as
// "PROPERTY_DOESNT_EXIST", "INVALID_OPTION" or [CodeMissingRequired]. Name is
// empty if HubSpot gave a code and no property. Message may hold the value.
type PropertyError struct{ Name, Code, Message string }

// Error says what failed, without personal data.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("hubspot:")
	if e.Method != "" {
		b.WriteString(" " + e.Method + " " + e.Endpoint + ":")
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, " %d", e.StatusCode)
	}
	for _, word := range []string{e.Category, e.SubCategory, e.PolicyName} {
		if w := plainToken(word); w != "" {
			b.WriteString(" " + w)
		}
	}
	const most = 10 // a batch may name hundreds
	for i, p := range e.Properties {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(e.Properties)-most)
			break
		}
		fmt.Fprintf(&b, " %s(%s)", plainToken(p.Name), plainToken(p.Code))
	}
	if len(e.MissingScopes) > 0 {
		b.WriteString(" needs one of")
		for i, s := range e.MissingScopes {
			if i == most {
				break
			}
			b.WriteString(" " + plainToken(s))
		}
	}
	if id := plainToken(e.CorrelationID); id != "" {
		b.WriteString(" (correlation ID " + id + ")")
	}
	return b.String()
}

// Is makes errors.Is(err, ErrNotFound) and the like work.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrMissingScopes:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrConflict:
		return e.StatusCode == http.StatusConflict || e.uniqueValue
	case ErrValidation:
		// A unique value is both: refused as sent, and a record to go to.
		return e.StatusCode == http.StatusBadRequest
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrUnavailable:
		return e.StatusCode == http.StatusLocked || e.StatusCode == statusMigrating || e.StatusCode >= 500
	}
	return false
}

// TransportError is a call without a usable answer: the network failed, the
// context ended, or a success's body was cut, too long or not JSON. It is an
// [ErrUnavailable].
type TransportError struct {
	Method, Endpoint string
	// StatusCode is that of the answer whose body could not be used; 0 if
	// none came.
	StatusCode int
	// Sent is false if the request certainly never left: no connection could
	// be made.
	Sent bool

	write bool
	cause error
}

// Error says what failed, without the address.
func (e *TransportError) Error() string {
	what := "no answer"
	switch {
	case e.StatusCode != 0:
		what = "the answer (" + strconv.Itoa(e.StatusCode) + ") could not be read"
	case !e.Sent:
		what = "not sent"
	}
	return fmt.Sprintf("hubspot: %s %s: %s: %v", e.Method, e.Endpoint, what, e.cause)
}

// Unwrap gives the cause, such as context.DeadlineExceeded.
func (e *TransportError) Unwrap() error { return e.cause }

// Is makes errors.Is(err, ErrUnavailable) true.
func (e *TransportError) Is(target error) bool { return target == ErrUnavailable }

// OutcomeUnknown says that err leaves open whether a write happened: it may
// have, it may not, and it may still (HubSpot gives up on a request after
// 100 s at the latest, its 524). Sending it again may then write twice. It is
// false for reads, for what was never sent, and for what HubSpot refused
// (any 4xx).
func OutcomeUnknown(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		// A 503 may come from the edge, before anything ran, or from behind
		// it. Nobody documents which, so it counts as unknown.
		return e.write && e.StatusCode >= 500
	}
	var t *TransportError
	if errors.As(err, &t) {
		return t.write && t.Sent
	}
	return false
}

// RetryDelay says how long to wait before a call that failed with err may be
// worth making again; 0 if err does not say. What the answer itself asked for
// comes first; else HubSpot's documentation ("API usage guidelines", "Error
// handling"): 10 s for the ten-second window, 1 s for search, an hour for the
// day's budget, 2 s for a lock, a few seconds for a 5xx. It is never more
// than 24 h. Whether a write may be sent again at all is [OutcomeUnknown]'s
// question.
func RetryDelay(err error) time.Duration {
	var o *OAuthError
	if errors.As(err, &o) {
		return waitFor(o.StatusCode, "", o.RetryAfter)
	}
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	policy := e.PolicyName
	if policy == "" && e.StatusCode == http.StatusTooManyRequests {
		// Older search answers name the policy in the sentence alone.
		switch message := strings.ToLower(e.Message); {
		case strings.Contains(message, "ten_secondly"), strings.Contains(message, "ten secondly"):
			policy = "TEN_SECONDLY_ROLLING"
		case strings.Contains(message, "secondly"):
			policy = "SECONDLY"
		case strings.Contains(message, "daily"):
			policy = "DAILY"
		}
	}
	return waitFor(e.StatusCode, policy, e.RetryAfter)
}

func waitFor(status int, policy string, asked time.Duration) time.Duration {
	var wait time.Duration
	longest := longestWait
	switch {
	case status == http.StatusLocked:
		wait = lockedWait
	case status == statusMigrating:
		wait = time.Minute
	case status == http.StatusTooManyRequests:
		switch policy = strings.ToUpper(policy); {
		case strings.HasPrefix(policy, "TEN_SECONDLY"):
			wait, longest = burstWait, longestWindowWait
		case strings.HasPrefix(policy, "SECONDLY"):
			wait, longest = searchWait, longestWindowWait
		case strings.HasPrefix(policy, "DAILY"):
			wait = dailyWait
		default:
			wait = burstWait
		}
	case status >= 500:
		wait = serverWait
	default:
		return 0
	}
	if asked > 0 {
		wait = asked
	}
	if status == http.StatusLocked {
		// A lock lasts its two seconds, whatever the header says.
		wait = max(wait, lockedWait)
	}
	return min(wait, longest)
}

// parseRetryAfter reads a Retry-After header in seconds or as a date.
// Nonsense is 0; more than 24 h is 24 h.
func parseRetryAfter(value string) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		switch {
		case !(seconds > 0): // NaN too
			return 0
		case seconds >= longestWait.Seconds():
			return longestWait
		}
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longestWait)
	}
	return 0
}

// errorBody is HubSpot's error, every field optional
// (developers.hubspot.com, "Error handling").
type errorBody struct {
	Status        lenient `json:"status"`
	Message       lenient `json:"message"`
	CorrelationID lenient `json:"correlationId"`
	Category      lenient `json:"category"`
	SubCategory   lenient `json:"subCategory"`
	ErrorType     lenient `json:"errorType"`
	PolicyName    lenient `json:"policyName"`
	Code          lenient `json:"code"`
	Context       contexts
	Errors        details
}

// details is a list of errorDetail; what is none is dropped, one by one.
type details []errorDetail

func (d *details) UnmarshalJSON(raw []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil //nolint:nilerr // dropped
	}
	for _, one := range list {
		var detail errorDetail
		if json.Unmarshal(one, &detail) == nil {
			*d = append(*d, detail)
		}
	}
	return nil
}

type errorDetail struct {
	Message     lenient `json:"message"`
	Code        lenient `json:"code"`
	In          lenient `json:"in"`
	SubCategory lenient `json:"subCategory"`
	Context     contexts
}

// contexts is {"key":["value",…]}; a value that is no list is taken as a list
// of one, and anything else is dropped.
type contexts map[string][]string

func (c *contexts) UnmarshalJSON(raw []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil //nolint:nilerr // dropped
	}
	*c = make(contexts, len(fields))
	for key, value := range fields {
		var many []lenient
		if json.Unmarshal(value, &many) == nil {
			for _, one := range many {
				(*c)[key] = append((*c)[key], string(one))
			}
			continue
		}
		var one lenient
		if json.Unmarshal(value, &one) == nil && one != "" {
			(*c)[key] = []string{string(one)}
		}
	}
	return nil
}

// scopes are those of which a 403 wants one; older calls name the key
// otherwise.
func (c contexts) scopes() []string {
	return append(append([]string(nil), c["requiredGranularScopes"]...), c["requiredScopes"]...)
}

// properties are the names under any of the keys seen.
func (c contexts) properties() []string {
	var names []string
	for _, key := range []string{"propertyName", "propertyNames", "properties"} {
		names = append(names, c[key]...)
	}
	return names
}

// lenient is a string that also reads a number or a bool as its text, and
// anything else as empty: one field of another shape must not cost the rest.
type lenient string

func (l *lenient) UnmarshalJSON(raw []byte) error {
	*l = ""
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*l = lenient(s)
		return nil
	}
	if len(raw) > 0 && raw[0] != '{' && raw[0] != '[' && string(raw) != "null" {
		*l = lenient(raw)
	}
	return nil
}

// int64 is 0 if the text is no whole number.
func (l lenient) int64() int64 {
	n, err := strconv.ParseInt(string(l), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// flag is a bool that also reads "true", and anything else as false.
type flag bool

func (f *flag) UnmarshalJSON(raw []byte) error {
	var text lenient
	_ = text.UnmarshalJSON(raw)
	*f = text == "true"
	return nil
}

func decodeError(status int, header http.Header, raw []byte) *Error {
	var body errorBody
	// A body that is no JSON (an edge's HTML page) leaves the status to speak.
	_ = json.Unmarshal(raw, &body)
	e := body.toError()
	e.StatusCode = status
	e.RetryAfter = parseRetryAfter(header.Get("Retry-After"))
	return e
}

func (body errorBody) toError() *Error {
	e := &Error{
		Category:      string(body.Category),
		SubCategory:   string(body.SubCategory),
		Message:       string(body.Message),
		CorrelationID: string(body.CorrelationID),
		PolicyName:    string(body.PolicyName),
	}
	if e.Category == "" {
		e.Category = string(body.ErrorType)
	}
	e.Properties = embeddedPropertyErrors(e.Message)
	seen := map[PropertyError]bool{}
	for _, p := range e.Properties {
		seen[PropertyError{Name: p.Name, Code: p.Code}] = true
	}
	refuse := func(name, code, message string) {
		if key := (PropertyError{Name: name, Code: code}); !seen[key] {
			seen[key] = true
			e.Properties = append(e.Properties, PropertyError{Name: name, Code: code, Message: message})
		}
	}
	e.MissingScopes = body.Context.scopes()
	for _, d := range body.Errors {
		e.MissingScopes = append(e.MissingScopes, d.Context.scopes()...)
		code, message := string(d.Code), string(d.Message)
		e.uniqueValue = e.uniqueValue || code == "CONFLICTING_UNIQUE_VALUE"
		names := d.Context.properties()
		if len(names) == 0 && d.In != "" && code != "" {
			names = []string{string(d.In)}
		}
		for _, name := range names {
			refuse(name, code, message)
		}
		for _, p := range embeddedPropertyErrors(message) {
			refuse(p.Name, p.Code, p.Message)
			names = append(names, p.Name)
		}
		if len(names) == 0 && missingCode(code) {
			refuse("", code, message)
		}
		if e.SubCategory == "" {
			e.SubCategory = string(d.SubCategory)
		}
		e.noteExisting(message)
	}
	// Where the whole answer is about one rule, its code may stand in the place
	// of a category: HubSpot's announcement shows the codes and no body.
	for _, code := range []string{e.Category, e.SubCategory, string(body.Code)} {
		if missingCode(code) && len(e.Properties) == 0 {
			for _, name := range body.Context.properties() {
				refuse(name, code, e.Message)
			}
			if len(e.Properties) == 0 {
				refuse("", code, e.Message)
			}
		}
	}
	e.noteExisting(e.Message)
	return e
}

func missingCode(code string) bool {
	return code == CodeMissingRequired || code == CodeMissingConditional
}

var (
	// The 409 of a contact whose e-mail exists.
	existingID = regexp.MustCompile(`Existing ID: (\d{1,20})`)
	// The 400 of a unique property or a secondary e-mail. The message names
	// two records: the one that holds the value stands directly before
	// "already has that value"; the other was never finished.
	existingHolder = regexp.MustCompile(`(\d{1,20}) already has that value`)
)

func (e *Error) noteExisting(message string) {
	if m := existingHolder.FindStringSubmatch(message); m != nil {
		e.uniqueValue = true
		if e.ExistingID == "" {
			e.ExistingID = m[1]
		}
	}
	if m := existingID.FindStringSubmatch(message); m != nil && e.ExistingID == "" {
		e.ExistingID = m[1]
	}
}

// embeddedPropertyErrors reads the JSON list that HubSpot puts into the
// message "Property values were not valid: [{…}]".
func embeddedPropertyErrors(message string) []PropertyError {
	at := strings.Index(message, "[{")
	if at < 0 {
		return nil
	}
	var list []struct {
		Name    lenient `json:"name"`
		Error   lenient `json:"error"`
		Message lenient `json:"message"`
	}
	// A decoder, since a sentence may follow the list.
	if json.NewDecoder(strings.NewReader(message[at:])).Decode(&list) != nil {
		return nil
	}
	var out []PropertyError
	for _, p := range list {
		if p.Name != "" {
			out = append(out, PropertyError{Name: string(p.Name), Code: string(p.Error), Message: string(p.Message)})
		}
	}
	return out
}

// plainToken lets through what looks like a name or an ID, and nothing that
// could be a sentence, an address or a line break: error texts go to logs.
func plainToken(s string) string {
	if len(s) > 80 {
		return ""
	}
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', b == '-', b == '.':
		default:
			return ""
		}
	}
	return s
}
