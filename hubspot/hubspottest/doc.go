// Package hubspottest is a HubSpot to test against: named and shaped like
// net/http/httptest, it serves HubSpot's public API at version 2026-09 (and the
// legacy v3 and v4 paths as aliases) from memory, for many accounts at once.
//
// It knows OAuth with the consent page and its refusals, CRM objects with
// HubSpot's validation, batches, search with its lag and walls, associations
// with their types, owners, pipelines, properties, rate limits with their
// headers, and it can fail on demand: before a write, after it, or by writing
// late. It keeps a list of every write with who made it, which is what a test
// of "written once" reads.
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
