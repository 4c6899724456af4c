#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Proves what `make package` made, in an empty system: the program's package installs and runs with
# nothing added; with the library's packages and a compiler, the examples build and run; the archive
# does the same where it is unpacked; and nothing of it is left after removal.
#
#   tools/package-root-test.sh [--suite NAME] [--mirror URL] ROOT [PACKAGES]
#
# PACKAGES is the folder of the packages, build-package/packages by default. tools/empty-root.sh
# says more about ROOT.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/empty-root.sh"

parse_root_options "$@"
enter_namespace "$@"
packages=${arguments[0]:-$repository/build-package/packages}
debs=("$packages"/*.deb)
[[ -f "${debs[0]}" ]] || fail "no packages in $packages: run make package first"
archive=$(ls "$packages"/*.tar.xz)

# What apt and dpkg note for themselves, and /tmp, which is ours here.
unwatched=(proc dev sys run tmp var/lib/dpkg var/lib/apt var/cache/apt var/log/apt
  var/log/dpkg.log var/log/alternatives.log var/cache/ldconfig)

# state FILE: every file of the system with mode, owner and content.
state() {
  local skip=(-false) path
  for path in "${unwatched[@]}"; do skip+=(-o -path "./$path"); done
  (
    cd "$root"
    find . -xdev \( "${skip[@]}" \) -prune -o -printf '%M %U:%G %p %l\n' | sort
    find . -xdev \( "${skip[@]}" \) -prune -o -type f -exec sha256sum {} + | sort -k 2
  ) >"$1"
}

# no_trace BEFORE [PACKAGE...]: whether the system is what it was, and dpkg has forgotten them.
no_trace() {
  local package
  for package in "${@:2}"; do
    ! inside dpkg-query -W "$package" >"$root.log" 2>&1 || fail "dpkg still knows $package"
  done
  rm -f "$root.log"
  state "$root.after"
  diff "$1" "$root.after" >&2 || fail "removal left the above"
  say "no trace: $(grep -c '^[0-9a-f]\{64\} ' "$1") files are the same as before"
  rm "$1" "$root.after"
}

# there BEFORE: that the comparison would see what is to go.
there() {
  state "$root.after"
  ! cmp -s "$1" "$root.after" || fail "an installed package is not seen in the list of files"
}

apt() { inside apt-get -qq -o DPkg::Use-Pty=0 -y --no-install-recommends "$@" >"$root.log" 2>&1 ||
  { cat "$root.log" >&2; fail "apt-get $*"; }; rm -f "$root.log"; }
# in_root NAME: the file of that package, as seen inside.
in_root() {
  local found=("$root/tmp/packages/$1"_*.deb)
  echo "${found[0]#"$root"}"
}
installed() { inside dpkg-query -W -f '${db:Status-Status} ${Package}\n' | grep -c '^installed'; }

# expect WANTED COMMAND...: the command's output has WANTED in it.
expect() {
  local wanted=$1 output
  shift
  output=$(inside "$@" 2>&1 </dev/null) || fail "$*: $output"
  [[ "$output" == *"$wanted"* ]] || fail "$* printed: $output"
  say "$*: $(tail -n 1 <<<"$output")"
}

# build_examples: of /tmp/examples, by CMake and by pkg-config, whose environment is set if needed.
build_examples() {
  inside cmake -S /tmp/examples -B /tmp/build "$@" >/dev/null
  inside cmake --build /tmp/build >/dev/null
  expect 'Brasília' /tmp/build/chat
  expect 'cancelled' /tmp/build/cancel
  expect 'Tom' /tmp/build/sessions
}

make_root ca-certificates
mkdir "$root/tmp/packages" "$root/tmp/tree"
cp "${debs[@]}" "$root/tmp/packages"
cp -r "$repository/tools" "$repository/packages" "$root/tmp/tree"
cp -r "$repository/examples" "$root/tmp/examples"
apt update

say "the program alone"
before=$(installed)
state "$root.before"
apt install "$(in_root tandem)"
say "packages that came with it: $(($(installed) - before - 1))"
expect '' dpkg --verify tandem
expect 'Brasília' tandem run -q -p 'What is the capital of Brazil?' --temp 0
expect 'q4_k_m' bash -c '. /usr/share/bash-completion/completions/tandem
  COMP_WORDS=(tandem convert --type q4_k_); COMP_CWORD=3; _tandem; echo "${COMPREPLY[@]}"'
there "$root.before"
apt purge tandem
no_trace "$root.before" tandem

say "with a compiler: $(inside bash -c 'CI=true /tmp/tree/tools/install-deps.sh consumer 2>&1' |
  grep -c '^Setting up') packages"
state "$root.before"
apt install "$(in_root tandem)" "$(in_root libtandem0)" "$(in_root libtandem-dev)"
expect '' dpkg --verify tandem libtandem0 libtandem-dev
build_examples
expect '' bash -c 'g++ -std=c++20 /tmp/examples/chat.cc $(pkg-config --cflags --libs tandem) -o /tmp/chat'
expect 'Brasília' /tmp/chat
there "$root.before"
apt purge tandem libtandem0 libtandem-dev
no_trace "$root.before" tandem libtandem0 libtandem-dev

say "the archive"
state "$root.before"
mkdir "$root/opt/somewhere"
tar -xJf "$archive" -C "$root/opt/somewhere" --strip-components=1 --no-same-owner
expect 'Brasília' /opt/somewhere/bin/tandem run -q -p 'What is the capital of Brazil?' --temp 0
rm -r "$root/tmp/build"
build_examples -DCMAKE_PREFIX_PATH=/opt/somewhere
rm -r "$root/opt/somewhere"
no_trace "$root.before"
say "passed; remove $root when done"
