#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles every kernel for Radeons that are not there: radv_gate in the environment of RADV's null
# device.
#   tests/devices/radv_gate.sh system|backports GATE CONFIG [--tables|--counts]
# `system` is the installed driver (Debian 12: Mesa 22.3, which has no cooperative matrices),
# `backports` the one that tools/fetch-mesa.sh unpacks. Exit status 77, with one line, without one.
set -euo pipefail

which=$1 gate=$2 config=$3 print=${4:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "radv_gate skipped: $*"; exit 77; }

case $which in
  system)
    icd=$(ls /usr/share/vulkan/icd.d/radeon_icd*.json 2>/dev/null | head -n 1)
    [[ -n $icd ]] || skip "no RADV here (apt install mesa-vulkan-drivers)"
    ;;
  backports)
    mesa=$("$root/tools/fetch-mesa.sh" 2>&1) || skip "${mesa##*$'\n'}"
    icd=$mesa/radeon.json
    export LD_LIBRARY_PATH=$mesa/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    ;;
  *) echo "radv_gate: no driver is called $which" >&2; exit 2 ;;
esac
export VK_ICD_FILENAMES=$icd VK_DRIVER_FILES=$icd MESA_SHADER_CACHE_DISABLE=true

# Of a family that the driver does not know it says so and aborts.
ran=0
for family in gfx1103_r1 phoenix gfx1150; do
  RADV_FORCE_FAMILY=$family "$gate" --probe >/dev/null 2>&1 || continue
  ran=1
  RADV_FORCE_FAMILY=$family "$gate" "$config" $print
  [[ -z $print ]] || break
done
[[ $ran == 1 ]] || skip "this RADV compiles for no RDNA3"
