#!/usr/bin/env bash
# Runs every test, after installing what is missing: a C compiler for the race detector, PostgreSQL and Redis, which the
# tests start on ports of their own, Chromium for the playground's test, and the playground's bundle, which that test opens.
# With STEWARD_TEST_FULL=1 what is tried as a sample on PostgreSQL, Redis and a SpiceDB server is tried in full.
set -euo pipefail
cd "$(dirname "$0")/../.."

need() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif need sudo; then sudo "$@"; else
    echo "cannot install without root: $*" >&2
    return 1
  fi
}

has_postgres() {
  need initdb && return
  local at # the same places that internal/testing/servers looks at
  for at in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb; do
    if [ -x "$at" ]; then return 0; fi
  done
  return 1
}

install() {
  echo "installing $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

packages=()
need cc || need gcc || packages+=(gcc libc6-dev)
need chromium || need chromium-browser || need google-chrome || packages+=(chromium)
need redis-server || packages+=(redis-server)
has_postgres || packages+=(postgresql)
if [ "${#packages[@]}" -gt 0 ]; then
  if need apt-get; then
    as_root apt-get update -q
    defaults=/etc/postgresql-common/createcluster.conf
    if ! has_postgres && [ ! -e "$defaults" ]; then # else the package makes and starts a cluster, which no test uses
      install postgresql-common
      as_root sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' "$defaults"
    fi
    install "${packages[@]}"
  else
    echo "please install: ${packages[*]}" >&2
    exit 1
  fi
fi

make --no-print-directory playground/dist/app/index.html

echo "go vet"
go vet ./...

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
go build -ldflags='-s -w' -o "$scratch/spicedbserver" ./internal/testing/spicedbserver
export STEWARD_TEST_SPICEDB="$scratch/spicedbserver" # else each package that needs a SpiceDB server builds it
echo "go test -race"
timeout=30m
if [ "${STEWARD_TEST_FULL:-}" = 1 ]; then timeout=120m; fi
# Everything is there, so a test that skips itself for want of a server fails.
CI=true go test -race -p 2 -timeout "$timeout" ./...
