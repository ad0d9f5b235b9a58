#!/bin/sh
# Writes the secrets that docker-compose.yml mounts into deploy/secrets, once.
# Run it from anywhere; it needs Docker, and it never overwrites anything.
#
# Compose mounts files with the rights that they have on the host, and each image
# runs as a user of its own. So the folder is closed to everyone but its owner,
# and the files in it are readable: inside a container a mounted file is reached
# without the folder.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
secrets=$here/secrets
chmod 700 "$secrets"

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

once() { # file, content
  if [ -e "$secrets/$1" ]; then
    echo "kept     deploy/secrets/$1"
    return
  fi
  (umask 022 && printf '%s\n' "$2" >"$secrets/$1")
  echo "written  deploy/secrets/$1"
}

once postgres-password "$(password)"
once temporal-database-password "$(password)"
# libpq's password file: host:port:database:user:password. The passwords are
# hexadecimal, so that nothing in them needs escaping anywhere.
once debrief.pgpass "postgres:5432:debrief:debrief:$(password)"

if [ -e "$secrets/keyset.json" ]; then
  echo "kept     deploy/secrets/keyset.json"
else
  docker build --quiet --tag debrief:local "$here/.." >/dev/null
  docker run --rm --user "$(id -u):$(id -g)" --volume "$secrets:/secrets" debrief:local keys generate /secrets/keyset.json >/dev/null
  chmod 644 "$secrets/keyset.json"
  echo "written  deploy/secrets/keyset.json"
  echo
  echo "Keep a copy of keyset.json elsewhere: without it, nothing that Debrief sealed can be read."
fi
