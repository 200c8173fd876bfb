#!/usr/bin/env bash
# Runs in the builder: puts the root file system together, without running a program of the target. What it leaves
# in $OUT: root/ (the tree), root.squashfs, boot/ (kernel, initramfs, command line).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"
version=$2
image=$REPO/image
root=$OUT/root
packages=$CACHE/packages-$BOARD
wheels=$CACHE/wheels-$ARCH
release=$(cat "$packages/kernel-release")

rm -rf "$OUT"
mkdir -p "$root" "$OUT/boot"
tar -C "$root" --numeric-owner -xf "$CACHE/root-$ARCH.tar"

unpack() { dpkg-deb --fsys-tarfile "$packages"/$1_*.deb | tar -C "$root" -x --keep-directory-symlink --wildcards "${@:2}"; }
unpack "linux-image-$release" --exclude='./usr/share/doc/*/changelog*' './boot/*' './usr/*'
unpack rauc-service './usr/*'
case "$BOARD" in
    rpi4)
        unpack firmware-brcm80211 './usr/lib/firmware/*/*43430*' './usr/lib/firmware/*/*43455*' \
            './usr/share/doc/*/copyright'
        unpack raspi-firmware './usr/lib/firmware/*' './usr/share/doc/*/copyright'
        ;;
esac

# --- modules: what no appliance has plugged in takes half of the space -------------------------------------------
modules=$root/usr/lib/modules/$release
[ -d "$modules" ] || modules=$root/lib/modules/$release
for part in drivers/gpu drivers/infiniband drivers/isdn drivers/mtd drivers/accel drivers/staging drivers/crypto \
    drivers/media/dvb-frontends drivers/media/tuners drivers/media/pci drivers/media/usb/dvb-usb drivers/media/usb/dvb-usb-v2 \
    drivers/net/ethernet drivers/net/wireless drivers/net/can drivers/iio drivers/scsi drivers/soundwire \
    drivers/nfc drivers/comedi drivers/edac drivers/mmc/host/dw_mmc-hi3798cv200.ko sound/soc sound/pci \
    fs/ocfs2 fs/gfs2 fs/ceph fs/xfs fs/btrfs fs/bcachefs fs/smb fs/nfsd net/netrom net/rxrpc net/tipc net/sctp; do
    [ -e "$modules/kernel/$part" ] || continue
    find "$modules/kernel/$part" -type f ! -path '*broadcom*' ! -path '*realtek*' ! -name 'vc4*' ! -name 'drm*' \
        ! -name 'virtio*' ! -name 'sd_mod*' ! -name 'scsi_mod*' ! -name 'scsi_common*' ! -name 'genet*' -delete
done
# What modules.sh built; depmod prefers "updates".
if [ -d "$CACHE/modules-$BOARD" ]; then
    mkdir -p "$modules/updates"
    cp "$CACHE/modules-$BOARD"/*.ko.xz "$modules/updates/"
fi
depmod -b "$root" "$release"

# --- our program and its dependencies --------------------------------------------------------------------------------
venv=$root/usr/lib/farhand/venv
site=$venv/lib/python3.13/site-packages
mkdir -p "$venv/bin" "$site"
ln -s /usr/bin/python3 "$venv/bin/python3"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n' >"$venv/pyvenv.cfg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pip() { python3 -m pip --disable-pip-version-check --no-cache-dir -q "$@"; }
export PIP_ROOT_USER_ACTION=ignore
pip install --no-index --find-links "$wheels/build" --target "$work/tools" --require-hashes -r "$wheels/build/requirements.txt"
mkdir "$work/source"
(cd "$REPO" && cp -a --parents LICENSE NOTICE README.md pyproject.toml setup.py drivers firmware api/*.py "$work/source/" \
    && tar -c --exclude=node_modules api | tar -C "$work/source" -x)
find "$work/source" \( -name '*.so' -o -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +
[ -e "$work/source/api/console/dist/index.html" ] || die "the console is not built: run just console"
(
    cd "$work/source"
    export FARHAND_REQUIRE_JPEG=1 PYTHONPATH=$work/tools
    # The folder's name is another one each time, and would get into the extensions.
    export CFLAGS="-g0 -ffile-prefix-map=$work=/build"
    if [ "$ARCH" = arm64 ]; then
        export CC=aarch64-linux-gnu-gcc LDSHARED="aarch64-linux-gnu-gcc -shared"
        export _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__aarch64-linux-gnu _PYTHON_HOST_PLATFORM=linux-aarch64
    fi
    python3 -m pip --disable-pip-version-check --no-cache-dir -q wheel --no-deps --no-build-isolation --no-index \
        --wheel-dir "$work/wheel" .
)
platforms=(--platform "linux_$MACHINE")
for glibc in 41 40 39 38 37 36 35 34 33 32 31 30 29 28 27 26 25 24 17; do platforms+=(--platform "manylinux_2_${glibc}_$MACHINE"); done
target=(--no-index --no-compile --no-deps --only-binary=:all: --python-version 3.13 --implementation cp "${platforms[@]}" --target "$site")
pip install "${target[@]}" --find-links "$wheels" --require-hashes -r "$REPO/requirements/image.txt"
rm -rf "$site/bin"
# By its name and not as a file: pip would note the file's path, another one each time, with its hash in RECORD.
pip install "${target[@]}" --find-links "$work/wheel" farhand
rm -rf "$site/bin"
file=$(find "$site/drivers/video" -name '_jpeg*.so')
[ -n "$file" ] || die "the wheel has no JPEG extension"

# --- our files -------------------------------------------------------------------------------------------------------
cp -a "$image/overlay/." "$root/"
cp "$image/boards/$BOARD/image.env" "$root/usr/lib/farhand/image.env"
printf '%s\n' "$version" >"$root/usr/lib/farhand/version"
mkdir -p "$root/data" "$root/boot/firmware" "$root/etc/rauc"
ln -sfn /data/config "$root/etc/farhand"
ln -sfn /run/farhand/iwd "$root/etc/iwd"
ln -sfn /run/farhand/localtime "$root/etc/localtime"
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
: >"$root/etc/fstab"
echo farhand >"$root/etc/hostname"
sed -i 's#^root:[^:]*:#root:*:#' "$root/etc/shadow"
# The builder's suite is the same; Debian's own way to make this file would run under emulation.
mkdir -p "$root/etc/ssl/certs"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
sed "s/@COMPATIBLE@/farhand-$BOARD/; s/@VERSION@/$version/" "$image/rauc/system.conf" >"$root/etc/rauc/system.conf"
cp "$CACHE/pki/ca.cert.pem" "$root/etc/rauc/ca.cert.pem"

systemd-sysusers --root="$root" farhand.conf
# Copies of what was before.
rm -f "$root"/etc/{passwd,group,shadow,gshadow}- "$root/etc/.pwd.lock"

systemctl --root="$root" enable -q farhand.service farhand-privileged.socket farhand-prepare.service farhand-grow.service farhand-health.service \
    farhand-probation.timer farhand-journal.service data.mount boot-firmware.mount nftables.service iwd.service ssh.service \
    systemd-networkd.service systemd-resolved.service systemd-timesyncd.service
systemctl --root="$root" mask -q apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer dpkg-db-backup.timer systemd-firstboot.service systemd-hwdb-update.service systemd-update-done.service \
    systemd-journal-catalog-update.service ldconfig.service sshd-keygen.service systemd-networkd-wait-online.service

# --- what is known of the contents, then nothing that differs from build to build ---------------------------------------
python3 "$image/build/sbom.py" --root "$root" --site "$site" --board "$BOARD" --version "$version" --packages "$packages" \
    --time "$SOURCE_DATE_EPOCH" --output "$OUT/sbom.cdx.json"
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
# Marshalled references depend on chance with more than one job (-j1), and names of sets on the hash's seed.
PYTHONHASHSEED=0 python3 -m compileall -q -j1 -s "$root" -p / --invalidation-mode unchecked-hash \
    "$root/usr/lib/python3.13" "$site" >/dev/null || true
rm -rf "$root/var" "$root"/tmp/* "$root/run"/* "$root/etc/ssh/"ssh_host_*
mkdir -p "$root/var" "$root/run" "$root/tmp"

cp "$root/boot/vmlinuz-$release" "$OUT/boot/vmlinuz"
python3 "$image/build/initramfs.py" --root "$root" --kernel-release "$release" --init "$image/build/init" \
    --time "$SOURCE_DATE_EPOCH" --output "$OUT/boot/initramfs.img"
printf '%s panic=5 ro farhand.disk=46415248 systemd.volatile=state systemd.crash_action=reboot fsck.repair=yes\n' "$(cat "$image/boards/$BOARD/cmdline")" >"$OUT/boot/cmdline"
mkdir -p "$OUT/dtb"
[ "$ARCH" != arm64 ] || cp "$root/usr/lib/linux-image-$release"/broadcom/bcm2*rpi*.dtb "$OUT/dtb/"
rm -rf "$root/boot"/{vmlinuz,config,System.map}* "$root/usr/lib/linux-image-$release"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mksquashfs "$root" "$OUT/root.squashfs" -quiet -no-progress -comp zstd -Xcompression-level 9 \
    -b 256K -noappend -no-exports -xattrs
