package main

import (
	"fmt"
	"syscall"
)

// hide keeps programs of the same user from reading this process's memory and
// environment (prctl(2), PR_SET_DUMPABLE; proc(5)): there are the database's password,
// keys and tokens. Root may read them all the same. What is started later is as usual.
func hide() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		return fmt.Errorf("hiding this process from others of the same user: %w", errno)
	}
	return nil
}
