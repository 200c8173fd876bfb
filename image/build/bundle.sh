#!/usr/bin/env bash
# Makes the signed update bundle of a built image: image/build/bundle.sh BOARD VERSION. RAUC checks signature, board and
# version of it before it writes anything, and each block as it is read (format verity).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"
version=$2
bundle=$OUT/farhand-$BOARD-$version.raucb
contents=$OUT/bundle
rm -rf "$contents" "$bundle"
mkdir -p "$contents"
ln "$OUT/root.squashfs" "$contents/root.img"
ln "$OUT/boot.vfat" "$contents/boot.img"
cat >"$contents/manifest.raucm" <<MANIFEST
[update]
compatible=farhand-$BOARD
version=$version

[bundle]
format=verity

[image.rootfs]
filename=root.img

[image.boot]
filename=boot.img
MANIFEST
in_builder rauc bundle --cert="$CACHE/pki/release.cert.pem" --key="$CACHE/pki/release.key.pem" \
    --keyring="$CACHE/pki/ca.cert.pem" --mksquashfs-args="-comp zstd -Xcompression-level 1" "$contents" "$bundle" >/dev/null
rm -rf "$contents"
(cd "$OUT" && sha256sum "$(basename "$bundle")" >>SHA256SUMS)
say "$bundle: $(stat -c %s "$bundle") bytes"
