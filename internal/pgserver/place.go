//go:build unix

package pgserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is the user that PostgreSQL runs as. The zero value is the user
// of this process.
type account struct {
	name     string
	uid, gid int
	other    bool // not the user of this process
}

// unprivileged finds the account: PostgreSQL refuses to run as root.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, fmt.Errorf("reading the IDs of user %s: %w", name, err)
		}
		return account{name: name, uid: uid, gid: gid, other: true}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: add one (useradd --system postgres), or run this as an ordinary user")
}

// credential is nil when PostgreSQL runs as the user of this process.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("giving %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// canReach says whether the account may pass through every folder above path.
// Access lists beyond the mode bits are not looked at.
func (a account) canReach(path string) (bool, error) {
	if !a.other {
		return true, nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false, fmt.Errorf("looking at %s: %w", dir, err)
		}
		if !a.mayPass(info) {
			return false, nil
		}
		if dir == filepath.Dir(dir) {
			return true, nil
		}
	}
}

func (a account) mayPass(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch mode := info.Mode().Perm(); {
	case int(stat.Uid) == a.uid:
		return mode&0o100 != 0
	case int(stat.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// place finds and makes the folder where the server's files of dir are kept:
// dir itself, unless another user has to run PostgreSQL and may not enter it.
// Opening somebody's home folder to that user would be no way out, so the
// files then go to /var/tmp, which outlives a reboot, under a name that dir
// decides.
func place(dir string, a account) (string, error) {
	abs, err := absolute(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o711); err != nil {
		return "", fmt.Errorf("making the folder %s: %w", filepath.Dir(abs), err)
	}
	ok, err := a.canReach(abs)
	if err != nil {
		return "", err
	}
	if !ok {
		abs = elsewhere(abs)
	}
	return abs, a.mkdir(abs)
}

// absolute makes dir absolute and free of links, so that one folder has one
// name (and one stand-in elsewhere).
func absolute(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", dir, err)
	}
	// Missing tail elements have no links to follow.
	for head, tail := abs, ""; ; head, tail = filepath.Dir(head), filepath.Join(filepath.Base(head), tail) {
		followed, err := filepath.EvalSymlinks(head)
		if err == nil {
			return filepath.Join(followed, tail), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || head == filepath.Dir(head) {
			return "", fmt.Errorf("finding the folder %s: %w", dir, err)
		}
	}
}

func elsewhere(abs string) string {
	sum := sha256.Sum256([]byte(abs))
	return "/var/tmp/pgserver-" + hex.EncodeToString(sum[:8])
}

// temporary makes a folder that a may use, for a server that keeps nothing.
func temporary(a account) (string, error) {
	var reasons []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if ok, err := a.canReach(filepath.Join(parent, "x")); err != nil || !ok {
			reasons = append(reasons, fmt.Errorf("%s cannot be entered by user %s", parent, a.name))
			continue
		}
		dir, err := os.MkdirTemp(parent, "pgserver-")
		if err != nil {
			reasons = append(reasons, err)
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("making a temporary folder for PostgreSQL: %w", errors.Join(reasons...))
}

// mkdir makes dir, closed to everyone but the account and root. A folder that
// exists must be theirs: /var/tmp is open to all, and somebody else's folder
// there, or a link to one, would hand them the data.
func (a account) mkdir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		return a.own(dir)
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the folder %s: %w", dir, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("%s is in the way: it is not a folder", dir)
	}
	if uid := int(stat.Uid); uid != a.uid && uid != os.Geteuid() {
		return fmt.Errorf("the folder %s belongs to user ID %d: delete it, or choose another", dir, uid)
	}
	return a.own(dir)
}

// Remove deletes what a server kept for dir, wherever [Start] had to put it.
// The server must be stopped.
func Remove(dir string) error {
	abs, err := absolute(dir)
	if err != nil {
		return err
	}
	for _, path := range []string{abs, elsewhere(abs)} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("deleting PostgreSQL's folder %s: %w", path, err)
		}
	}
	return nil
}
