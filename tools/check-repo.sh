#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Rules of the repository that no compiler checks. One line per offence; exit status 1 if any.
set -euo pipefail
cd "$(dirname "$0")/.."

max_lines=900
offences=0
offence() {
  echo "check-repo: $*" >&2
  offences=$((offences + 1))
}

files() {
  git ls-files --cached --others --exclude-standard 2>/dev/null ||
    find . -type f -not -path './.git/*' -not -path './build*' -not -path './out/*' -printf '%P\n'
}

mapfile -t all < <(files)
for file in "${all[@]}"; do
  [[ -f "$file" && ! -L "$file" ]] || continue

  case "$file" in
    *.h | *.cc)
      [[ "$(head -n 2 "$file")" == \
        $'// Copyright 2026 The Tandem Authors\n// SPDX-License-Identifier: Apache-2.0' ]] ||
        offence "$file: does not start with the two licence lines"
      lines=$(wc -l <"$file")
      [[ "$file" != src/* || "$lines" -le "$max_lines" ]] ||
        offence "$file: $lines lines, more than $max_lines; split it by duty"
      ;;
  esac

  shebang=$(head -c 2 "$file" | tr -d '\0')
  if [[ "$shebang" == '#!' && ! -x "$file" ]]; then
    offence "$file: has a #! line but is not executable"
  elif [[ "$shebang" != '#!' && -x "$file" ]]; then
    offence "$file: is executable but has no #! line"
  fi

  if [[ "$file" != tests/data/* && "$file" != fuzz/corpus/* && "$file" != models/* ]]; then
    while IFS= read -r hit; do
      offence "$file:$hit (a path of somebody's machine)"
    done < <(grep -nIoE '(^|[^[:alnum:]_.$}/-])/(home|work|workspace|root|Users)/[[:alnum:]._-]+' \
      "$file" || true)
  fi
done

# docs/hostile-input.md names a test for each kind of mistake: `Suite.Name`, `fuzz/target.cc`.
while read -r suite name; do
  grep -rqE "^TEST(_F|_P)?\($suite, $name\)" tests ||
    offence "docs/hostile-input.md: there is no test $suite.$name"
done < <(grep -oE '`[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*`' docs/hostile-input.md | tr -d '`' | tr . ' ' | sort -u)
while read -r path; do
  [[ -f "$path" ]] || offence "docs/hostile-input.md: there is no $path"
done < <(grep -oE '`fuzz/[a-z0-9_]+\.cc`' docs/hostile-input.md | tr -d '`' | sort -u)

# Each fuzz target has words to try and inputs to begin with.
for file in fuzz/fuzz_*.cc; do
  target=${file#fuzz/fuzz_} target=${target%.cc}
  [[ -f fuzz/dict/$target.dict ]] || offence "$file: there is no fuzz/dict/$target.dict"
  [[ -d fuzz/corpus/$target ]] || offence "$file: there is no fuzz/corpus/$target"
done

[[ $offences -eq 0 ]] || exit 1
echo "check-repo: ${#all[@]} files in order"
