# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Shared by the tests that need an empty system (sourced, needs root and debootstrap):
#
#   parse_root_options "$@"     reads [--suite NAME] [--mirror URL] ROOT, leaves the rest in arguments
#   enter_namespace "$@"        goes on in a mount namespace, whose mounts vanish with the process
#   make_root NAME,NAME...      makes Debian or Ubuntu in $root, with these packages besides
#   inside COMMAND...           runs a command in it
#
# ROOT is a folder that does not exist yet; it is left for a look inside. Suite and mirror are those
# of this machine's apt unless given.

say() { echo "$(basename "$0" .sh): $*" >&2; }
fail() { say "$*"; exit 1; }

suite='' mirror='' root='' arguments=()
parse_root_options() {
  while [[ "${1:-}" == --* ]]; do
    case "$1" in
      --suite) suite=${2:?} ;;
      --mirror) mirror=${2:?} ;;
      *) fail "unknown option $1" ;;
    esac
    shift 2
  done
  [[ $# -gt 0 ]] || fail "no ROOT given; the comment at the top of $0 says how to call it"
  root=$(realpath -m "$1")
  shift
  arguments=("$@")
}

enter_namespace() {
  [[ "${TANDEM_ROOT_NAMESPACE:-}" != 1 ]] || return 0
  [[ $EUID -eq 0 ]] || fail "needs root, for debootstrap and chroot"
  command -v debootstrap >/dev/null || fail "debootstrap is not installed"
  [[ ! -e "$root" ]] || fail "$root exists; name a folder that does not"
  TANDEM_ROOT_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"
}

# Lines "URI RELEASE COMPONENT" of this machine's apt.
host_sources() { apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' | sort -u; }

make_root() {
  local components=main
  suite=${suite:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
  [[ "$(. /etc/os-release && echo "$ID")" != ubuntu ]] || components=main,universe
  mirror=${mirror:-$(host_sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')}
  [[ -n "$mirror" ]] || fail "this machine's apt has no source of $suite: give --mirror"

  say "making $suite in $root"
  debootstrap --variant=minbase --components="$components" --include="$1" \
    "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; fail "see $root.log"; }
  rm "$root.log"

  # Packages come from where this machine's come: same sources of the suite, same proxy and options.
  host_sources | awk -v suite="$suite" '$2 ~ "^" suite "(-|$)" { print "deb", $0 }' \
    >"$root/etc/apt/sources.list"
  [[ -s "$root/etc/apt/sources.list" ]] ||
    echo "deb $mirror $suite ${components/,/ }" >"$root/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::' | grep -v IndexTargets >"$root/etc/apt/apt.conf.d/90host"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"

  mount -t proc proc "$root/proc"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm"
}

inside() {
  env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${no_proxy:+no_proxy="$no_proxy"} chroot "$root" "$@"
}
