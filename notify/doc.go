// Package notify tells people what they have to know and do, by e-mail.
//
// The store keeps what has to be told as notices, written in the transaction that
// has the reason. An [Outbox] claims them, puts each into words in its
// recipient's language, and hands it to a [Sender].
//
// What it promises:
//
//   - A notice is told once to each person, however many processes send. Only a
//     process that dies between the mail server's answer and its own commit makes
//     a second copy, with the same Message-ID.
//   - A mail server that is away, or refuses for now, loses nothing: it is tried
//     again at growing intervals, for a day. One that refuses for good ends it,
//     with the reason where notices are listed.
//   - What is no longer so when its turn comes is not told: a connection that is
//     back needs nobody.
//   - Whoever left is not told; who answers for that person is.
//
// What it must never do: send to an address outside the organization's own
// domains; put a one-time token into a mail, which is older than such a token
// lives; load anything from elsewhere or learn whether a mail was read; put a
// person's name or address into a subject, a log or an error.
package notify
