#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Mistakes with the interface do not compile, and it is they that do not: misuse.cc compiles without
# them, and the compiler's error is on their line and says what is wrong.
set -euo pipefail
. "$(dirname "$0")/common.sh"
source_file=$SOURCE/tests/package/misuse.cc

compile() {
  LC_ALL=C $CXX -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I "$installed/include" "$@" \
    "$source_file" 2>&1
}
output=$(compile) || fail "without a misuse: $output"

cases=0
while IFS=: read -r line text; do
  number=$(grep -oP 'MISUSE == \K[0-9]+' <<<"$text")
  wanted=$(grep -oP '// error: \K.*' <<<"$text")
  ! output=$(compile -DMISUSE="$number") || fail "misuse $number compiles (line $line)"
  grep -E "misuse\.cc:$((line + 1)):[0-9]+: (fatal )?error: .*($wanted)" <<<"$output" >/dev/null ||
    fail "misuse $number (line $line) is not told by \"$wanted\": $output"
  cases=$((cases + 1))
done < <(grep -n '^#.*MISUSE == ' "$source_file")
[[ $cases -ge 10 ]] || fail "only $cases cases were found in $source_file"
echo "$cases mistakes do not compile"
