#!/usr/bin/env bash
# Downloads what stage 2 unpacks itself, without maintainer scripts: kernel, firmware, RAUC's service. apt verifies
# each package against the signed index. The kernel of a built image is the newest of the suite.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"

directory=$CACHE/packages-$BOARD
wanted=(rauc-service)
case "$BOARD" in rpi4) wanted+=(raspi-firmware firmware-brcm80211) ;; esac

url=$(mirror)
in_builder bash -euc '
    echo "deb [signed-by=$1] $2 $3 main non-free-firmware" >/etc/apt/sources.list
    apt-get update -qq --error-on=any' update "$KEYRING" "$url" "$SUITE"
release=$(in_builder apt-cache show "$KERNEL:$ARCH" | sed -n 's/^Depends:.*linux-image-\([^ ,]*\).*/\1/p' | head -1)
[ -n "$release" ] || die "$KERNEL of $SUITE names no kernel"
wanted+=("linux-image-$release:$ARCH")
case "$BOARD" in
    # For modules.sh: the kernel's source (linux-source-6.12 of a kernel 6.12.117+deb13-arm64), headers, and programs.
    rpi4)
        kernel=${release%-"$ARCH"}
        series=$(cut -d . -f 1,2 <<<"$kernel")
        wanted+=("linux-source-$series" "linux-headers-$release:$ARCH" "linux-headers-$kernel-common" "linux-kbuild-$kernel") ;;
esac

mkdir -p "$directory"
in_builder bash -euo pipefail -c '
    cd "$1"; shift
    # From an empty directory: apt names only what it would fetch.
    (cd "$(mktemp -d)" && apt-get download --print-uris "$@") | cut -d" " -f2 >wanted
    [ -s wanted ]
    for old in *.deb; do [ ! -e "$old" ] || grep -qxF "$old" wanted || rm "$old"; done
    missing=no
    while read -r name; do [ -e "$name" ] || missing=yes; done <wanted
    [ $missing = no ] || apt-get download -qq -o APT::Sandbox::User= "$@"
' download "$directory" "${wanted[@]}"
printf '%s' "$release" >"$directory/kernel-release"
