// Package workflows holds Debrief's workflows: deterministic, without I/O, and
// readable as the story that they tell.
//
// What happened stands in Postgres; a message to a workflow only says "look
// again". So a workflow is a loop: look, do what is next, look again. Every
// wait also ends by a slow timer, so that a lost message costs minutes and not
// the work.
package workflows
