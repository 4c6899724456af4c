#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Tandem and llama.cpp on the same file of weights, in turn: prints a table of medians and ratios.
#
#   tools/compare-llama.sh BUILD [--json FILE]
#
# llama.cpp is Debian's package of a newer suite, unpacked aside with all it needs and run with the
# C library that came with it; nothing is installed. Environment:
#
#   MODEL    GGUF file. Without one, a file with random weights of the shape of E2B is made: Q4_0,
#            with tables of Q8_0, 3.9 GB.
#   ROUNDS   how often each is measured (5)
#   THREADS  CPU threads of both (one per processor)
#   SUITE    where llama.cpp comes from (sid); LLAMA: a folder that holds its programs already
#   CACHE    keeps packages and weights (tandem-compare in the user's cache folder)
#
# Exit status 1 when something is missing or fails, with one line that says what.
set -euo pipefail

say() { echo "compare-llama: $*" >&2; }
fail() { say "$@"; exit 1; }

[[ $# -ge 1 ]] || fail "usage: tools/compare-llama.sh BUILD [--json FILE]"
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" 2>/dev/null && pwd) || fail "there is no folder $1: run make build first"
shift
suite=${SUITE:-sid}
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem-compare}
package=llama.cpp-tools
packages_mb=300 model_mb=4000 # with room to spare

[[ -x $build/tandem ]] || fail "there is no $build/tandem: run make build first"
command -v python3 >/dev/null || fail "python3 is needed"

# room_for MEGABYTES WHAT: whether the cache folder has it.
room_for() {
  local free
  mkdir -p "$cache" || fail "cannot write to $cache; set CACHE to another folder"
  free=$(df --output=avail --block-size=1M "$cache" | tail -1)
  [[ $free -ge $1 ]] || fail "$2 needs $1 MB in $cache, $free MB are free; set CACHE to another folder"
}

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

# Unpacks llama.cpp into $cache/llama-$suite.
fetch_llama() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "no apt here to fetch llama.cpp with; set LLAMA to a folder with llama-bench and llama-completion"
  local keyring uri deb backends
  keyring=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1)
  [[ -n $keyring ]] || fail "Debian's keys are missing: install debian-archive-keyring"
  room_for $packages_mb "llama.cpp"
  uri=$(mirror)
  work=$(mktemp -d "$cache/fetch-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial,none,root,bin}
  touch "$work/state/status"
  echo "deb [signed-by=$keyring] $uri $suite main" >"$work/sources.list"
  say "fetching $package from $suite at $uri"
  apt_aside update || fail "cannot reach $suite at $uri; is there a network? $(apt_error)"
  apt_aside install -y --download-only "$package" || fail "cannot fetch $package of $suite: $(apt_error)"
  for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" "$work/root" || fail "cannot unpack $(basename "$deb")"
  done
  dpkg-deb -f "$work"/cache/archives/"$package"_*.deb Version >"$work/version"
  backends=$(cd "$work" && find root -name 'libggml-cpu*.so' -printf '%h\n' | head -n 1)
  [[ -n $backends ]] || fail "$package of $suite has no CPU backend where one is expected"
  loader=$backends/ld.so
  cp -L "$(find "$work/root/usr/lib" -name 'ld-linux-*.so.*' -not -type d | head -n 1)" "$work/$loader"
  wrap llama-bench
  wrap llama-completion
  rm -rf "$work"/{state,cache,none,log,sources.list}
  mv -T "$work" "$cache/llama-$suite" || fail "cannot write $cache/llama-$suite"
  trap - EXIT
}

# Random weights of the shape of E2B.
make_model() {
  [[ -x $build/random-model ]] || fail "there is no $build/random-model: run make compare, or set MODEL"
  room_for $model_mb "a file of random weights"
  say "making $MODEL ($model_mb MB)"
  "$build/random-model" --size e2b --type q4_0 --tables q8_0 -o "$MODEL.part" >&2 ||
    fail "cannot make $MODEL"
  mv "$MODEL.part" "$MODEL"
}

if [[ -z ${LLAMA:-} ]]; then
  LLAMA=$cache/llama-$suite/bin
  [[ -x $LLAMA/llama-bench ]] || fetch_llama
fi
if [[ -z ${MODEL:-} ]]; then
  MODEL=$cache/random-e2b-q4_0.gguf
  [[ -f $MODEL ]] || make_model
fi
[[ -r $MODEL ]] || fail "cannot read $MODEL"

exec python3 "$here/compare_engines.py" --tandem "$build/tandem" --llama "$LLAMA" \
  --model "$MODEL" --rounds "${ROUNDS:-5}" --threads "${THREADS:-$(nproc)}" "$@"
