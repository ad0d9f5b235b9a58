// Package temporaldev runs a Temporal server and Temporal's UI inside this
// process, for development and for end-to-end tests.
//
// It is one server with one history shard on SQLite, or for measuring with several on
// PostgreSQL, tuned so that a single workflow moves at the speed of the machine. Everything listens on 127.0.0.1
// only, there is no authentication, and nothing calls home: version checks and
// the UI's news are off. With a folder, state survives restarts.
//
// It is not for production: one process, one writer, and whoever reaches the
// port may do anything.
package temporaldev
