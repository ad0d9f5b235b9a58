// Package policy decides what may be done: a [Tool] is one operation on one CRM
// object type, a [Permission] says whether it is denied, asked about or allowed,
// and with nothing configured it is denied. A [Rule] is a condition on top of the
// permissions: an expression over what would be written ([Variables]), and what
// it says where that is true.
//
// It promises that a [Decision] is a function of its arguments alone; that the
// strictest of permission, host's permission and matching rules wins, in whatever
// order they come; that a rule opens nothing unless it says that it loosens, and
// never what is denied; that a rule which needs what is not known, fails or works
// too long asks; and that what it doesn't know is denied. It must never do I/O,
// read a clock, or import anything of ours.
package policy
