#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs fuzz targets that are built, in turn: fuzz/run.sh BUILD SECONDS_EACH [TARGET...]
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

for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target" "$build/artifacts/$target"
  log="$build/artifacts/$target.log"
  began=$SECONDS
  runs=0
  while
    left=$((seconds - (SECONDS - began)))
    code=0
    "$build/fuzz/$target" -max_total_time=$((left > 0 ? left : 1)) "${limits[@]}" \
      -dict="dict/$target.dict" -print_final_stats=1 -artifact_prefix="$build/artifacts/$target/" \
      "$build/corpus/$target" "corpus/$target" >"$log" 2>&1 || code=$?
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    runs=$((runs + ${count:-0}))
    [[ $code -ne 0 ]] && held_up "$log"
  do :; done
  if [[ $code -eq 0 ]]; then
    printf '%-20s %s runs in %s s, nothing found\n' "$target" "$runs" "$seconds"
  else
    printf '%-20s FAILED:\n' "$target"
    tail -n 30 "$log"
    failed+=("$target")
  fi
done
[[ ${#failed[@]} -eq 0 ]] || { echo "inputs that fail: $build/artifacts (${failed[*]})" >&2; exit 1; }
