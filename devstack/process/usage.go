package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ProcessorTime is what a process has used of all processors together, with its children
// that have ended; 0 where the system has no /proc.
func ProcessorTime(pid int) time.Duration {
	fields := stat(pid)
	if fields == nil {
		return 0
	}
	ticks := 0
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(string(field))
		ticks += n
	}
	// USER_HZ is 100 wherever Go runs on Linux.
	return time.Duration(ticks) * 10 * time.Millisecond
}

// FamilyProcessorTime is [ProcessorTime] with the children that still run.
func FamilyProcessorTime(pid int) (all time.Duration) {
	others, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, path := range others {
		child, _ := strconv.Atoi(filepath.Base(path))
		if fields := stat(child); fields != nil && string(fields[1]) == strconv.Itoa(pid) {
			all += ProcessorTime(child)
		}
	}
	// Last: what has ended meanwhile has been added to it.
	return all + ProcessorTime(pid)
}

// stat is what follows the name in a process's stat file, its state first; nil
// where there is none (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
func stat(pid int) [][]byte {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 15 {
		return nil
	}
	return fields
}

// Mebibytes reads one line of a process's memory, such as "VmRSS:" or, for the most that
// it had, "VmHWM:"; 0 where the system has no /proc
// (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
func Mebibytes(pid int, name string) float64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, found := strings.CutPrefix(line, name); found {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024
		}
	}
	return 0
}
