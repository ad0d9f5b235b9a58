// Package planner makes a plan from a meeting: what should change in the CRM,
// as drafts of actions, each with a stable key.
//
// It works in two steps. [Resolve] asks the CRM, in few calls, what it knows of
// those who were there. [Plan] makes drafts of the meeting and that answer.
// The answer can be stored, so that a plan can be made again from the record.
//
// What it promises:
//
//   - Plan is a pure function: the same input gives the same drafts with the
//     same keys, in whatever order attendees, items and proposals came.
//   - Nothing is guessed. Where two records could be meant, where a record can't
//     be found or looked up, the draft carries a Doubt, and a human is asked: with
//     the records that could be meant, and why each could.
//   - What is called by a name is who was there, then who and what is of their
//     companies, then what a search finds by it: at most two searches a plan, and what
//     only a search found is a question. The first of these that has the name decides,
//     and where several there have it, it is a question.
//   - A meeting is put on the deal that was named, else on those that were open then or
//     closed shortly before, narrowed by who was there ([store.DealSettings]); where
//     more than one is left, it is a question.
//   - Nobody is asked for what would fail. What is proposed is checked against the
//     account's own properties, options, pipelines and stages; a value that HubSpot
//     would refuse is left out, and the approver finds in its place what the record
//     has now, or nothing. Which values an account's admins require under which
//     conditions HubSpot tells nobody (developers.hubspot.com, "Properties", November
//     2026): those it asks for when it refuses the write, and then the approver is
//     asked again.
//   - What was said is written only where it was said plainly: what is conditional, told
//     of others, laughed at, taken back later, of another time, or does not name what it
//     would fill, is a question, whoever proposes it. A platform is believed only where
//     it keeps the transcript to itself.
//   - What is said or denied is told by the part of the sentence that names it, and what
//     is taken back, asked, hoped or limited right after is a question. Where two planners
//     heard the same in the same words, what only a single listener could not be sure of
//     is none.
//   - A quotation is held against what stands around it, to some two thousand bytes: what
//     is proposed costs no more of a long talk than of a short one.
//   - A currency is written only where it was said with the amount.
//   - Nothing is overwritten by a rule: what HubSpot has stands, unless a
//     proposal says otherwise and shows the old value.
//   - A property that already has its value is not written, and an update with
//     nothing left is not drafted.
//   - What needs no answer waits for none: a meeting, note or task that has a
//     record in HubSpot to be logged on, and asks nothing, comes before the
//     records that the plan makes, and these take the link along. Only where
//     nothing is there yet, the log waits for what is made.
//   - Keys hold no personal data.
//
// Questions that need more than yes or no ride on properties that HubSpot does
// not know, whose names begin with [store.QuestionPrefix]. A draft with a doubt may
// carry one; the approver edits it; [Answers] takes what the approver wrote to the
// next Resolve and Plan, which then draft the action without the doubt. They must
// never be sent to HubSpot:
//
//   - [store.AttendeesProperty], on the meeting: who was there, as e-mail addresses
//     with or without names, separated by commas, semicolons or lines.
//   - [DealProperty], on the meeting: the ID of the deal it belongs to; left
//     empty, it belongs to none of them.
//   - [CompanyProperty], on a new contact: the ID of the contact's company; left
//     empty, the contact is linked with none of them.
//   - [store.TargetProperty], on a proposed update: the ID of the record that is
//     meant, or [store.NoneOfThese], which drafts a create in its place. On a proposed
//     create whose record may be there already: [store.NoneOfThese] as it is asked, or
//     the ID of the record that is meant, which drafts an update in its place.
//
// The records that could be meant stand in the draft's Candidates, the likeliest
// first, with reasons as codes ([ReasonOwner] and others).
//
// What it must never do: write to the CRM, call a network by itself, read a
// clock, decide a permission, or put a transcript, a quotation or an internal
// remark into a record.
package planner
