#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# RADV and lavapipe of Debian's backports (Mesa 25), unpacked aside in tandem-mesa in the user's cache
# folder; nothing is installed. Prints that folder, which has radeon.json and lavapipe.json for the Vulkan
# loader and lib/ with what the drivers need. Fetched once; exit status 1, with one line, where it cannot be had. TANDEM_SKIP_DEPS=1
# fetches nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/tandem-mesa
fail() { echo "fetch-mesa: $*" >&2; exit 1; }

is_there() { [[ -e $folder/radeon.json && -e $folder/lavapipe.json ]]; }

if ! is_there; then
  [[ "${TANDEM_SKIP_DEPS:-}" != 1 ]] || fail "not fetched yet, and nothing is to be fetched"
  [[ $(. /etc/os-release 2>/dev/null; echo "${VERSION_CODENAME:-}") == bookworm ]] || fail "no Debian 12 here"
  mkdir -p "$folder"
  exec 9>"$folder/lock" && flock 9  # tests that want it run side by side
fi
# Another may have fetched it meanwhile, and use it.
if ! is_there; then
  unpacked=$folder/packages
  "$here/fetch-packages.sh" "$unpacked" bookworm-backports mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 ||
    fail "no newer Mesa"
  lib=$unpacked/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)
  ln -sfn "$lib" "$folder/lib"
  for driver in radeon:radeon lvp:lavapipe; do
    from=${driver%:*} to=$folder/${driver#*:}.json
    [[ -e $lib/libvulkan_$from.so ]] || fail "the packages have no libvulkan_$from.so"
    sed "s#\"library_path\": \"[^\"]*\"#\"library_path\": \"$lib/libvulkan_$from.so\"#" \
      "$unpacked"/usr/share/vulkan/icd.d/${from}_icd*.json >"$to.part"
    mv "$to.part" "$to"
  done
fi
echo "$folder"
