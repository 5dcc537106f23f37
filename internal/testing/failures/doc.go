// Package failures breaks things on purpose: real replicas, PostgreSQL, SpiceDB and Redis are killed, paused, emptied and
// restarted while rights change, and no answer may be from before a revoke that has returned.
//
//	go test ./internal/testing/failures -run TestStress -revokes 20000
//	go test ./internal/testing/failures -run TestStress -seed 4711      # the chance of a failed run again
//
// Everything is asked over HTTP, of processes of the built program. Every wait is a poll with a deadline.
package failures
