#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a test on the lavapipe that tools/fetch-mesa.sh unpacks (Mesa 25) instead of the installed one.
#   tests/devices/lavapipe_backports.sh TEST [ARGUMENTS...]
# Exit status 77, with one line, where it cannot be had.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
mesa=$("$root/tools/fetch-mesa.sh" 2>&1) || { echo "lavapipe_backports skipped: ${mesa##*$'\n'}"; exit 77; }
export LD_LIBRARY_PATH=$mesa/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export VK_ICD_FILENAMES=$mesa/lavapipe.json VK_DRIVER_FILES=$mesa/lavapipe.json
exec "$@"
