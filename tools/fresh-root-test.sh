#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Proves that a bare machine is enough: makes an empty system with debootstrap, clones this
# repository into it, and runs `make run` and `make test` there.
#
#   tools/fresh-root-test.sh [--suite NAME] [--mirror URL] ROOT [MAKE-TARGET...]
#
# ROOT is a folder that does not exist yet (it is left for a look inside; delete it afterwards).
# Suite and mirror are those of this machine's apt unless given. Needs root, debootstrap and git.
# What is not committed is not tested. All mounts are made in a mount namespace of their own and
# vanish with this process.
set -euo pipefail

say() { echo "fresh-root-test: $*" >&2; }
fail() { say "$*"; exit 1; }

suite='' mirror=''
while [[ "${1:-}" == --* ]]; do
  case "$1" in
    --suite) suite=${2:?} ;;
    --mirror) mirror=${2:?} ;;
    *) fail "unknown option $1" ;;
  esac
  shift 2
done
[[ $# -gt 0 ]] || fail "usage: tools/fresh-root-test.sh [--suite NAME] [--mirror URL] ROOT [TARGET...]"
root=$(realpath -m "$1")
shift
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(run test)

[[ $EUID -eq 0 ]] || fail "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || fail "debootstrap is not installed"
[[ ! -e "$root" ]] || fail "$root exists; name a folder that does not"
if [[ "${TANDEM_FRESH_ROOT_NAMESPACE:-}" != 1 ]]; then
  restart=("$0")
  [[ -z "$suite" ]] || restart+=(--suite "$suite")
  [[ -z "$mirror" ]] || restart+=(--mirror "$mirror")
  TANDEM_FRESH_ROOT_NAMESPACE=1 exec unshare --mount --propagation private \
    "${restart[@]}" "$root" "${targets[@]}"
fi

# Lines "URI RELEASE COMPONENT" of this machine's apt.
host_sources() { apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' | sort -u; }

repository=$(cd "$(dirname "$0")/.." && pwd)
suite=${suite:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
components=main
[[ "$(. /etc/os-release && echo "$ID")" != ubuntu ]] || components=main,universe
mirror=${mirror:-$(host_sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')}
[[ -n "$mirror" ]] || fail "this machine's apt has no source of $suite: give --mirror"
[[ -z "$(git -C "$repository" status --porcelain)" ]] || say "note: uncommitted changes are left out"

say "making $suite in $root"
debootstrap --variant=minbase --components="$components" --include=ca-certificates,make \
  "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; fail "see $root.log"; }
rm "$root.log"

# Packages come from where this machine's come: same sources of the suite, same proxy and options.
host_sources | awk -v suite="$suite" '$2 ~ "^" suite "(-|$)" { print "deb", $0 }' \
  >"$root/etc/apt/sources.list"
[[ -s "$root/etc/apt/sources.list" ]] ||
  echo "deb $mirror $suite ${components/,/ }" >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::' | grep -v IndexTargets >"$root/etc/apt/apt.conf.d/90host"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

git clone --quiet --no-hardlinks "$repository" "$root/tandem"
mount -t proc proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"

inside() {
  env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${no_proxy:+no_proxy="$no_proxy"} chroot "$root" "$@"
}

for target in "${targets[@]}"; do
  start=$SECONDS
  say "make $target"
  inside make -C /tandem "$target" </dev/null || fail "make $target failed in $root"
  say "make $target took $((SECONDS - start)) s"
done
say "passed; remove $root when done"
