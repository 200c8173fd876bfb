"""The recipe: which kernel, modules and packages make the guest. Data only; another guest is another row.

Sources: the module lists of Debian's kernels, and what the drivers' tests ask of a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""The only signatures that the build trusts."""


@dataclass(frozen=True)
class Architecture:
    """A processor family, in the words of each tool that must be told."""

    debian: str
    host_machine: str
    """What `uname -m` says on a machine of this kind, for the rule about KVM."""
    qemu: str
    machine: str
    tcg_cpu: str
    console: str
    wheel_platforms: tuple[str, ...]


AMD64 = Architecture(
    debian="amd64",
    host_machine="x86_64",
    qemu="qemu-system-x86_64",
    # microvm boots 0.3 s sooner but hangs in TSC calibration with two processors under load.
    machine="q35",
    # Five-level paging and byte-wise `rep movsb` are dear in TCG.
    tcg_cpu="max,la57=off,erms=off",
    console="ttyS0",
    wheel_platforms=("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
)


@dataclass(frozen=True)
class Recipe:
    """One guest."""

    name: str
    architecture: Architecture
    suite: str
    """Debian suite of the root file system."""
    kernel_suite: str
    """Debian suite that the kernel is taken from."""
    kernel_meta: str
    """Package that depends on the current kernel, as `linux-image-<release>`."""
    kernel_packages: tuple[str, ...]
    """Packages with the kernel and its modules; `{release}` is filled in."""
    packages: tuple[str, ...]
    """Packages of the root file system, on top of what is essential."""
    modules: tuple[str, ...]
    """Modules that the guest needs; what they depend on follows. One that the kernel lacks fails it."""
    early_modules: tuple[str, ...]
    """Modules that mount the root file system, loaded by the initramfs in this order."""
    python: str
    """Python of the suite, as pip's --python-version."""


TRIXIE = Recipe(
    name="trixie-amd64",
    architecture=AMD64,
    suite="trixie",
    # The first of Debian's kernels that ships gpio-sim; nothing has to be compiled for it.
    kernel_suite="trixie-backports",
    kernel_meta="linux-image-amd64",
    # Since 7.2 linux-image-<release> is an empty package that depends on these.
    kernel_packages=("linux-base-{release}", "linux-binary-{release}", "linux-modules-{release}"),
    packages=(
        *("python3", "kmod", "mount", "iproute2"),
        # What tests look at the other side with.
        *("v4l-utils", "gpiod", "sg3-utils", "eject", "dosfstools", "mtools"),
        # Shared libraries of the appliance's C extension.
        *("libjpeg62-turbo", "libturbojpeg0"),
        # What the video pipeline is measured against (tools/bench_video_rig.py): 1 MB with what it needs.
        "ustreamer",
    ),
    modules=(
        *("virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "overlay", "erofs", "configfs", "fuse"),
        # The board's side: gadget controller and functions, capture, lines.
        *(
            "libcomposite",
            "usb_f_hid",
            "usb_f_mass_storage",
            "usb_f_acm",
            "usb_f_serial",
            "usb_f_ecm",
            "usb_f_ncm",
        ),
        *("dummy_hcd", "usbip-vudc", "vhci-hcd", "usbip-host", "vivid", "gpio-sim", "i2c-stub", "i2c-dev"),
        # The other end of the cable.
        *("usbhid", "hid-generic", "evdev", "uinput", "uhid", "usb-storage", "uas", "sd_mod", "sr_mod", "sg"),
        *("cdc-acm", "usbserial", "ftdi_sio", "isofs", "udf", "vfat", "ext4", "loop"),
        # Of the machine itself: a watchdog, and chips of the fans that a stub of a bus pretends to have.
        *("softdog", "amc6821"),
        *("nls_ascii", "nls_cp437", "nls_utf8", "nls_iso8859-1"),
        # A shared directory for people who work in the guest; it would keep a machine's state from
        # being saved.
        *("9p", "9pnet_virtio"),
    ),
    early_modules=("virtio_pci", "virtio_blk", "virtio_console", "overlay", "configfs", "erofs"),
    python="3.13",
)

UNPACK_EXCLUDES = (
    "*/drivers/gpu/*",
    "*/drivers/net/ethernet/*",
    "*/drivers/net/wireless/*",
    "*/drivers/infiniband/*",
    "*/sound/*",
    "*/System.map*",
)
"""What of a kernel package is not even unpacked: two thirds of it, and no part of the guest."""

ROOT_EXCLUDES = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")

KERNEL_ARGUMENTS = (
    # `quiet` alone saves a second of console output under TCG; the rest are checks that an emulated
    # machine that lives for a minute does not need, and a reboot instead of a hang after a panic
    # (-no-reboot ends it).
    *("quiet", "panic=-1", "mitigations=off", "no5lvl", "nokaslr", "nopti", "init_on_alloc=0", "apparmor=0"),
    *("lsm=capability", "audit=0", "tsc=reliable", "rcupdate.rcu_expedited=1", "random.trust_cpu=on"),
    *("cgroup_disable=memory", "8250.nr_uarts=2", "no_timer_check"),
)

WARM_COMMAND = r"""
modprobe -a virtio_net evdev usbhid hid-generic sd_mod sr_mod sg isofs vfat loop
mkdir /tmp/warm && cd /tmp/warm
cat >test_warm.py <<END
import coverage, gpiod, hypothesis, msgspec, numpy, PIL.Image, trio
@hypothesis.given(hypothesis.strategies.text())
def test_warm(text):
    assert text == text
END
python3 -m pytest -q -p no:cacheprovider test_warm.py
cd / && rm -r /tmp/warm
mkdir /tmp/zero && mount -t tmpfs -o size=100% zero /tmp/zero
free_kib=$(awk '/^MemFree:/ {print $2}' /proc/meminfo)
head -c $((free_kib - 49152))K /dev/zero >/tmp/zero/zero
umount /tmp/zero && rmdir /tmp/zero
"""
"""What is done once, before a machine is saved: its effects are in every restored one.

It loads nothing that has parameters, which tests choose (vivid, dummy_hcd). Reading what tests import leaves
it in the page cache, and leaves Hypothesis with its table of characters: the first test comes 10 s sooner.
Free memory is filled with zeros, which take no room in the file.
"""

HOST_PROGRAMS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "git": "git",
    "mkfs.erofs": "erofs-utils",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "tar": "tar",
    "zstd": "zstd",
}
"""Programs of the host and the Debian packages they are in."""
