#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# llama.cpp of a newer suite of Debian, to compare with: unpacked aside with all it needs and run with
# the C library that came with it; nothing is installed. Prints the folder of its programs. Fetched once.
#
#   tools/fetch-llama.sh [--blas]
#
# With --blas, a folder of its own that also has the library's headers and ggml's BLAS back end with
# OpenBLAS. Its programs take that back end by themselves, so it is not the one to time. Environment:
#
#   SUITE    where llama.cpp comes from (sid)
#   CACHE    keeps packages (tandem-compare in the user's cache folder)
#
# Exit status 1 when something is missing or fails, with one line that says what.
set -euo pipefail

say() { echo "fetch-llama: $*" >&2; }
fail() { say "$@"; exit 1; }

suite=${SUITE:-sid}
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem-compare}
packages=(llama.cpp-tools llama.cpp-tools-extra)
name=llama-$suite
needed_mb=300 # with room to spare
case "$#:${1:-}" in
  0:) ;;
  1:--blas)
    packages+=(libllama-dev libggml0-backend-blas libopenblas0-pthread)
    name=llama-blas-$suite
    needed_mb=500
    ;;
  *) fail "usage: tools/fetch-llama.sh [--blas]" ;;
esac

# The Debian mirror that this system's apt uses, else the usual one.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -m 1 -E '/debian/?$' || echo http://deb.debian.org/debian
}

# apt_aside COMMAND...: apt-get on a state of its own in $work, in which nothing is installed.
apt_aside() {
  apt-get -qq -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" \
    -o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" \
    -o Dir::Etc::sourceparts="$work/none" -o Dir::Etc::preferencesparts="$work/none" -o APT::Install-Recommends=0 \
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=30 -o Debug::NoLocking=1 "$@" >"$work/log" 2>&1
}

# What apt said was wrong.
apt_error() { sed -n 's/^E: //p' "$work/log" | head -n 1; }

# wrap PROGRAM: a script that runs it with the libraries and the loader that came with it. The
# loader lies beside the CPU backends: that is where the program looks for them.
wrap() {
  local folders
  folders=$(cd "$work" && find root -name 'lib*.so*' -printf '%h\n' | sort -u |
    grep -vE '/(gconv|backends[0-9]*|engines-[0-9]+|ossl-modules)$' | sed 's,^,$aside/,' | paste -sd :)
  cat >"$work/bin/$1" <<WRAPPER
#!/bin/sh
aside=\$(cd "\$(dirname "\$0")/.." && pwd)
exec "\$aside/$loader" --library-path "$folders" "\$aside/root/usr/bin/$1" "\$@"
WRAPPER
  chmod +x "$work/bin/$1"
}

# Unpacks llama.cpp into $cache/$name.
fetch() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "no apt here to fetch llama.cpp with; set LLAMA to a folder with llama-bench and llama-completion"
  local keyring uri deb backends free program
  keyring=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1)
  [[ -n $keyring ]] || fail "Debian's keys are missing: install debian-archive-keyring"
  mkdir -p "$cache" || fail "cannot write to $cache; set CACHE to another folder"
  cache=$(cd "$cache" && pwd)
  free=$(df --output=avail --block-size=1M "$cache" | tail -1)
  [[ $free -ge $needed_mb ]] ||
    fail "llama.cpp needs $needed_mb MB in $cache, $free MB are free; set CACHE to another folder"
  uri=$(mirror)
  work=$(mktemp -d "$cache/fetch-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial,none,root,bin}
  touch "$work/state/status"
  echo "deb [signed-by=$keyring] $uri $suite main" >"$work/sources.list"
  say "fetching ${packages[*]} from $suite at $uri"
  apt_aside update || fail "cannot reach $suite at $uri; is there a network? $(apt_error)"
  apt_aside install -y --download-only "${packages[@]}" || fail "cannot fetch ${packages[*]} of $suite: $(apt_error)"
  for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" "$work/root" || fail "cannot unpack $(basename "$deb")"
  done
  dpkg-deb -f "$work"/cache/archives/"${packages[0]}"_*.deb Version >"$work/version"
  backends=$(cd "$work" && find root -name 'libggml-cpu*.so' -printf '%h\n' | head -n 1)
  [[ -n $backends ]] || fail "${packages[0]} of $suite has no CPU backend where one is expected"
  loader=$backends/ld.so
  cp -L "$(find "$work/root/usr/lib" -name 'ld-linux-*.so.*' -not -type d | head -n 1)" "$work/$loader"
  for program in "$work"/*/usr/bin/llama-*; do
    [[ ! -x $program ]] || wrap "$(basename "$program")"
  done
  [[ -x $work/bin/llama-perplexity ]] || fail "${packages[*]} of $suite have no llama-perplexity"
  rm -rf "$work"/{state,cache,none,log,sources.list}
  mv -T "$work" "$cache/$name" || fail "cannot write $cache/$name"
  trap - EXIT
}

# A folder of an older form of this script has fewer programs.
[[ ! -e $cache/$name || -x $cache/$name/bin/llama-perplexity ]] || rm -rf "${cache:?}/$name"
[[ -x $cache/$name/bin/llama-bench ]] || fetch
echo "$cache/$name/bin"
