// Package browser holds what only a real browser can prove: that a person gets
// through the pages, Debrief's and Temporal's, and finds there what the other
// end-to-end tests see through commands and APIs.
//
// It is all tests. They need Chromium; nothing else in this repository does.
package browser
