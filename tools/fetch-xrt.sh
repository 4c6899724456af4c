#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# XRT 2.25 with the NPU's user-space driver, of Debian's newest suite, unpacked aside in tandem-xrt in the
# user's cache folder with all that it needs, the C library included; nothing is installed. Prints that
# folder: run/PROGRAM runs xrt-smi, xclbinutil, aiebu-asm and aiebu-dump of it, run/with runs any program on
# its libraries, root/usr has headers and libraries to build with. Fetched once (about 40 MB); exit status 1,
# with one line, where it cannot be had. TANDEM_SKIP_DEPS=1 fetches nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tandem-xrt
fail() { echo "fetch-xrt: $*" >&2; exit 1; }

if [[ ! -e $folder/run/with ]]; then
  [[ "${TANDEM_SKIP_DEPS:-}" != 1 ]] || fail "not fetched yet, and nothing is to be fetched"
  [[ $(uname -m) == x86_64 ]] || fail "there is an XRT for x86-64 alone"
  [[ -e /etc/debian_version ]] || fail "no Debian here"
  root=$folder/root
  "$here/fetch-packages.sh" --needed "$root" sid libxrt2 libxrt-npu2 libxrt-utils libxrt-utils-npu libxrt-dev ||
    fail "no newer XRT"
  lib=$root/usr/lib/x86_64-linux-gnu
  loader=$lib/ld-linux-x86-64.so.2
  [[ -e $lib/libxrt_driver_xdna.so.2 && -x $loader ]] || fail "the packages have no driver of the NPU"
  rm -rf "$folder/run.part" && mkdir -p "$folder/run.part"
  wrap() {
    printf '#!/bin/sh\nexec %q --library-path %q --argv0 "%s" %s"$@"\n' "$loader" "$lib" "$2" "$3" >"$folder/run.part/$1"
    chmod +x "$folder/run.part/$1"
  }
  for program in xrt-smi xclbinutil aiebu-asm aiebu-dump; do
    wrap "$program" "$program" "$(printf '%q ' "$root/usr/bin/$program")"
  done
  wrap with '$1' ''
  rm -rf "$folder/run" && mv "$folder/run.part" "$folder/run"
fi
echo "$folder"
