#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# A stock mlir-opt for the tests of tandem npu designs, unpacked aside in tandem-mlir in the user's
# cache folder (some 100 MB to fetch), where they look for it. Nothing is installed. Nothing is
# fetched where the system has one. Exit status 1, with one line, when that cannot be had.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tandem-mlir
suite=bookworm version=19

fail() { echo "fetch-mlir: $*" >&2; exit 1; }

[[ ! -x $folder/mlir-opt ]] || exit 0
for system in /usr/lib/llvm-*/bin/mlir-opt; do [[ ! -x $system ]] || exit 0; done
[[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] || fail "no amd64 Debian here"
"$here/fetch-packages.sh" "$folder/$suite" "$suite" "mlir-$version-tools" "libllvm$version" libz3-4 ||
  fail "no mlir-opt $version"
cat >"$folder/mlir-opt.part" <<WRAPPER
#!/bin/sh
here=\$(cd "\$(dirname "\$0")" && pwd)
libs=\$here/$suite/usr/lib
LD_LIBRARY_PATH=\$libs/x86_64-linux-gnu:\$libs/llvm-$version/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "\$libs/llvm-$version/bin/mlir-opt" "\$@"
WRAPPER
chmod +x "$folder/mlir-opt.part"
"$folder/mlir-opt.part" --version >/dev/null 2>&1 || fail "the mlir-opt of $suite does not run here"
mv "$folder/mlir-opt.part" "$folder/mlir-opt"
