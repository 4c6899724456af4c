#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Fetches packages of another suite of Debian and unpacks them in a folder; nothing is installed, and
# apt's state stays as it is. --needed: what they depend on, too, down to the C library.
#   tools/fetch-packages.sh [--needed] DIR SUITE PACKAGE...
# Exit status 1, with one line, when that cannot be had.
set -euo pipefail

fail() { echo "fetch-packages: $*" >&2; exit 1; }

needed=
if [[ "${1:-}" == --needed ]]; then needed=1; shift; fi
[[ $# -ge 3 ]] || fail "usage: tools/fetch-packages.sh [--needed] DIR SUITE PACKAGE..."
target=$1 suite=$2
shift 2
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "no apt here"
keyring=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1)
[[ -n $keyring ]] || fail "Debian's keys are missing: install debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  grep -m 1 -E '/debian/?$' || echo http://deb.debian.org/debian)

mkdir -p "$(dirname "$target")" || fail "cannot write to $(dirname "$target")"
work=$(mktemp -d "$target.part-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,none,debs,root}
touch "$work/state/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"

aside() {
  apt-get -qq -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" \
    -o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" \
    -o Dir::Etc::sourceparts="$work/none" -o Dir::Etc::preferencesparts="$work/none" \
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=20 -o Debug::NoLocking=1 "$@" >"$work/log" 2>&1
}
why() { sed -n 's/^E: //p' "$work/log" | head -n 1; }

aside update || fail "cannot reach $suite at $mirror: $(why)"
if [[ $needed ]]; then
  # Nothing counts as installed here, so this is all of it.
  aside install --download-only --yes --no-install-recommends "$@" || fail "cannot fetch $* of $suite: $(why)"
  mv "$work"/cache/archives/*.deb "$work/debs"
else
  (cd "$work/debs" && aside download "$@") || fail "cannot fetch $* of $suite: $(why)"
fi
for deb in "$work"/debs/*.deb; do
  dpkg-deb -x "$deb" "$work/root" || fail "cannot unpack $(basename "$deb")"
done
rm -rf "$target"
mv -T "$work/root" "$target" || fail "cannot write $target"
