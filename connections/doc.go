// Package connections joins organizations to HubSpot: it leads a person through
// HubSpot's consent, keeps what was granted, and hands out access tokens that
// work.
//
// What it promises:
//
//   - A token is refreshed ahead of its end, once in the whole fleet; everyone
//     else adopts the winner's. Whichever refresh token comes back is kept.
//   - A refusal for good ends the connection's state, not the work: that waits,
//     and is woken when the connection is back. A passing failure, or an app
//     that is set up wrongly, loses nothing.
//   - What stands in a connection is what HubSpot granted, not what was asked.
//   - A connection that ended anywhere is ended everywhere within seconds.
//
// Only the gate (package crm) may ask for tokens.
//
// What it must never do: put a token, a client secret, a code or an e-mail
// address into an error or a log; replace one account's connection by another's;
// end a connection because of a failure that may pass.
package connections
