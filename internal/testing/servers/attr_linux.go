package servers

import "syscall"

// attributes let the kernel send the signal to a child when this process ends, however it ends.
func attributes(signal syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: signal}
}
