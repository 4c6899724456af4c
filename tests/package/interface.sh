#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# The library shows its interface and nothing else, and each header stands alone.
set -euo pipefail
. "$(dirname "$0")/common.sh"
library=$installed/lib/libtandem.so

nm --dynamic --defined-only --demangle --without-symbol-versions "$library" |
  sed -E 's/^[0-9a-f]+ [A-Za-z] //' | grep -vx 'TANDEM_0\|.* A TANDEM_0' | sort -u >"$folder/symbols"
if grep -vE '^((typeinfo|typeinfo name|vtable) for )?tandem::' "$folder/symbols"; then
  fail "the symbols above are not of the interface"
fi
# A symbol that goes away breaks programs that are built already. A change that is meant goes into
# this file, and into the version when something went away.
LC_ALL=C sort -u "$folder/symbols" >"$folder/found"
expect_same "$SOURCE/tests/package/symbols.txt" "$folder/found" "exported symbols"

dynamic=$(readelf --dynamic --wide "$library" "$installed/bin/tandem")
[[ "$dynamic" == *"soname: [libtandem.so.${VERSION%%.*}]"* ]] || fail "the soname is another"
[[ "$dynamic" != *RUNPATH* && "$dynamic" != *RPATH* ]] || fail "installed files have an RPATH"
if [[ "$STATIC" == ON ]]; then
  others=$(grep -oP 'NEEDED.*\[\K[^]]+' <<<"$dynamic" |
    grep -vE '^(lib(c|m|stdc\+\+|gcc_s)\.so|ld-linux)' || true)
  [[ -z "$others" ]] || fail "more than the C and C++ libraries is needed: $others"
fi

for header in "$installed"/include/tandem/*.h; do
  $CXX -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ -I "$installed/include" \
    -include "$header" /dev/null || fail "$header does not stand alone"
done
if grep -nE '#include' "$installed"/include/tandem/*.h | grep -vE '#include (<[a-z_]+>|"tandem/[a-z_]+\.h")$'; then
  fail "headers include more than the standard library"
fi
