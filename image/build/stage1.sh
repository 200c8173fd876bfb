#!/usr/bin/env bash
# Stage 1: Debian's part of the root file system, as a tar. Maintainer scripts of another architecture run under
# qemu-user, which is what takes long; the result is kept until the list of packages changes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"

packages=(
    systemd systemd-sysv udev dbus systemd-timesyncd systemd-resolved libnss-myhostname libnss-resolve
    kmod iproute2 iputils-ping procps netbase tzdata nftables openssh-server iwd wireless-regdb
    e2fsprogs dosfstools fdisk util-linux less zstd busybox-static
    python3 libjpeg62-turbo libturbojpeg0
    rauc libubootenv-tool
)
root=$CACHE/root-$ARCH.tar
stamp=$(cat "${BASH_SOURCE[0]}" <(echo "$SUITE $ARCH ${packages[*]}") | sha256sum)
[ -e "$root" ] && [ "$(cat "$root.stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0

if [ "$ARCH" = arm64 ] && [ "$(uname -m)" != aarch64 ]; then
    # The F flag has the kernel open the interpreter now, in the builder, and use it in every root.
    mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc \
        || die "this kernel cannot run programs of other processors (binfmt_misc)"
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || BUILDER=$BUILDER unshare --mount bash -euc '
        line=$(cat "$BUILDER/usr/lib/binfmt.d/qemu-aarch64.conf")
        mount --rbind /proc "$BUILDER/proc"
        printf "%s" "$line" | chroot "$BUILDER" tee /proc/sys/fs/binfmt_misc/register >/dev/null'
fi

url=$(mirror)
say "installing Debian for $ARCH"
# Host keys are made on the appliance: empty ones keep the maintainer script from making some here.
mmdebstrap --quiet --mode=root --variant=essential --architectures="$ARCH" --format=tar --skip=check/qemu \
    --keyring="$KEYRING" --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --include="$(IFS=,; echo "${packages[*]}")" \
    --essential-hook='mkdir -p "$1/etc/ssh"; for k in rsa ecdsa ed25519; do : >"$1/etc/ssh/ssh_host_${k}_key"; : >"$1/etc/ssh/ssh_host_${k}_key.pub"; done' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
    "$SUITE" "$root.new" "deb [signed-by=$KEYRING] $url $SUITE main"
mv "$root.new" "$root"
printf '%s\n' "$stamp" >"$root.stamp"
