//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is returned when PostgreSQL's server binaries are not found.
// Its message says how to get them.
var ErrNotInstalled = errors.New("PostgreSQL's server binaries are not installed; get them with: " + installCommand(runtime.GOOS, os.Geteuid() == 0))

func installCommand(goos string, root bool) string {
	switch {
	case goos == "darwin":
		return "brew install postgresql@17"
	case root: // in a container, where there is often no sudo
		return "apt-get install -y postgresql"
	default:
		return "sudo apt-get install -y postgresql"
	}
}

// needed is what a folder must hold to be of use.
var needed = []string{"postgres", "initdb", "psql"}

// FindBinaries returns the folder of the PostgreSQL binaries that [Start] would
// use for a new data folder, or [ErrNotInstalled].
func FindBinaries(ctx context.Context) (string, error) {
	return chooseBinaries(ctx, candidates(ctx), "")
}

// candidates lists the folders to look at, best first, each once: the one on
// the PATH, Debian's (newest first), Homebrew's and EnterpriseDB's, and last
// what pg_config says, which is often that of the client library alone.
func candidates(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if followed, err := filepath.EvalSymlinks(path); err == nil {
			path = followed // a link into a folder that holds the other binaries, too
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // the RPMs of postgresql.org
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Library/PostgreSQL/*/bin", // EnterpriseDB's installer
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/libexec/postgresql*", // Alpine
		"/usr/local/pgsql/bin",     // built from source
	} {
		found, _ := filepath.Glob(pattern) // the only error is a bad pattern
		slices.SortStableFunc(found, func(a, b string) int { return numberIn(b) - numberIn(a) })
		dirs = append(dirs, found...)
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	var once []string
	for _, dir := range dirs {
		if !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

var digits = regexp.MustCompile(`\d+`)

// numberIn is the last number in a path, which is PostgreSQL's major version
// where the path names one, else 0.
func numberIn(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1])
	return n
}

// chooseBinaries takes the first folder that holds what is needed and, if
// major is not empty, is of that major version: a data folder can be opened by
// the version that made it and by no other.
func chooseBinaries(ctx context.Context, dirs []string, major string) (string, error) {
	var others []string
	for _, dir := range dirs {
		if !holdsAll(dir) {
			continue
		}
		if major == "" {
			return dir, nil
		}
		version, err := majorVersion(ctx, dir)
		if err != nil {
			return "", err
		}
		if version == major {
			return dir, nil
		}
		others = append(others, version)
	}
	if len(others) > 0 {
		return "", fmt.Errorf("the data was made by PostgreSQL %s, and only %s is installed: install version %s, or delete the data",
			major, strings.Join(others, ", "), major)
	}
	return "", ErrNotInstalled
}

func holdsAll(dir string) bool {
	for _, name := range needed {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return false
		}
	}
	return true
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func majorVersion(ctx context.Context, dir string) (string, error) {
	// "postgres (PostgreSQL) 17.2 (Debian ...)", and it runs as root, too.
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", filepath.Join(dir, "postgres"), err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("asking %s for its version: it answered %q", filepath.Join(dir, "postgres"), out)
	}
	return string(match[1]), nil
}
