// Package policy decides what may be done: a [Tool] is one operation on one CRM
// object type, a [Permission] says whether it is denied, asked about or allowed,
// and with nothing configured it is denied.
//
// It promises that [Decide] is a function of its arguments alone, that the
// strictest answer wins, and that what it doesn't know is denied. It must never
// do I/O, read a clock, or import anything of ours.
package policy
