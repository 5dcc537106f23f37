#!/usr/bin/env bash
# Runs every test, after installing what is missing: a C compiler for the race detector, Chromium for the playground's
# test, and the playground's bundle, which that test opens.
set -euo pipefail
cd "$(dirname "$0")/../.."

need() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif need sudo; then sudo "$@"; else
    echo "cannot install without root: $*" >&2
    return 1
  fi
}

packages=()
need cc || need gcc || packages+=(gcc libc6-dev)
need chromium || need chromium-browser || need google-chrome || packages+=(chromium)
if [ "${#packages[@]}" -gt 0 ]; then
  if need apt-get; then
    echo "installing ${packages[*]}"
    as_root apt-get update -q
    as_root apt-get install -y -q --no-install-recommends "${packages[@]}"
  else
    echo "please install: ${packages[*]}" >&2
    exit 1
  fi
fi

make --no-print-directory playground/dist/app/index.html

echo "go vet"
go vet ./...
echo "go test -race"
exec go test -race -p 2 -timeout 30m ./...
