#!/bin/bash
# Runs once, when the volume is empty: a role and databases for Debrief, a role
# and databases for Temporal. Neither can read the other's.
set -euo pipefail

debrief_password=$(cut -d: -f5 /run/secrets/debrief-pgpass)
temporal_password=$(cat /run/secrets/temporal-database-password)

# The passwords go in by variables of psql: not in a process list, and quoted.
export debrief_password temporal_password
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set debrief_password `echo "$debrief_password"`
\set temporal_password `echo "$temporal_password"`
-- A statement that sets a password must not reach the server's log.
set log_min_error_statement = panic;
create role debrief login password :'debrief_password';
create role temporal login password :'temporal_password';
create database debrief owner debrief;
create database temporal owner temporal;
create database temporal_visibility owner temporal;
revoke connect on database debrief from public;
revoke connect on database temporal from public;
revoke connect on database temporal_visibility from public;
SQL
