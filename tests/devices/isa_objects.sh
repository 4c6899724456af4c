#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Objects that are compiled for a level of instructions share no function with the rest of the
# program: the linker keeps one copy of an inline function, and it could be the one that an older
# processor cannot run. isa_objects.sh OBJECT...
set -euo pipefail

[[ $# -gt 0 ]] || { echo "no objects" >&2; exit 1; }
for object in "$@"; do
  symbols=$(nm --demangle "$object")
  grep -q ' T tandem::cpu::' <<<"$symbols" || { echo "$object defines none of our functions" >&2; exit 1; }
  if shared=$(grep -E ' [WVu] ' <<<"$symbols"); then
    printf '%s shares:\n%s\n' "$object" "$shared" >&2
    exit 1
  fi
done
