#!/usr/bin/env bash
# Builds the image of a board twice, the second time with Debian's part of the root and all downloads made anew, and
# compares what came out: image/reproducible.sh amd64|generic-arm64|rpi4. Bundles are not compared: each signature of
# the same bytes is another one. The builder and the keys stay: they are what a build is given.
. "$(dirname "${BASH_SOURCE[0]}")/build/common.sh"
choose_board "${1:-}"
sums() { (cd "$OUT" && sha256sum ./*.img root.squashfs boot.vfat firmware.vfat data.ext4 ./farhand-*.cdx.json); }

"$REPO/image/build.sh" "$BOARD"
first=$(sums)
rm -rf "$CACHE/root-$ARCH.tar.stamp" "$CACHE/packages-$BOARD" "$CACHE/modules-$BOARD" "$CACHE/wheels-$ARCH"
"$REPO/image/build.sh" "$BOARD"
second=$(sums)
if [ "$first" != "$second" ]; then
    diff <(echo "$first") <(echo "$second") >&2 || true
    die "two builds of $BOARD differ"
fi
echo "$second"
say "two builds of $BOARD are equal"
