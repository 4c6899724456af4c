#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# A shader compiler that knows cooperative matrices, where the system's does not (Debian 12):
# unpacked aside with the C library it needs, in tandem-glslc in the user's cache folder, where CMake
# looks for it. Fetched once. Where it cannot be had, one line says so and the build goes on without
# those kernels. TANDEM_SKIP_DEPS=1 skips it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tandem-glslc
suite=trixie

[[ "${TANDEM_SKIP_DEPS:-}" != 1 && ! -x $folder/glslc ]] || exit 0
command -v glslc >/dev/null || exit 0 # no Vulkan at all then
probe=$here/../src/devices/vulkan/shaders/gemm_coop.comp
if glslc --target-env=vulkan1.3 -fshader-stage=compute "$probe" -o /dev/null 2>/dev/null; then exit 0; fi

without() {
  echo "fetch-glslc: products on GPUs are built without cooperative matrices: $1" >&2
  exit 0
}
[[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] || without "no amd64 Debian here"
"$here/fetch-packages.sh" "$folder/root" "$suite" glslc libshaderc1 libc6 libstdc++6 libgcc-s1 ||
  without "no newer glslc"
cat >"$folder/glslc.part" <<'WRAPPER'
#!/bin/sh
root=$(cd "$(dirname "$0")" && pwd)/root
libraries=$root/usr/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/bin/glslc" "$@"
WRAPPER
chmod +x "$folder/glslc.part"
"$folder/glslc.part" --version >/dev/null 2>&1 || without "the newer glslc does not run"
mv "$folder/glslc.part" "$folder/glslc"
