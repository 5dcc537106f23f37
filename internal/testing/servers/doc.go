// Package servers starts the real servers that tests and the local cluster need: PostgreSQL and Redis, on free loopback
// ports, in folders of their own. Nothing of them is left behind when the process ends, also when it is killed.
//
//	func TestIt(t *testing.T) {
//		url := servers.Postgres(t).URL // an empty database on a cluster that all tests of the process share
//		err := postgres.Migrate(t.Context(), url)
//		db, err := postgres.Open(t.Context(), url)
//
//		r := servers.Redis(t)          // a server of this test's own
//		client := redis.NewClient(r.Options())
//		r.Pause()                      // it takes connections and answers nothing
//		r.Resume()
//		r.Stop()                       // it refuses connections
//		r.Start(t.Context())           // under the same URL
//	}
//
// A test whose server's program is not installed is skipped, and fails when CI=true. Programs that are no tests use
// StartPostgres and StartRedis.
package servers
