#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# An installation has the files it should have, all below DESTDIR and the prefix, and can be moved.
set -euo pipefail
. "$(dirname "$0")/common.sh"

DESTDIR=$folder cmake --install "$BUILD" --prefix /opt/placed >/dev/null
[[ "$(ls "$folder" "$folder/opt")" == *opt*placed ]] || fail "files outside of the prefix"

expected_files >"$folder/expected"
(cd "$folder/opt/placed" && find . -type f -printf '%P\n' -o -type l -printf '%P\n') |
  sed 's/tandemTargets-[a-z]*/tandemTargets-release/' | sort >"$folder/found"
expect_same "$folder/expected" "$folder/found" "installed files"

# No text says where it was built or installed: the tree works wherever it is.
if grep -rIF -e "$BUILD" -e "$SOURCE" -e /opt/placed "$folder/opt/placed"; then
  fail "the files above name folders of this build"
fi
rm -rf "$installed"
mv "$folder/opt/placed" "$installed"
[[ "$("$installed/bin/tandem" --version)" == "tandem $VERSION" ]] || fail "the program does not run"
