// Package fairness proves that HubSpot accounts share what Debrief has without
// starving each other: on a real Temporal server, with the real store, gate,
// activities and the worker's options. HubSpot is simulated, with its limits on.
package fairness
