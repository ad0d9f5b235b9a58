// Package codec keeps what passes through Temporal unreadable to Temporal.
//
// Every payload (arguments, results, signals, updates, queries, memos, failure
// messages) is sealed with a data key that its metadata names. A workflow about
// a meeting uses the meeting's key, so that deleting that one key erases what
// its histories say; everything else uses the installation's. Search attributes
// do not pass here: they are stored in clear, and must hold nothing to hide.
//
// Use [Configure] on the options of every Temporal client. [NewHandler] is the
// endpoint by which the Temporal UI reads and writes payloads.
//
// What it promises:
//
//   - A payload that it did not seal passes through unchanged.
//   - What was erased is [store.ErrErased], and a readable placeholder in the
//     Temporal UI; it never panics for that.
//   - When keys cannot be had just now, a workflow is not failed by it: its task
//     fails, and Temporal tries it again.
//
// What it must never do: put a key or a plaintext into an error or a log, or
// decrypt for someone who has not been let in.
package codec
