#!/usr/bin/env bash
# Makes the builder: a Debian with every tool that the image needs, so that their versions depend on the suite
# and not on the machine. It is made again when the list below changes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tools=(
    # file systems, partitions, images
    mmdebstrap genimage mtools dosfstools e2fsprogs squashfs-tools fdisk cpio zstd xz-utils
    # compilers for the extensions of both architectures
    gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross make
    python3 python3-dev python3-pip python3-venv
    libpython3.13-dev:arm64 libjpeg62-turbo-dev:amd64 libturbojpeg0-dev:amd64
    libjpeg62-turbo-dev:arm64 libturbojpeg0-dev:arm64
    # boot loaders, device trees, modules, updates
    u-boot-tools u-boot-rpi:arm64 u-boot-qemu device-tree-compiler kmod rauc openssl ca-certificates
    # machines to boot it in
    qemu-system-arm qemu-system-x86 qemu-utils
    qemu-user qemu-user-binfmt
)
wanted=$(printf '%s\n' "$SUITE" "${tools[@]}" | sha256sum)
[ "$(cat "$BUILDER/.farhand-stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0

command -v mmdebstrap >/dev/null || die "please install: apt-get install mmdebstrap"
url=$(mirror)
say "making the builder from $SUITE"
rm -rf "$BUILDER.new"
mkdir -p "$CACHE"
mmdebstrap --quiet --mode=root --variant=minbase --architectures=amd64,arm64 --keyring="$KEYRING" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$(IFS=,; echo "${tools[*]}")" \
    "$SUITE" "$BUILDER.new" "deb [signed-by=$KEYRING] $url $SUITE main"
printf '%s\n' "$wanted" >"$BUILDER.new/.farhand-stamp"
rm -rf "$BUILDER"
mv "$BUILDER.new" "$BUILDER"
