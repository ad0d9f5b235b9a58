#!/bin/sh
# Creates Debrief's namespace, if it is not there. The server says that it is up
# a little before it answers, hence the patience.
set -eu

: "${NAMESPACE:?}" "${RETENTION:?}"
# By address, not by name: the CLI looks names up in a way of its own.
TEMPORAL_ADDRESS="$(getent hosts temporal | awk '{ print $1; exit }'):7233"
export TEMPORAL_ADDRESS

tries=0
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    echo "Temporal does not answer at $TEMPORAL_ADDRESS" >&2
    exit 1
  fi
  sleep 1
done

if ! temporal operator namespace describe --namespace "$NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace create --namespace "$NAMESPACE" --retention "$RETENTION"
fi
