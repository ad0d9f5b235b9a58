// Package activities holds what workflows may ask the world for. Each activity is
// idempotent: it may run again after it succeeded, and nothing happens twice.
//
// What comes back to a workflow is IDs, states and times, never what was said.
package activities
