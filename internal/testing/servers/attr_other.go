//go:build !linux

package servers

import "syscall"

// attributes leave it to the janitor to end a child when this process ends.
func attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
