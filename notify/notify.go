package notify

import (
	"context"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Message is what one person is told.
type Message struct {
	// ID is the notice's: the same for each try, so that whoever gets it twice can
	// tell.
	ID uuid.UUID
	// To is an e-mail address, without a name.
	To      string
	Subject string
	// Text is the plain form, HTML the same for who wants it. Language is theirs.
	Text, HTML, Language string
	// After are the IDs of the messages that it goes on from, the first one first.
	After []uuid.UUID
}

// Sender carries a message to a person. It returns nil once the message is in
// the hands of whoever delivers it, and else a [*SendError] that says what to do.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// SendError is why a message could not be sent. Its text is for people: it names
// nobody, and holds nothing that a server said but its code.
type SendError struct {
	Reason string
	// Permanent: this message will never be taken.
	Permanent bool
	// Away: it is not about this message, and the next one would fare the same.
	Away bool
	// Refused: Slack does not accept the app itself.
	Refused bool
	// Doubt: it may have been taken all the same.
	Doubt bool
	// After is how long to wait before anything else is sent there; 0: as usual.
	After time.Duration

	// code is Slack's name of the error, if it gave one.
	code string
}

// Error gives the reason.
func (e *SendError) Error() string { return e.Reason }

// Internal says whether an address, as it would be sent to, is a plain one in one
// of the domains. It is the last look before sending: whatever the address is
// taken from, nothing leaves the organization.
func Internal(address string, domains []string) bool {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`,;:<>()[]"\`, r) }) {
		return false
	}
	if strings.IndexByte(address, '@') != at {
		return false
	}
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address || parsed.Name != "" {
		return false
	}
	return slices.ContainsFunc(domains, func(d string) bool { return d != "" && strings.EqualFold(d, address[at+1:]) })
}
