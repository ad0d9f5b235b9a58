// Package hubspottest is a HubSpot to test against: named and shaped like
// net/http/httptest, it serves HubSpot's public API at version 2026-09 (and the
// legacy v3 and v4 paths as aliases) from memory, for many accounts at once.
//
// It knows OAuth with the consent page and its refusals, CRM objects with
// HubSpot's validation and an account's own rules, batches, search with its lag
// and walls, associations with their types and labels, owners, pipelines,
// properties, custom objects, rate limits with their headers, signed webhooks
// with retries, duplicates and disorder, and the webhooks journal. It can fail
// on demand: before a write, after it, or by writing late. It keeps a list of
// every write with who made it, which is what a test of "written once" reads.
//
// Everything happens under one lock, by the simulator's clock: what is due
// later is done by whoever looks next. Only webhooks are sent by a goroutine,
// which starts with the first of them and ends with [Server.Close].
//
// What it promises: it imports nothing of the client that it is used to test,
// so that one misreading of HubSpot cannot hide in both; it listens on
// loopback only; its clock moves only forward, by real time and by
// [Server.Advance].
//
// What it must never be: reachable from outside. Its control API under /sim/
// has no authentication.
//
// Its facts come from developers.hubspot.com as of November 2026. Where HubSpot
// documents nothing, a setting gives the other answer too.
package hubspottest
