// Package card shows what is asked, decided and written about one meeting as an
// approver reads it: one card per meeting, a line per action, each a typed diff
// with the account's own labels. Pages, Slack, e-mail, the command line and the
// Temporal UI show the same card, each in its own form.
//
// What it promises: everything a line says comes from the action that is frozen
// by its hash and from what the CRM knew when it was planned; where a label is not
// known the internal name is shown, never nothing.
//
// What it must never do: call HubSpot, decide anything, or write.
package card
