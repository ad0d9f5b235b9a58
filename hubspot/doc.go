// Package hubspot is a thin client of HubSpot's public API at version
// 2026-09: OAuth, CRM objects of any type (custom ones by name or type ID),
// associations and their labels, search, owners, pipelines, properties,
// schemas, account details, webhook signatures and events, and the webhooks
// journal.
//
// What it promises:
//
//   - One method is one HTTP request. Nothing is retried and no page is
//     fetched behind the caller's back, so that who counts requests against
//     HubSpot's limits, and who decides whether a write may be sent again, sees
//     every one of them: [Options].OnRequest is asked before each, and
//     OnResponse told after each, with the budget that it counts against and
//     what the answer said of it. (The exception is net/http's own: when a
//     reused connection turns out dead, it sends a read, or a request of which
//     no byte was sent, on a new one.)
//   - Every call is bounded in time, with a context that has no deadline too,
//     and in the size of its answer.
//   - An error says what to do: the kinds ([ErrNotFound], [ErrConflict], …)
//     with errors.Is, the details with errors.As to [*Error] and
//     [*OAuthError], how long to wait with [RetryDelay], and whether a write
//     may have happened all the same with [OutcomeUnknown].
//   - No error text holds a token, an e-mail address or a body; no answer,
//     whatever its shape, panics. One that is not understood is an error: an
//     answer without its list is not an empty one.
//   - What HubSpot's strings mean stands in one place, values.go.
//
// What it must never do: import anything else of Debrief, keep a token
// anywhere but in the client that acts with it, send one to anywhere but the
// API's root, log, sleep, or follow a redirect.
//
// Facts about HubSpot come from developers.hubspot.com as of November 2026;
// each stands, with its page, where it is used.
package hubspot
