// Package deploy holds the tests of what the program is delivered in: the Dockerfile, docker-compose.yml and the files that
// they mount. No engine runs here. The Compose file is read as Compose reads it (compose-go), the scripts run against real
// servers; what only an engine can show is listed in docs/operating.md.
package deploy
