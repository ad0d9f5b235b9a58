//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file the owner of the one that it will replace: root may
// change a keyset that only Debrief's user may read.
func keepOwner(file string, before fs.FileInfo) error {
	stat, ok := before.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(file, int(stat.Uid), int(stat.Gid))
}
