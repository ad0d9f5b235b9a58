#!/bin/sh
# Builds bin/debrief and bin/devstack in the repository. The first build
# compiles an embedded Temporal server, which takes minutes: say so, and show
# that it goes on. Nothing is written to standard output, and nothing at all
# when everything comes from the cache.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
log=$(mktemp)
pid=
trap 'rm -f "$log"' EXIT
trap 'kill "$pid" 2>/dev/null || true; exit 130' INT TERM

# build DIR BINARY PACKAGE WHAT
build() {
	cd "$1"
	# Without cgo it needs no C compiler, and builds and tests share one cache.
	CGO_ENABLED=0 go build -o "$root/bin/$2" "$3" >"$log" 2>&1 &
	pid=$!
	ticks=0 # fifths of a second
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		ticks=$((ticks + 1))
		if [ "$ticks" -eq 25 ]; then
			echo "  … building $4" >&2
		elif [ $((ticks % 150)) -eq 0 ]; then
			echo "  … still building ($((ticks / 300))m$((ticks / 5 % 60))s)" >&2
		fi
	done
	if ! wait "$pid"; then
		cat "$log" >&2
		exit 1
	fi
}

build "$root" debrief ./cmd/debrief "debrief: about a minute the first time"
build "$root/devstack" devstack ./cmd/devstack "the embedded Temporal server: about six minutes the first time, seconds after that"
