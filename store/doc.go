// Package store is Debrief's memory: the only place with SQL.
//
// It holds what happened, in PostgreSQL 15 or later: deliveries, events and the
// meetings that they fold into, plans and questions, decisions, connections,
// the trail. What was said and what people typed is sealed before it is
// written (see package vault) and opened when it is read, so callers see plain
// values and a copy of the database shows none.
//
// Functions that change more than one thing do so in one transaction, and say
// so. Nothing here calls a network but PostgreSQL's, and nothing decides: the
// rules stand in policy, planner and crm.
package store
