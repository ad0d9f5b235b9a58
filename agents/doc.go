// Package agents lets those who are no person use Debrief's tools: agents by the
// Model Context Protocol, and scripts.
//
// Whoever calls does so for one person of one organization, and may do no more than
// that person's permissions allow: a tool that is denied is neither listed nor called,
// one that is allowed runs, and one that asks makes a question for the organization's
// approvers and gives the caller a handle to look again with. Nothing here answers a
// question. A worker carries writes out, never the caller's process, so that one that
// goes away changes nothing; the same call twice is one.
//
// What a caller says of itself, its reasons included, is shown to people and believed
// by nobody.
package agents
