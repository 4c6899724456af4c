#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# The Debian packages share out the files of an installation, and say what they need.
# tools/package-root-test.sh installs them.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cpack --config "$BUILD/CPackConfig.cmake" -G DEB -B "$folder" >"$folder/log" 2>&1 ||
  fail "$(cat "$folder/log")"
architecture=$(dpkg --print-architecture)
field() { dpkg-deb --field "$folder/$1_${VERSION}_$architecture.deb" "$2"; }

for package in tandem libtandem0 libtandem-dev; do
  dpkg-deb --fsys-tarfile "$folder/${package}_${VERSION}_$architecture.deb" | tar -tv >"$folder/list"
  ! grep -v ' root/root ' "$folder/list" || fail "$package: the above do not belong to root"
  files=$(awk '!/^d/ { print $6 }' "$folder/list")
  for own in copyright changelog.gz; do
    grep -qx "./usr/share/doc/$package/$own" <<<"$files" || fail "$package has no $own"
  done
  sed 's|^./usr/||' <<<"$files" >>"$folder/all"
  [[ "$(field $package Version)" == "$VERSION" ]] || fail "$package: $(field $package Version)"
  [[ "$(field $package Description | wc -l)" -ge 3 ]] || fail "$package is not described"
done
[[ "$(sort "$folder/all" | uniq -d)" == '' ]] || fail "a file is in two packages"

# The same files as an installation, but for what only packages have.
sed -E -e 's|share/zsh/vendor-completions|share/zsh/site-functions|' \
  -e 's/tandemTargets-[a-z]*/tandemTargets-release/' "$folder/all" |
  grep -vE '^share/(doc/libtandem.*/(copyright|changelog.gz)|doc/tandem/changelog.gz|lintian/.*)$' |
  sort >"$folder/found"
expected_files >"$folder/expected"
expect_same "$folder/expected" "$folder/found" "packaged files"

[[ "$(field libtandem-dev Depends)" == "libtandem0 (= $VERSION)" ]] || fail "libtandem-dev: Depends"
for package in tandem libtandem0; do
  [[ "$(field $package Depends)" == *'libc6 (>= '* ]] || fail "$package does not ask for libc6"
done
dpkg-deb --control "$folder/libtandem0_${VERSION}_$architecture.deb" "$folder/control"
grep -qx "libtandem 0 libtandem0 (>= $VERSION)" "$folder/control/shlibs" || fail "no shlibs entry"
for script in postinst postrm; do
  grep -q ldconfig "$folder/control/$script" || fail "libtandem0: $script does not call ldconfig"
done
