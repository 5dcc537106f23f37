// Package failpoint lets a test stop the built program at a named step of a change, to kill it there. Without the build tag
// "failpoints" it does nothing and costs nothing.
package failpoint
