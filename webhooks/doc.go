// Package webhooks receives what meeting platforms send, and understands it.
//
// A [Platform] is a value: how it signs, how it answers a handshake, how it
// names a delivery, and what its bodies mean. One file for each, or a [Definition]
// in platforms/. The [Receiver] verifies a request against the raw bytes, stores
// it, and answers; the [Relay] turns what is stored into events in their meetings,
// and passes wakeups on. What a webhook only names, the [Fetcher] gets from the
// platform's [API] first, when the workflow of the delivery asks it to.
//
// A 2xx is sent only after the delivery is committed: an acknowledged webhook is
// never lost. Nothing is stored of what was not signed, and nothing tells an
// unsigned sender whether a source exists. A genuine delivery that can't be used
// is kept and answered with 2xx all the same, since platforms never retry a 4xx
// and some switch the subscription off.
//
// The package must never answer a challenge before its signature is verified,
// sign what a sender chose freely, or put a body, a header's value or a secret
// into a log, an error or an answer.
package webhooks
