#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Tandem and llama.cpp on the same file of weights, in turn: prints a table of medians and ratios.
#
#   tools/compare-llama.sh BUILD [--json FILE]
#
# llama.cpp is Debian's package of a newer suite, unpacked aside (fetch-llama.sh). Environment:
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
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem-compare}
model_mb=4000 # with room to spare

[[ -x $build/tandem ]] || fail "there is no $build/tandem: run make build first"
command -v python3 >/dev/null || fail "python3 is needed"

# room_for MEGABYTES WHAT: whether the cache folder has it.
room_for() {
  local free
  mkdir -p "$cache" || fail "cannot write to $cache; set CACHE to another folder"
  free=$(df --output=avail --block-size=1M "$cache" | tail -1)
  [[ $free -ge $1 ]] || fail "$2 needs $1 MB in $cache, $free MB are free; set CACHE to another folder"
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
  LLAMA=$(CACHE=$cache "$here/fetch-llama.sh")
fi
if [[ -z ${MODEL:-} ]]; then
  MODEL=$cache/random-e2b-q4_0.gguf
  [[ -f $MODEL ]] || make_model
fi
[[ -r $MODEL ]] || fail "cannot read $MODEL"

exec python3 "$here/compare_engines.py" --tandem "$build/tandem" --llama "$LLAMA" \
  --model "$MODEL" --rounds "${ROUNDS:-5}" --threads "${THREADS:-$(nproc)}" "$@"
