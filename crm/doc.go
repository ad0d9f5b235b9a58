// Package crm is the one gate to HubSpot's objects. Every call passes it, in this
// order: tool → permission → token → limiter → intent → call → outcome and audit.
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
// is looked after before anything is sent again. How, depends on the mode in
// which it was sent:
//
//   - keyed: the account has the property debrief_key, with unique values, on the
//     object type ([Gate.OfferKeys] says where, [Gate.CreateKeys] makes it). The
//     create carries the action's ID in it, in the one request that also makes
//     its links. HubSpot refuses the same key a second time and names the record
//     that has it.
//   - looked-up: it has not. The record is looked for among what it must be.
//
// What is done, by object type, situation and mode; the test of each row in
// brackets:
//
//	object type              | situation                              | keyed                                          | looked-up
//	-------------------------|----------------------------------------|------------------------------------------------|---------------------------------------------------------
//	any create               | first send [TestKeyed]                 | claim, then one call with key and links        | claim, then one call with links
//	                         | key refused: property deleted, not     | sent again without it, and for CacheAge the    | –
//	                         | writable [TestKeyComesAndGoes]         | type is looked-up; if an earlier call with a   |
//	                         |                                        | key was lost: unknown, a human is asked        |
//	                         | answer lost: look at once              | read by the key                                | see the object type
//	                         | … it is there [TestExactlyOneRecord]   | written                                        | written
//	                         | … it is not [TestKeyed, TestLost-      | sent again by the next attempt, at once: the   | after LateCommit looked for again, and sent again
//	                         | Answers]                               | later one is refused, whichever that is        |
//	                         | … nothing tells [TestLostAnswers]      | (can't be)                                     | after LateCommit: unknown, a human is asked
//	                         | the property came or went meanwhile    | property gone: as looked-up                    | looked-up: the call that is out has no key
//	                         | [TestKeyComesAndGoes]                  |                                                |
//	                         | refused for a unique value [TestKeyed, | the record named has our key: written, with a  | failed
//	                         | TestKeyedRecordFromBeforeTheEdit-      | note if it has other values than were sent     |
//	                         | SaysSo]                                | last; else as looked-up                        |
//	                         | a record to link was merged            | followed to the record that it is now          | the same
//	                         | [TestMergedAndArchived]                |                                                |
//	                         | … was archived [same]                  | left out, with a note; required: a human is    | the same
//	                         |                                        | asked                                          |
//	contact with e-mail      | the address exists                     | its record is adopted, not overwritten         | the same
//	                         | [TestContactThatExists]                |                                                |
//	                         | answer lost [TestLostAnswers]          | by the key                                     | by the address; equal and made since: written, else
//	                         |                                        |                                                | adopted
//	company with domain      | it is there by now [TestCompanyThat-   | search, then the links of contacts of the      | the same
//	                         | GotThereMeanwhile, TestOneContact-     | domain (no index lag): one: adopted; several:  |
//	                         | OneCompany]                            | a human is asked                               |
//	                         | a contact of the domain was created    | waits: the account may be about to make the    | the same
//	                         | less than a minute ago, or is being    | company by itself; then looks again            |
//	                         | [TestOneContactOneCompany]             |                                                |
//	                         | it is there, and an answer was lost    | after LateCommit as above: ours may still come | the same
//	                         | [TestNothingIsAdoptedWhileACall…]      |                                                |
//	                         | answer lost [TestLostAnswers]          | by the key                                     | links of a linked record; found by domain, else unknown
//	deal, ticket, note,      | answer lost [TestLostAnswers]          | by the key                                     | links of a linked record; without one: unknown
//	task, meeting            |                                        |                                                |
//	custom object            | answer lost [TestKeyed]                | by the key                                     | unknown: the create can't carry links
//	create with natural key  | another action has the claim, and a    | adopted (followed, if merged); archived: a     | the same
//	                         | record [TestClaims, TestMergedAnd-     | human is asked; gone for good: the claim is    |
//	                         | Archived]                              | taken over                                     |
//	                         | … and its call is out [TestClaims]     | waits                                          | the same
//	                         | … and is in doubt, or its call is out  | waits as long as its people may say; else a    | the same
//	                         | for five minutes [TestClaims, Test-    | human is asked                                 |
//	                         | NobodyWaitsForACall…]                  |                                                |
//	                         | … and wrote nothing [TestClaims]       | the claim is taken over                        | the same
//	company                  | two organizations share the account    | one claim for both; nobody waits for the       | the same
//	                         | [TestOrganizationsThatShareAnAccount]  | other's people                                 |
//
//	object type              | situation                                                | what is done
//	-------------------------|----------------------------------------------------------|-----------------------------------------------------------
//	any update               | read directly before [TestUpdates]                       | equal: unchanged; as planned: written
//	                         | changed by somebody else [TestUpdates, TestChangedWhile- | a human is asked
//	                         | ItWasLinked]                                             |
//	                         | merged [TestMergedAndArchived]                           | a human is asked; approved: the record that it is now
//	                         | archived [same]                                          | a human is asked; approved and still archived: failed
//	                         | gone for good [TestUpdates]                              | failed
//	                         | answer lost [TestUpdates]                                | read: has the values: written; else, after LateCommit, as
//	                         |                                                          | if it were the first time
//	link of what is there    | any [TestUpdates, TestContactThatExistsIsLinked]         | made, again if need be: that changes nothing; what may not
//	                         |                                                          | or can't be linked is noted
//
//	object type              | situation                                                | what is done
//	-------------------------|----------------------------------------------------------|-----------------------------------------------------------
//	any archive (undo alone) | read and compared directly before [TestUndoArchivesWhat- | nobody touched it: archived
//	                         | NobodyTouched]                                           |
//	                         | others changed a value, linked it, or another meeting    | a human is asked; approved: archived, unless something
//	                         | uses it [TestUndoKeepsWhatSomebodyTouched]               | else happened to it since the question
//	                         | merged [same]                                            | skipped
//	                         | archived or gone [same]                                  | unchanged
//	                         | answer lost [TestUndoArchivesOnce]                       | not there: written; else compared and sent again: twice is
//	                         |                                                          | once
//
// Of an archive: whether others touched a record is told by its values, by the
// history of every property that can be changed, and by its links with contacts,
// companies, deals, tickets and what stands on its timeline. A link with a custom
// object is not seen, nor is a value that somebody set and took back, of a property
// that Debrief wrote.
//
// "Links of a linked record": the create named records to be associated with, in
// the same request; the associations of one of them are read directly, not by
// the search index. A record there that was created since the attempt, with all
// properties as they were sent, and that no other action of ours wrote, is the
// one. None created since is "it is not"; one that is not quite the same, one that
// is the same and older (a clock may be wrong), or more links than one page, is
// "nothing tells". The key is no property of the record in
// this sense, and is shown nowhere.
//
// Creates are sent as creates, though HubSpot has a batch upsert by a unique
// property: that takes no links along, so that each would be a call more and what
// was written stand unlinked between them; and an upsert that comes late writes over
// what somebody changed meanwhile, where a create is refused.
//
// Whether an account has the key is read with the type's properties, and remembered
// for [Options].CacheAge. Of a call that is out, its audit row tells.
//
// What remains: between the read that an update begins with and its write,
// somebody may change a property, and that is overwritten: HubSpot has no
// conditional write (no ETag, no If-Match). It is as long as one call and one
// transaction; property histories would show it afterwards, and not prevent it. An
// account that makes companies from addresses later than a minute after the
// contact, or that did not put the contact's domain into the company, can end with
// two. A record that somebody archives within seconds of a lost answer is not
// found by its key, and made again.
//
// An answer that was lost stays lost whatever happens to the action afterwards
// (asked, rejected, expired, denied, planned anew): it is sent again only if a
// human who was asked what became of it wants that.
//
// A connection that lacks a permission (403) makes a question, too: once it was
// reconnected with it, an approval sends the action. So do values that HubSpot
// refuses, or misses, since an admin's rules want them (400): the question says so in
// HubSpot's words, and an approver may write others. A property that there is not, or
// that nobody may set, fails the action.
package crm
