#!/usr/bin/env bash
# Builds kernel modules that Debian's kernel lacks, out of Debian's own source of that kernel and against its headers:
# for the Raspberry Pi the receiver of the camera port and the HDMI bridge behind it. Kept until the kernel changes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"
[ "$BOARD" = rpi4 ] || exit 0

release=$(cat "$CACHE/packages-$BOARD/kernel-release")
directory=$CACHE/modules-$BOARD
stamp=$(cat "${BASH_SOURCE[0]}" "$CACHE/packages-$BOARD/wanted" | sha256sum)
[ "$(cat "$directory/stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0
say "building modules for $release"
rm -rf "$directory"
mkdir -p "$directory"
in_builder bash -euc '
    packages=$1 directory=$2 release=$3
    # Headers and the programs of the kernel'"'"'s build, at the places that their makefiles name.
    for package in "$packages"/linux-headers-*.deb "$packages"/linux-kbuild-*.deb; do dpkg-deb -x "$package" /; done
    work=$(mktemp -d)
    trap "rm -rf $work" EXIT
    dpkg-deb --fsys-tarfile "$packages"/linux-source-*.deb | tar -xO --wildcards "./usr/src/linux-source-*.tar.xz" \
        | tar -xJ -C "$work" --strip-components=1 --wildcards \
            "*/drivers/media/i2c/tc358743*" "*/drivers/media/platform/broadcom/bcm2835-unicam*"
    mkdir "$work/build"
    cp "$work"/drivers/media/i2c/* "$work"/drivers/media/platform/broadcom/* "$work/build/"
    echo "obj-m := tc358743.o bcm2835-unicam.o" >"$work/build/Makefile"
    make -s -C "/usr/src/linux-headers-$release" M="$work/build" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
        CONFIG_DEBUG_INFO_BTF_MODULES= modules
    for module in "$work"/build/*.ko; do
        aarch64-linux-gnu-strip --strip-debug "$module"
        # As the kernel reads it: with CRC32 and without anything newer.
        xz --check=crc32 -c "$module" >"$directory/$(basename "$module").xz"
    done
' modules "$CACHE/packages-$BOARD" "$directory" "$release"
printf '%s\n' "$stamp" >"$directory/stamp"
