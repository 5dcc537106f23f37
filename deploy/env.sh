#!/bin/sh
# Prints an .env with new secrets for docker-compose.yml:
#
#   (umask 077; deploy/env.sh > .env)
#
# They are letters and digits, so that they fit into the addresses that hold them.
set -eu
secret() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
for name in POSTGRES_PASSWORD STEWARD_DB_PASSWORD SPICEDB_DB_PASSWORD SPICEDB_KEY REDIS_PASSWORD; do
  echo "$name=$(secret)"
done
