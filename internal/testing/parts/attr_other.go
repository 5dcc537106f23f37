//go:build !linux

package main

import "syscall"

// attributes keep a child from hearing Ctrl-C, since it is ended in its turn.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
