# SPDX-License-Identifier: BSD-3-Clause
# Sourced by tests/run and bench/run: says what is done, installs what is missing, fails with what to do.

say() { printf '\033[1m==\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need_packages PACKAGE...: installs those that are not there, from the machine's own apt sources.
need_packages() {
  command -v dpkg-query >/dev/null || die "this is no Debian: install these yourself and run again: $*"
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] || die "not root; run first: apt-get install --no-install-recommends ${missing[*]}"
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
      >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "apt-get could not install ${missing[*]} (its last words are above)"
  fi
  rm -f "$log"
}

BUILD_PACKAGES=(g++ meson ninja-build pkg-config libfmt-dev libpci-dev libpcap-dev libcli11-dev nlohmann-json3-dev
  libgtest-dev libbenchmark-dev libxdp-dev libbpf-dev)
LAB_PACKAGES=(debootstrap util-linux iproute2 kmod psmisc procps python3)

# configure DIR [MESON-OPTION...]: a build directory, configured anew when the options changed.
configure() {
  local dir=$1
  shift
  if [ -e "$dir/build.ninja" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "${CXX:-} $*" ]; then return; fi
  rm -rf "$dir"
  meson setup "$dir" "$@" >"/tmp/pollux-meson.$$" 2>&1 || { cat "/tmp/pollux-meson.$$" >&2; die "meson setup $dir failed"; }
  rm -f "/tmp/pollux-meson.$$"
  echo "${CXX:-} $*" > "$dir/.options"
}
