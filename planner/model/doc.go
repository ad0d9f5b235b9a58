// Package model asks a language model what a meeting changes in the CRM.
//
// A [Question] is made of a meeting and of what HubSpot knows of those who were
// there, by a pure function: the same meeting makes the same requests. A [Model]
// answers one request; there are two, by the well-kept clients of their makers: any
// endpoint that speaks OpenAI's chat completions (a server of one's own counts), and
// Anthropic's messages. [Asker.Ask] splits what is too long, repairs and retries
// within bounds, and merges the parts into one [Answer], which is recorded, so that a
// plan can be made again without asking.
//
// What it promises:
//
//   - A model can name nothing beyond what it was offered. Records, owners and stages
//     have handles (r1, o1, s1) that mean something in this question alone: HubSpot's
//     IDs are not sent, and what else stands in an answer is dropped. Tools that are
//     denied are not offered.
//   - What was said is data. It stands between marks that nobody who speaks in a
//     meeting can know, and whatever an answer makes of it is held against the
//     meeting's words by the planner, like everybody's proposals.
//   - E-mail addresses and phone numbers of attendees and records are not sent. Of one
//     that stands for a name it is what comes before the @.
//   - Every wait, retry and size has a bound. What goes wrong is a [Failure], without
//     a word of the request or the answer: the libraries' own errors quote both, and
//     are never wrapped.
//
// What it must never do: call an endpoint that nobody configured, follow a redirect,
// take credentials, addresses or headers from the environment (but for the proxy by
// which the machine reaches the network), or write to the CRM.
package model
