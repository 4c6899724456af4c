#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# clang-tidy over the C++ sources that changed since main, and those that include a changed header;
# over all of them with --all, or where git cannot tell. Needs a configured build/ (make lint).
set -euo pipefail
cd "$(dirname "$0")/.."

# changed: C++ files that differ from where this branch left main, and new ones.
changed() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null) || return
  { git diff --name-only --diff-filter=d "$base" && git ls-files --others --exclude-standard; } |
    grep -E '\.(h|cc)$' | sort -u
}

# sources_of FILE...: the .cc files among them, and those that include the headers among them.
sources_of() {
  local file
  for file in "$@"; do
    case "$file" in
      *.cc) echo "$file" ;;
      src/*.h) grep -rlF --include='*.cc' "\"${file#src/}\"" src tests || true ;;
      tests/*.h) grep -rlF --include='*.cc' "\"${file#tests/}\"" tests || true ;;
    esac
  done | sort -u
}

patterns=()
if [[ "${1:-}" != --all ]] && files=$(changed); then
  mapfile -t names < <(sources_of $files)
  [[ ${#names[@]} -gt 0 ]] || { echo "lint: nothing changed"; exit 0; }
  for name in "${names[@]}"; do patterns+=("/$name\$"); done
fi

# The build may be another compiler's, with warnings of its own.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! run-clang-tidy-14 -quiet -p build -extra-arg=-Wno-unknown-warning-option "${patterns[@]}" >"$log" 2>&1; then
  sed 's/\x1b\[[0-9;]*m//g' "$log" |
    grep -vE '^(clang-tidy-14 |[0-9]+ warnings? (generated|treated)|Suppressed |Use -)' || true
  exit 1
fi
echo "lint: $(grep -c '^clang-tidy-14 ' "$log" || true) sources, nothing found"
