# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Shared by the scripts here (sourced). CTest sets BUILD, SOURCE, CXX, VERSION and STATIC.
installed=$BUILD/tests/installed
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

# expect_same WANTED GOT WHAT: two files, line by line.
expect_same() { diff --label expected --label found "$1" "$2" || fail "$3 differ as above"; }

# expected_files: what an installation has, below its prefix.
expected_files() {
  {
    sed "s/@VERSION@/$VERSION/" "$SOURCE/tests/package/files.txt"
    (cd "$SOURCE" && ls include/tandem/*.h && ls examples/* | sed 's|^|share/doc/tandem/|')
  } | sort
}
