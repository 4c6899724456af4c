#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Proves that a bare machine is enough: makes an empty system with debootstrap, clones this
# repository into it, and runs `make run` and `make test` there.
#
#   tools/fresh-root-test.sh [--suite NAME] [--mirror URL] ROOT [MAKE-TARGET...]
#
# tools/empty-root.sh says more about ROOT. What is not committed is not tested.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/empty-root.sh"

parse_root_options "$@"
enter_namespace "$@"
targets=("${arguments[@]}")
[[ ${#targets[@]} -gt 0 ]] || targets=(run test)
[[ -z "$(git -C "$repository" status --porcelain)" ]] || say "note: uncommitted changes are left out"

make_root ca-certificates,make
git clone --quiet --no-hardlinks "$repository" "$root/tandem"
for target in "${targets[@]}"; do
  start=$SECONDS
  say "make $target"
  inside make -C /tandem "$target" </dev/null || fail "make $target failed in $root"
  say "make $target took $((SECONDS - start)) s"
done
say "passed; remove $root when done"
