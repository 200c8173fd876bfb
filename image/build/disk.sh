#!/usr/bin/env bash
# Runs in the builder: makes the partitions of what root.sh left, and the image of them. Without loop devices; every
# name, number and time is fixed.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"
version=$2
image=$REPO/image
name=farhand-$BOARD-$version

# fat FILE MEBIBYTES BITS LABEL ID CONTENTS...
fat() {
    local file=$1 size=$2 bits=$3 label=$4 id=$5
    shift 5
    rm -f "$file"
    truncate -s "${size}M" "$file"
    mkfs.vfat -F "$bits" -S 512 -s "$([ "$bits" = 16 ] && echo 4 || echo 1)" -i "$id" -n "$label" --invariant "$file" >/dev/null
    find "$@" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    mcopy -i "$file" -s -m -D o "$@" ::
}

# --- the boot slot: kernel, initramfs, command line -----------------------------------------------------------------
if [ "$ARCH" = arm64 ]; then
    gzip -9n <"$OUT/boot/vmlinuz" >"$OUT/boot/vmlinuz.gz"
    printf 'board_args=%s' "$(cat "$OUT/boot/cmdline")" >"$OUT/boot/cmdline.env"
    fat "$OUT/boot.vfat" 44 16 BOOT 46415242 "$OUT/boot/vmlinuz.gz" "$OUT/boot/initramfs.img" "$OUT/boot/cmdline.env"
else
    fat "$OUT/boot.vfat" 44 16 BOOT 46415242 "$OUT/boot/vmlinuz" "$OUT/boot/initramfs.img" "$OUT/boot/cmdline"
fi

# --- the partition that a person sees, and the firmware's ------------------------------------------------------------
firmware=$OUT/firmware
mkdir -p "$firmware"
cp "$image/farhand.toml" "$firmware/farhand.example.toml"
if [ "$ARCH" = arm64 ]; then
    mkimage -A arm64 -T script -C none -n farhand -d "$image/build/boot.cmd" "$firmware/boot.scr" >/dev/null
fi
if [ "$BOARD" = rpi4 ]; then
    debian=$(mktemp -d)
    dpkg-deb -x "$CACHE/packages-$BOARD"/raspi-firmware_*.deb "$debian"
    cp "$debian"/usr/lib/raspi-firmware/{bootcode.bin,start.elf,fixup.dat,start4.elf,fixup4.dat} "$firmware/"
    rm -rf "$debian"
    cp "$OUT"/dtb/*.dtb "$firmware/"
    # The firmware asks for some boards by names of its own.
    for tree in "$OUT"/dtb/bcm2837-rpi-*.dtb; do
        cp "$tree" "$firmware/$(basename "$tree" | sed s/bcm2837/bcm2710/)"
    done
    cp "$OUT/dtb/bcm2711-rpi-cm4-io.dtb" "$firmware/bcm2711-rpi-cm4.dtb"
    cp /usr/lib/u-boot/rpi_arm64/u-boot.bin "$firmware/"
    cp "$image/boards/rpi4/config.txt" "$image/boards/rpi4/user.txt" "$firmware/"
    mkdir -p "$firmware/overlays"
    for source in "$image"/boards/rpi4/overlays/*.dts; do
        dtc -q -@ -I dts -O dtb -o "$firmware/overlays/$(basename "$source" .dts).dtbo" "$source"
    done
fi
fat "$OUT/firmware.vfat" 128 32 FARHAND 46415246 "$firmware"/*

# --- data: small, it grows at the first start -------------------------------------------------------------------------
mkdir -p "$OUT/empty"
rm -f "$OUT/data.ext4"
truncate -s 64M "$OUT/data.ext4"
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -L farhand-data -U 46415248-0000-4000-8000-000000000001 \
    -E hash_seed=46415248-0000-4000-8000-000000000002,root_owner=0:0 -d "$OUT/empty" "$OUT/data.ext4"

# --- the boot loader's block, with a valid start ----------------------------------------------------------------------
# Filled with zeros, as U-Boot and libubootenv write it: what changes then lies in the first sector alone, which is
# written whole or not at all. There is nothing in slot B yet.
printf 'BOOT_ORDER=A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n' | mkenvimage -p 0 -s 0x4000 -o "$OUT/choice.bin" -

cat >"$OUT/genimage.cfg" <<CONFIG
image $name.img {
    hdimage { partition-table-type = "mbr" disk-signature = 0x46415248 extended-partition = 4 align = 1M }
    partition choice { in-partition-table = "no" image = "choice.bin" offset = 32K }
    partition firmware { partition-type = 0xC bootable = "true" image = "firmware.vfat" offset = 4M }
    partition rootA { partition-type = 0x83 image = "root.squashfs" size = 320M }
    partition rootB { partition-type = 0x83 size = 320M }
    partition bootA { partition-type = 0xC image = "boot.vfat" size = 48M }
    partition bootB { partition-type = 0xC size = 48M }
    partition data { partition-type = 0x83 image = "data.ext4" }
}
CONFIG
rm -rf "$OUT/genimage"
genimage --config "$OUT/genimage.cfg" --inputpath "$OUT" --outputpath "$OUT" --rootpath "$OUT/empty" \
    --tmppath "$OUT/genimage" --loglevel 0
cp "$OUT/sbom.cdx.json" "$OUT/$name.cdx.json"
(cd "$OUT" && sha256sum "$name.img" "$name.cdx.json" root.squashfs boot.vfat firmware.vfat >SHA256SUMS)
rm -rf "$OUT/root" "$OUT/empty" "$OUT/genimage"
