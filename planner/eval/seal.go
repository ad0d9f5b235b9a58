package eval

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// SealFile is the file that holds the seal, in the folder of the set.
const SealFile = "kept.sum"

// Seal is a hash of all that the figures of the kept half rest on in the set in dir:
// its meetings, the answers to them, and the accounts.
func Seal(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, string(Kept), "*.yaml"))
	if err != nil {
		return "", fmt.Errorf("listing the kept meetings: %w", err)
	}
	if len(files) == 0 {
		return "", errors.New("there are no kept meetings to seal")
	}
	for _, file := range slices.Clone(files) {
		files = append(files, filepath.Join(dir, "model", filepath.Base(file)))
	}
	accounts, err := filepath.Glob(filepath.Join(dir, "accounts", "*.yaml"))
	if err != nil {
		return "", fmt.Errorf("listing the accounts: %w", err)
	}
	sum := sha256.New()
	for _, file := range append(files, accounts...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("sealing %s: %w", file, err)
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return "", fmt.Errorf("sealing %s: %w", file, err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.ToSlash(name), len(raw), raw)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
