# Sourced by the other scripts: where things are, what a board means, and how to run a command in the builder.
#
# Everything that is downloaded or built lies below .cache/image, which may be deleted at any time.
set -euo pipefail
export LC_ALL=C TZ=UTC

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=$REPO/.cache/image
BUILDER=$CACHE/builder
SUITE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# Nothing in the image is newer than this: a fixed time, so that two builds of the same sources are equal.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1795000000}

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

[ "$(id -u)" = 0 ] || die "building the image needs root (mmdebstrap, chroot): run it with sudo"

# The mirror that this machine's apt uses already, or the one named in FARHAND_RIG_MIRROR, as for the rig.
mirror() {
    (cd "$REPO" && PYTHONPATH=hil .venv/bin/python -c 'from rig.mirror import find_mirror; print(find_mirror())')
}

# Sets ARCH (Debian's), TRIPLET, KERNEL (package) and WHEEL_PLATFORM for a board.
choose_board() {
    BOARD=$1
    case "$BOARD" in
        amd64) ARCH=amd64 TRIPLET=x86_64-linux-gnu MACHINE=x86_64 ;;
        generic-arm64 | rpi4) ARCH=arm64 TRIPLET=aarch64-linux-gnu MACHINE=aarch64 ;;
        *) die "expected generic-arm64, rpi4 or amd64, got $BOARD - at BOARD" ;;
    esac
    KERNEL=linux-image-$ARCH
    OUT=$CACHE/out/$BOARD
}

# Runs a command inside the builder, with the repository at its own path and the machine's resolver. The
# mounts live in a namespace of their own and end with the command.
in_builder() {
    REPO=$REPO BUILDER=$BUILDER unshare --mount --fork bash -euc '
        mount --make-rprivate /
        mount --rbind /dev "$BUILDER/dev"
        mount -t proc proc "$BUILDER/proc"
        mount -t sysfs sys "$BUILDER/sys"
        mkdir -p "$BUILDER$REPO"
        mount --bind "$REPO" "$BUILDER$REPO"
        exec chroot "$BUILDER" /usr/bin/env -i -C "$REPO" "$@"
    ' in_builder PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"
}
