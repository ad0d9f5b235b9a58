// Package slacktest stands in for Slack's side: the Web API as far as Debrief
// calls it, with the limits that Slack checks, and people who click on messages
// and send modals, each payload signed as Slack signs it.
//
// What it promises: it refuses what Slack documents to refuse (a wrong token, more
// blocks or longer texts than allowed, a trigger that is used twice or too late,
// more than one message a second where that is switched on), by Slack's names for
// the errors. What it took stays taken, also when the answer is lost on purpose.
//
// Where it is simpler: one workspace and one app, no threads beyond replies, no
// rate limits unless a test asks for them. The facts are from docs.slack.dev, read
// in November 2026.
package slacktest
