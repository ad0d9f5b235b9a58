// Package crm is the one gate to HubSpot's objects. Every call passes it, in this
// order: tool → permission → limiter → token → intent → call → outcome and audit.
//
// What it promises:
//
//   - Nothing is sent that the organization's permissions do not let through,
//     as they stand at the moment of the call.
//   - An action that the tool's permission asks about, or that is in doubt, is
//     sent only with a human's approval of exactly this content.
//   - An action is carried out at most once, whatever is killed and whenever,
//     however many attempts run at once: see [Gate.Write].
//   - A property that somebody else changed since the plan was made is not
//     overwritten: a human is asked.
//   - Each call has one audit row, attempted before it, completed after it.
//   - No error, reason or audit column holds a token, a name, an address or a
//     value.
//
// What it must never do: decide what should be written, ask a human itself,
// sleep, or retry (but for the one renewal of a token that HubSpot no longer
// takes): when to try again is said by [*RetryError].
//
// # Writes without duplicates
//
// HubSpot has no idempotency key: a create whose answer was lost may have
// happened, or may still happen until HubSpot gives up on it (its 524, after
// 100 s; [Options].LateCommit). Before a create goes out, its natural key is
// claimed and its audit row stands as attempted; an action found in that state
// is looked after before anything is sent again.
//
//	object                   | first send                            | answer lost, at once        | later than LateCommit, found      | … certainly not there | … not certain
//	contact with e-mail      | claim; a 409's record is adopted      | read by e-mail              | written, or unchanged if not ours | sent again            | –
//	company with domain      | claim; searched by domain and adopted | links of a linked record,   | written                           | sent again, if linked | unknown: a human is asked
//	                         |                                       | else search by domain       |                                   |                       |
//	deal, ticket, note,      | claim, if it has a natural key        | links of a linked record    | written                           | sent again            | unknown: a human is asked
//	task, meeting: linked    |                                       |                             |                                   |                       |
//	anything without link,   | claim, if it has a natural key        | –                           | –                                 | –                     | unknown: a human is asked
//	e-mail or domain         |                                       |                             |                                   |                       |
//	update of anything       | read; equal: unchanged; changed by    | read; equal: written        | written                           | read anew, as first   | –
//	                         | others: a human is asked              |                             |                                   |                       |
//	association              | done again freely: it changes nothing | done again                  | –                                 | –                     | –
//
// "Links of a linked record": the create named records to be associated with, in
// the same request; the associations of one of them are read directly, not by
// the search index. A record there that was created since the attempt, with all
// properties as they were sent, and that no other action of ours wrote, is the
// one. None created since is "certainly not there"; one that is not quite the
// same, or more links than one page, is "not certain".
//
// Natural keys, for creates that race or repeat: claimed by an action that has a
// record, this one becomes unchanged and points to it (read first; a record that
// is gone is not adopted), and its associations are made; under way elsewhere, it
// waits; failed, rejected or expired elsewhere, the claim is taken over. Where
// nothing tells whether the other action wrote, this one waits as long as a human
// may still say so, and else asks.
//
// An answer that was lost stays lost whatever happens to the action afterwards
// (asked, rejected, expired, denied, planned anew): it is sent again only if a
// human who was asked what became of it wants that.
//
// A connection that lacks a permission (403) makes a question, too: once it was
// reconnected with it, an approval sends the action.
package crm
