// Command briefings measures what briefs cost that wait, and how fast they go out when
// many are due at once, with the real `debrief serve` and `debrief worker`, an embedded
// Temporal server, a private PostgreSQL with fsync on and the HubSpot simulator with its
// limits on:
//
//	(a) meetings of days to come are scheduled by signed webhooks, and each brief has a
//	    workflow that waits: how long that takes from the moment that the event is
//	    understood, what memory the worker has, and what room they take
//	(b) a crowded minute: a thousand briefs are due at the same moment, over a hundred
//	    HubSpot accounts, and fifty more for one account; each is a mail that a real SMTP
//	    server takes
//
// It listens on loopback alone, ends by itself, and fails if a brief was not told, or was
// told twice, or HubSpot refused a call for a limit.
package main
