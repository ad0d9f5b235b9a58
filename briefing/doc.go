// Package briefing tells the host of a meeting, before it begins, who is coming and
// what is open with them.
//
// It works in two steps. [Read] asks the CRM, in few calls, what it knows of those who
// are coming to one meeting, or to all of a digest's. [Reading.Brief] makes one meeting's
// [Brief] of that and of what Debrief itself knows. [Compose] does both. A brief holds
// facts and no sentences: [Brief.Page] puts it into words, in the reader's language and time
// zone, as [ChangesPage] does with what changed and [DigestPage] with a day or week; a [Page]
// lays itself out as text, HTML or Slack's blocks.
//
// What it promises:
//
//   - Every line is a fact with the page where it stands, in HubSpot or in Debrief, or
//     says what is missing and why, or is marked as generated. Nothing generated stands
//     anywhere else.
//   - What may not be read is absent, and the brief says so. Any other failure of a read
//     ends the composing: a brief is never silently half of one.
//   - The same input and the same answers make the same brief.
//   - [Changes] finds what matters to somebody who was told already, and nothing that
//     only the time that went by has changed.
//   - Everything has a bound: people, records, lines, texts; and what was left out is
//     counted.
//   - The calls are those of docs/hubspot-calls.md, "A briefing", which a test counts.
//
// What it must never do: write to the CRM, call a network by itself, read a clock, decide
// a permission, follow or load anything that a record says, or let what people wrote
// become markup.
package briefing
