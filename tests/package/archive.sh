#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# The archive has the files of an installation in one folder, and its program runs from there.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cpack --config "$BUILD/CPackConfig.cmake" -G TXZ -B "$folder" >"$folder/log" || fail "$(cat "$folder/log")"
name=tandem-$VERSION-linux-$(uname -m)
cmake -E tar tf "$folder/$name.tar.xz" | grep -v '/$' |
  sed 's/tandemTargets-[a-z]*/tandemTargets-release/' | sort >"$folder/found"
expected_files | sed "s|^|$name/|" >"$folder/expected"
expect_same "$folder/expected" "$folder/found" "files in the archive"

(cd "$folder" && cmake -E tar xf "$name.tar.xz")
reply=$("$folder/$name/bin/tandem" run -q --temp 0 -p 'What is the capital of Brazil?')
[[ "$reply" == 'The capital of Brazil is Brasília.' ]] || fail "the program said: $reply"
for file in "bin/tandem" "lib/libtandem.so"; do
  [[ "$(readelf --sections --wide "$folder/$name/$file")" != *' .symtab '* ]] || fail "$file has symbols"
done
