#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs fuzz targets that are built, in turn: fuzz/run.sh BUILD SECONDS_EACH [TARGET...]
# Seconds are of processor time, so that they mean the same on a machine that others use.
# What they learn is kept in BUILD/corpus, inputs that fail in BUILD/artifacts. Exit status 1 when
# any failed; the others still run.
set -euo pipefail

[[ $# -ge 2 ]] || { echo "usage: fuzz/run.sh BUILD SECONDS_EACH [TARGET...]" >&2; exit 2; }
build=$(realpath "$1")
seconds=$2
shift 2
cd "$(dirname "$0")"

targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then mapfile -t targets < <(cd corpus && printf '%s\n' *); fi

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# What every run of a target gets: an input is at most 64 KiB, so that an allocation of 64 MiB is one
# that trusts it.
limits=(-max_len=65536 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=64)
failed=()

# held_up LOG: whether a run ended in an input that took too long, which by itself does not: it was
# the machine that stood still, and the input is removed.
held_up() {
  local input
  grep -q '^SUMMARY: libFuzzer: timeout' "$1" || return 1
  input=$(sed -n 's/.*Test unit written to //p' "$1" | tail -n 1)
  "$build/fuzz/$target" "${limits[@]}" "$input" >/dev/null 2>&1 && rm "$input"
}

# fuzz SECONDS: one run of the target, with at most that much time by the clock; adds what it used.
TIMEFORMAT='%U %S'
fuzz() {
  local code=0 count
  { time "$build/fuzz/$target" -max_total_time="$1" "${limits[@]}" -dict="dict/$target.dict" \
    -print_final_stats=1 -artifact_prefix="$build/artifacts/$target/" \
    "$build/corpus/$target" "corpus/$target" >"$log" 2>&1; } 2>"$log.time" || code=$?
  used=$(awk -v used="$used" '{ print used + $1 + $2 }' "$log.time")
  rm "$log.time"
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  inputs=$((inputs + ${count:-0}))
  return "$code"
}

# seconds_left: whole seconds of the target's time that are not used; 0 when hardly any are left.
seconds_left() {
  awk -v all="$seconds" -v used="$used" \
    'BEGIN { left = all - used; print (left > all / 100) ? int(left + 1) : 0 }'
}

for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target" "$build/artifacts/$target"
  log="$build/artifacts/$target.log"
  began=$SECONDS
  inputs=0
  used=0
  code=0
  # A run gets the time that is left by the clock, and another one if it was not given a processor
  # all that time; a hundredth that is missing does not matter.
  while left=$(seconds_left); [[ $left -gt 0 ]]; do
    code=0
    fuzz "$left" || code=$?
    [[ $code -eq 0 ]] || held_up "$log" || break
    code=0
  done
  if [[ $code -eq 0 && $inputs -gt 0 ]]; then
    printf '%-20s %s inputs in %.0f s of processor time (%s s by the clock), %s edges, nothing found\n' \
      "$target" "$inputs" "$used" $((SECONDS - began)) "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c 6-)"
  else
    printf '%-20s FAILED:\n' "$target"
    tail -n 30 "$log"
    failed+=("$target")
  fi
done
[[ ${#failed[@]} -eq 0 ]] || { echo "inputs that fail: $build/artifacts (${failed[*]})" >&2; exit 1; }
