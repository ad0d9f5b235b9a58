// Command intake measures how fast Debrief takes webhooks in, beside what its
// PostgreSQL can do at most, in one run on one private server with fsync on:
//
//	(a) pgbench inserts one row of the same size a transaction, 32 clients
//	(b) the receiver (a real `debrief serve`), as many senders, a real signature
//	    on each request, each delivery another one, nothing understood meanwhile
//	(c) the same, with every fifth delivery sent again
//	(d) relay, Temporal and worker on: the rate at which no backlog grows
//
// (a), (b) and (c) take turns, so that a machine that is slow for a while is slow
// for all. Afterwards every acknowledged delivery is looked up. It listens on
// loopback alone, ends by itself, and fails if a request failed or a delivery is
// missing.
package main
