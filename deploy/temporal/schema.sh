#!/bin/sh
# Creates Temporal's tables, or brings them to the version of this image's server.
# Doing it again changes nothing.
set -eu

SQL_PASSWORD=$(cat /run/secrets/temporal-database-password)
export SQL_PASSWORD SQL_HOST=postgres SQL_PORT=5432 SQL_USER=temporal SQL_PLUGIN=postgres12

for part in temporal visibility; do
  database=temporal
  [ "$part" = visibility ] && database=temporal_visibility
  temporal-sql-tool --db "$database" setup-schema --version 0.0
  temporal-sql-tool --db "$database" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$part/versioned"
done
