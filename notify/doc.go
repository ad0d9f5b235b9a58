// Package notify tells people what they have to know and do, in Slack, by e-mail
// and to programs of their own, and shows the same cards there as the pages do.
//
// The store keeps what has to be told as notices, written in the transaction that
// has the reason. An [Outbox] claims them, puts each into words in its
// recipient's language, and hands it to Slack or to a [Sender]. It also keeps
// the messages in Slack up to date: whatever changes a question marks them.
//
// What it promises:
//
//   - A notice is told once to each person, however many processes send. A mail is
//     sent again, with the same Message-ID, only where a process dies between the
//     mail server's answer and its own commit; a message in Slack not even then.
//   - There is one message in Slack per meeting and person. It is edited when the
//     card changes, and shows nothing that can be pressed once all is answered.
//   - A server that is away, or refuses for now, loses nothing: it is tried again
//     at growing intervals, for a day. One that refuses for good ends it, with the
//     reason where notices are listed. Where Slack does not accept the app, people
//     are told by mail.
//   - Whoever is to be briefed is told by the first of their channels that takes it, and
//     by no other. One that takes too long, or refuses, gives way to the next; the page
//     has it in any case. Where nobody knows whether a channel took it, no other one is
//     tried: there may be a brief on its page alone, and never two. (A mail that may have
//     been taken is sent once more, as the same mail; an endpoint for webhooks tells by
//     the message's ID what comes twice.)
//   - What has changed comes in the thread, or the conversation of mails, of the brief.
//   - What is no longer so when its turn comes is not told: a connection that is
//     back, or a question that is answered, needs nobody.
//   - Of questions nobody is told in their quiet hours, and who wants that once a
//     day.
//   - Whoever left is not told; who answers for that person is.
//
// What it must never do: send to an address outside the organization's own
// domains, to a guest in Slack or to a channel with one; post a webhook to an address
// that is not a public one, or that a redirect names; put more than a title and
// a link into a channel; put what was said into a mail, but for briefs, which go where
// their readers chose; put anything into what shows on a locked screen but how much
// there is, and when; put a one-time token into a mail, which is older than such a
// token lives; load anything from elsewhere or learn whether a mail was read; put
// a person's name or address into a subject, a log or an error; decide anything.
package notify
