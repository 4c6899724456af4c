#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the apt packages of the named groups of packages/apt.txt that are missing.
#   tools/install-deps.sh build test
# Says what it will install before it asks for root; silent when nothing is missing. Asks no
# question when there is no terminal or CI=true. TANDEM_SKIP_DEPS=1 skips it altogether.
set -euo pipefail

list="$(dirname "$0")/../packages/apt.txt"
say() { echo "install-deps: $*" >&2; }

# packages GROUP: the names in that group, one per line.
packages() {
  awk -v group="[$1]" '{ sub(/#.*/, "") } /^\[/ { inside = ($1 == group); seen += inside; next }
                       inside && NF { print $1 } END { exit !seen }' "$list"
}

# missing_of NAME...: those that dpkg does not call installed.
missing_of() {
  local name
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

# On a distribution without apt we can only look for the programs; CMake names missing libraries.
check_without_apt() {
  local absent=() tool
  for tool in cmake ninja pkg-config; do
    command -v "$tool" >/dev/null || absent+=("$tool")
  done
  command -v "${CXX:-c++}" >/dev/null || absent+=("a C++20 compiler")
  [[ ${#absent[@]} -gt 0 ]] || return 0
  say "this system has no apt, so nothing was installed; not found: $(printf '%s, ' "${absent[@]}" |
    sed 's/, $//')"
  say "install what these Debian packages hold, by the names your system gives them: ${wanted[*]}"
  exit 1
}

# as_root COMMAND...: runs it as root, without a password prompt where nobody could answer it.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif $interactive; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

apt_get() {
  local command=(env "DEBIAN_FRONTEND=${DEBIAN_FRONTEND:-$frontend}" apt-get
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@")
  as_root "${command[@]}" && return
  $interactive && return 1
  say "apt-get $1 failed, trying once more"
  sleep 5
  as_root "${command[@]}"
}

[[ $# -gt 0 ]] || { say "usage: tools/install-deps.sh GROUP..."; exit 2; }
[[ "${TANDEM_SKIP_DEPS:-}" != 1 ]] || exit 0

wanted=()
for group in "$@"; do
  names=$(packages "$group") || { say "no group [$group] in packages/apt.txt"; exit 2; }
  mapfile -t -O "${#wanted[@]}" wanted <<<"$names"
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  check_without_apt
  exit 0
fi

mapfile -t missing < <(missing_of "${wanted[@]}")
[[ ${#missing[@]} -gt 0 ]] || exit 0

interactive=false
frontend=noninteractive
yes=(-y)
if [[ -t 0 && -t 2 && "${CI:-}" != true ]]; then
  interactive=true
  frontend=dialog
  yes=()
fi

say "these packages are missing and will be installed with apt-get:"
printf '  %s\n' "${missing[@]}" >&2
if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
  say "that needs root and there is no sudo here; as root, run: apt-get install ${missing[*]}"
  exit 1
fi
if [[ $EUID -ne 0 ]] && ! $interactive && ! sudo -n true 2>/dev/null; then
  say "sudo wants a password and nobody is here to type it; run: sudo apt-get install ${missing[*]}"
  exit 1
fi

{
  apt_get update || say "not every package list could be refreshed; trying with what there is"
  apt_get install --no-install-recommends "${yes[@]}" "${missing[@]}"
} >&2 || {
  say "apt-get could not install them, see its messages above (Ubuntu: is 'universe' enabled?)"
  say "or install them yourself and set TANDEM_SKIP_DEPS=1: apt-get install ${missing[*]}"
  exit 1
}
