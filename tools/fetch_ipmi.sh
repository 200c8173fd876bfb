#!/usr/bin/env bash
# Put ipmitool and the simulator of a BMC (OpenIPMI's ipmi_sim) into .cache/ipmi, for the tests, from Debian's
# packages, which apt verifies. Nothing is installed: the packages would start services. Needs no root.
# Usage: tools/fetch_ipmi.sh; it prints the directory, and does nothing if that is there.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

target=$PWD/.cache/ipmi
[ -e "$target/complete" ] && { echo "$target"; exit; }
say() { printf 'fetch_ipmi: %s\n' "$*" >&2; exit 2; }
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || say "expected Debian's apt-get and dpkg-deb, found none"

# Debian 13 renamed libraries whose interface changed with the width of time_t.
available() { [[ $(apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[0-9]* ]]; }
library=libopenipmi0
available libopenipmi0t64 && library=libopenipmi0t64
packages=(ipmitool openipmi "$library" libfreeipmi17 libpopt0)

mkdir -p "${target%/*}"
work=$(mktemp -d "${target%/*}/ipmi.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -q -o APT::Sandbox::User="$(id -un)" "${packages[@]}" >&2) \
    || say "apt-get could not download ${packages[*]}; is its index there (apt-get update), and the mirror reachable?"
mkdir "$work/root"
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
rm "$work"/*.deb
mv "$work/root"/* "$work/" && rmdir "$work/root"
touch "$work/complete"
rm -rf "$target"
mv "$work" "$target"
trap - EXIT
echo "$target"
