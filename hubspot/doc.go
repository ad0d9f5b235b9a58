// Package hubspot is a thin client of HubSpot's public API at version
// 2026-09: OAuth, CRM objects of any type, associations, search, owners,
// pipelines, properties, account details and webhook signatures.
//
// What it promises:
//
//   - One method is one HTTP request. Nothing is retried and no page is
//     fetched behind the caller's back, so that who counts requests against
//     HubSpot's limits, and who decides whether a write may be sent again, sees
//     every one of them. (The exception is net/http's own: a request of which
//     no byte was sent on a reused connection goes out on a new one.)
//   - Every call is bounded in time and in the size of its answer.
//   - An error says what to do: the kinds ([ErrNotFound], [ErrConflict], …)
//     with errors.Is, the details with errors.As to [*Error], how long to wait
//     with [RetryDelay], and whether a write may have happened all the same
//     with [OutcomeUnknown].
//   - No error text holds a token, an e-mail address or a body; no answer,
//     whatever its shape, panics.
//
// What it must never do: import anything else of Debrief, keep a token
// anywhere but in the client that acts with it, log, sleep, or follow a
// redirect.
//
// Facts about HubSpot come from developers.hubspot.com as of November 2026;
// each stands, with its page, where it is used.
package hubspot
