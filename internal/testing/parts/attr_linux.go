package main

import "syscall"

// attributes keep a child from hearing Ctrl-C, since it is ended in its turn, and let the kernel end it when this process
// ends before it could.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}
