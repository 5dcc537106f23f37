#!/bin/sh
# Starts Redis with the password from the environment, which so appears on no command line.
set -eu
: "${REDIS_PASSWORD:?is not set}"
exec redis-server "${REDIS_CONF:-/etc/redis/redis.conf}" - <<CONF
requirepass $REDIS_PASSWORD
CONF
