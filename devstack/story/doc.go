// Package story tells in a terminal what is going on: calmly, aligned, one line
// for each thing that was done, with the time that it took.
//
// Where the output is no terminal, or NO_COLOR is set, there is neither colour
// nor movement; the lines are the same. It is for people: what programs read
// goes elsewhere.
package story
