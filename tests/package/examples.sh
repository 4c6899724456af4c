#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# A stranger's project builds with the installation, by CMake and by pkg-config, and does what the
# examples say.
set -euo pipefail
. "$(dirname "$0")/common.sh"
warnings="-Wall -Wextra -Wshadow -Wpedantic -Werror"

# found_by VERSION: whether find_package takes the installation for that version.
found_by() {
  mkdir -p "$folder/version"
  printf 'cmake_minimum_required(VERSION 3.22)\nproject(x NONE)\nfind_package(tandem %s REQUIRED)\n' \
    "$1" >"$folder/version/CMakeLists.txt"
  cmake -S "$folder/version" -B "$folder/version/$1" -DCMAKE_PREFIX_PATH="$installed" \
    >"$folder/log" 2>&1
}
found_by 0.1 || { cat "$folder/log"; fail "CMake does not find version 0.1"; }
! found_by 0.2 || fail "CMake takes it for version 0.2"
! found_by 0.0 || fail "CMake takes it for version 0.0, whose interface was another"

cp -r "$installed/share/doc/tandem/examples" "$folder/examples"
cmake -S "$folder/examples" -B "$folder/build" -DCMAKE_PREFIX_PATH="$installed" \
  -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_FLAGS="$warnings" >"$folder/log" || fail "$(cat "$folder/log")"
grep -qF "tandem_DIR:PATH=$installed/" "$folder/build/CMakeCache.txt" || fail "found another Tandem"
cmake --build "$folder/build" >"$folder/log" || { cat "$folder/log"; fail "examples do not build"; }

# run PROGRAM: its output, which must match the pattern that follows.
run() {
  local output
  output=$("$folder/build/$1" 2>"$folder/err") || fail "$1: $(cat "$folder/err")"
  [[ "$output" =~ $2 ]] || fail "$1 printed: $output"
}
run chat '^The capital of Brazil is Brasília\.$'
run cancel $'^[^.]+\.[^.]+\.[^.]*\n\\(cancelled after [0-9]+ tokens; the session holds [0-9]+\\)$'
[[ "$(grep -c '^prompt: ' "$folder/err")" -ge 2 ]] || fail "cancel showed no progress"
name='> What is my name?
Your name is Tom.'
sum='> What is 17 + 25?
17 + 25 = 42.'
[[ "$("$folder/build/sessions")" == '> Hello! My name is Tom.
'*"
$name
$sum
$name" ]] || fail "sessions printed: $("$folder/build/sessions")"
[[ ! -e "${TMPDIR:-/tmp}/tandem-example.session" ]] || fail "sessions left its file behind"

export PKG_CONFIG_PATH=$installed/lib/pkgconfig
[[ "$(pkg-config --modversion tandem)" == "$VERSION" ]] || fail "pkg-config: another version"
rm "$folder/build/chat"
$CXX -std=c++20 $warnings "$folder/examples/chat.cc" $(pkg-config --cflags --libs tandem) \
  -o "$folder/build/chat"
export LD_LIBRARY_PATH=$installed/lib
run chat '^The capital of Brazil is Brasília\.$'
