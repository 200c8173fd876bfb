#!/usr/bin/env bash
# Builds the image of a board: image/build.sh amd64|generic-arm64|rpi4. The result lies in .cache/image/out/BOARD.
. "$(dirname "${BASH_SOURCE[0]}")/build/common.sh"
choose_board "${1:-}"
# The version of the package; a test that needs two images gives another.
version=${FARHAND_IMAGE_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$REPO/pyproject.toml")}
here=$REPO/image/build
started=$SECONDS
"$here/builder.sh"
"$here/stage1.sh" "$BOARD"
"$here/packages.sh" "$BOARD"
"$here/modules.sh" "$BOARD"
"$here/wheels.sh" "$BOARD"
"$here/pki.sh"
say "putting the root of $BOARD together"
in_builder "$here/root.sh" "$BOARD" "$version"
say "making the disk"
in_builder "$here/disk.sh" "$BOARD" "$version"
"$here/bundle.sh" "$BOARD" "$version"
say "$OUT/farhand-$BOARD-$version.img: $(stat -c %s "$OUT/farhand-$BOARD-$version.img") bytes, root $(stat -c %s "$OUT/root.squashfs") bytes, after $((SECONDS - started)) s"
