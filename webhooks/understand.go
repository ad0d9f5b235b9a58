package webhooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// understand maps a delivery and checks what comes out. Everything wrong with it
// is an [Unfit].
func (p Platform) understand(d Delivery) ([]meeting.Event, error) {
	if encoding := d.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		// The signature covers the bytes as sent, so they can be verified and
		// kept; but no platform compresses, and unpacking is a way to blow up.
		return nil, Unfit{"the body is compressed: send it as it is"}
	}
	if err := checkShape(d.Body); err != nil {
		return nil, err
	}
	events, err := p.mapping.Events(d)
	if err != nil {
		return nil, err
	}
	for i, e := range events {
		e.DedupeKey = boundedKey(e.DedupeKey)
		e = e.Normalize()
		if err := e.Validate(); err != nil {
			var invalid *meeting.InvalidError
			if errors.As(err, &invalid) {
				return nil, Unfit{invalid.Error()}
			}
			return nil, err
		}
		events[i] = e
	}
	return events, nil
}

// key is the delivery's dedupe key, fit for an index.
func (p Platform) key(d Delivery) string {
	if k := p.mapping.Key(d); k != "" {
		return boundedKey(k)
	}
	return bodyKey(d.Body)
}

// bodyKey names a delivery that has no other name.
func bodyKey(body []byte) string {
	sum := sha256.Sum256(body)
	return "body:" + hex.EncodeToString(sum[:])
}

// boundedKey keeps a key that is short and plain, and hashes any other: senders
// choose them, and an index has limits.
func boundedKey(k string) string {
	plain := len(k) <= 255
	for i := 0; plain && i < len(k); i++ {
		plain = k[i] > ' ' && k[i] < 0x7f
	}
	if plain {
		return k
	}
	sum := sha256.Sum256([]byte(k))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Limits of a body's shape. A few megabytes of brackets would otherwise grow to
// gigabytes when decoded.
const (
	maxDepth  = 64
	maxValues = 500_000
)

// checkShape reads over the tokens of a JSON text, without building anything,
// and refuses what is nested too deep or has too many values. Whether it is
// valid JSON is for the decoder to say.
func checkShape(body []byte) error {
	depth, values := 0, 0
	inString := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			depth++
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if depth > maxDepth {
			return Unfit{fmt.Sprintf("the JSON is nested deeper than %d levels", maxDepth)}
		}
		if values > maxValues {
			return Unfit{fmt.Sprintf("the JSON has more than %d values", maxValues)}
		}
	}
	return nil
}

// understandStored gives a stored delivery its verdict: its events stand in
// their meetings afterwards, or the reason why not stands with the delivery. An
// error means that neither could be done for now. It can be repeated.
//
// One that only names something waits for that instead, where the source can ask the
// platform for it; result says so.
func understandStored(ctx context.Context, s *store.Store, platforms map[string]Platform, d store.Delivery) (result outcome, err error) {
	defer func() {
		// A body that breaks a mapping must not take the process with it. What
		// panicked may quote the body: only its type is told.
		if p := recover(); p != nil {
			err = fmt.Errorf("understanding delivery %s: the mapping of %s panicked (%T)", d.ID, d.Platform, p)
		}
	}()
	read, err := readStored(ctx, s, platforms, d)
	if err != nil {
		return result, err
	}
	// Before it is settled: asked twice does no harm, and not at all would.
	if read.lookAgain {
		if err := s.AskUpkeep(ctx, d.SourceID); err != nil {
			return result, err
		}
	}
	if read.verdict != "" {
		return result, s.SettleDelivery(ctx, d.ID, read.verdict, read.reason)
	}
	if read.crm {
		_, err := s.UnderstoodCRM(ctx, d.ID, read.changes)
		return result, err
	}
	if read.thin && d.State == store.DeliveryReceived {
		result.fetching = true
		return result, s.StartFetching(ctx, d.ID)
	}
	result.Understanding, err = s.Understood(ctx, d.ID, read.organizationID, read.events)
	return result, err
}

// outcome is what became of a delivery.
type outcome struct {
	store.Understanding
	// fetching: it waits for what it only names.
	fetching bool
}

// stored is what a stored delivery means: the events of an organization's, or the
// verdict why there is nothing to do.
type stored struct {
	organizationID uuid.UUID
	events         []meeting.Event
	// thin says that it names something which the platform can be asked for and was
	// not yet.
	thin bool
	// lookAgain says that its source is to be looked after now.
	lookAgain bool
	// crm says that it tells of changes in a CRM instead.
	crm     bool
	changes []hubspot.WebhookEvent
	verdict store.DeliveryState
	reason  string
}

func readStored(ctx context.Context, s *store.Store, platforms map[string]Platform, d store.Delivery) (stored, error) {
	source, err := s.Source(ctx, d.SourceID)
	if err != nil {
		return stored{}, err
	}
	platform, err := PlatformOf(source, platforms)
	if err != nil {
		return stored{}, fmt.Errorf("understanding delivery %s: %w", d.ID, err)
	}
	body, fetched, err := s.BodyAndFetched(ctx, d.ID)
	if errors.Is(err, store.ErrErased) {
		return stored{verdict: store.DeliveryExcluded, reason: wordsErased}, nil
	}
	if err != nil {
		return stored{}, err
	}
	delivery := deliveryOf(d, body, fetched)
	read, err := readAs(ctx, s, source, platform, delivery)
	if err != nil {
		return stored{}, fmt.Errorf("understanding delivery %s: %w", d.ID, err)
	}
	mapping, is := platform.mapping.(lookingAgain)
	read.lookAgain = is && mapping.LookAgain(delivery)
	return read, nil
}

// readAs says what a source's delivery means.
func readAs(ctx context.Context, s *store.Store, source store.Source, platform Platform, delivery Delivery) (stored, error) {
	var unfit Unfit
	if crm, is := platform.mapping.(crmMapping); is {
		changes, err := crm.changes(delivery.Body)
		if errors.As(err, &unfit) {
			return stored{verdict: store.DeliveryUnprocessable, reason: unfit.Reason}, nil
		}
		if err != nil {
			return stored{}, err
		}
		return stored{crm: true, changes: changes}, nil
	}
	events, err := platform.understand(delivery)
	if errors.As(err, &unfit) {
		return stored{verdict: store.DeliveryUnprocessable, reason: unfit.Reason}, nil
	}
	if err != nil {
		return stored{}, err
	}
	organizationID, err := organizationOf(ctx, s, source, events)
	if errors.Is(err, store.ErrNotFound) {
		return stored{verdict: store.DeliveryUnrouted, reason: "no organization has connected the sender's account"}, nil
	}
	if err != nil {
		return stored{}, err
	}
	mapping, is := platform.mapping.(fetching)
	thin := is && delivery.Fetched == nil && len(source.Credentials) > 0 && mapping.Thin(delivery)
	return stored{organizationID: organizationID, events: events, thin: thin}, nil
}

const wordsErased = "its words were erased"

// deliveryOf is a stored delivery as mappings see it.
func deliveryOf(d store.Delivery, body, fetched []byte) Delivery {
	header := http.Header{}
	for name, v := range d.Headers {
		header.Set(name, v)
	}
	return Delivery{SourceID: d.SourceID, ReceivedAt: d.ReceivedAt, Header: header, Body: body, Fetched: fetched}
}

// Previewed is what would become of a delivery.
type Previewed struct {
	OrganizationID uuid.UUID
	// Events are what it tells; none if Reason says why it can't be used.
	Events []meeting.EventType
	Reason string
	// MeetingIDs are the meetings that are there and that it tells of, and Changed
	// those that it would change, new ones among them.
	MeetingIDs, Changed []uuid.UUID
}

// Preview says what would become of a stored delivery if it were looked at now, and
// changes nothing.
func Preview(ctx context.Context, s *store.Store, platforms map[string]Platform, d store.Delivery) (p Previewed, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("previewing delivery %s: the mapping of %s panicked (%T)", d.ID, d.Platform, panicked)
		}
	}()
	read, err := readStored(ctx, s, platforms, d)
	if err != nil {
		return p, err
	}
	if read.verdict != "" {
		return Previewed{Reason: read.reason}, nil
	}
	if read.crm {
		return Previewed{Reason: "it tells of changes in the CRM, which are looked at again and do nothing twice"}, nil
	}
	u, err := s.PreviewUnderstood(ctx, d.ID, read.organizationID, read.events)
	if err != nil {
		return p, err
	}
	if read.thin {
		u.Reason = strings.TrimPrefix(u.Reason+"; the platform would be asked first for what it only names", "; ")
	}
	p = Previewed{OrganizationID: read.organizationID, Reason: u.Reason, MeetingIDs: u.MeetingIDs, Changed: u.Changed}
	for _, e := range read.events {
		p.Events = append(p.Events, e.Type)
	}
	return p, nil
}

// organizationOf says whose the delivery is: its source's, or for a source of
// the whole installation, that of the account that all its events come from.
func organizationOf(ctx context.Context, s *store.Store, source store.Source, events []meeting.Event) (uuid.UUID, error) {
	if source.OrganizationID != nil {
		return *source.OrganizationID, nil
	}
	account := ""
	for _, e := range events {
		if e.ProviderAccountID == "" || (account != "" && e.ProviderAccountID != account) {
			return uuid.Nil, store.ErrNotFound
		}
		account = e.ProviderAccountID
	}
	return s.AccountOrganization(ctx, source.ID, account)
}
