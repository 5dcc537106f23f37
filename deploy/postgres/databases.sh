#!/bin/sh
# Makes what lies in PostgreSQL, when its volume is new: a role and a database for Steward, and both for SpiceDB. Neither
# role is a superuser, and neither may connect to the other's database.
set -eu
: "${STEWARD_DB_PASSWORD:?is not set}" "${SPICEDB_DB_PASSWORD:?is not set}"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv steward_password STEWARD_DB_PASSWORD
\getenv spicedb_password SPICEDB_DB_PASSWORD
CREATE ROLE steward LOGIN PASSWORD :'steward_password';
CREATE ROLE spicedb LOGIN PASSWORD :'spicedb_password';
CREATE DATABASE steward OWNER steward;
CREATE DATABASE spicedb OWNER spicedb;
REVOKE CONNECT ON DATABASE steward, spicedb, postgres, template1 FROM PUBLIC;
SQL
