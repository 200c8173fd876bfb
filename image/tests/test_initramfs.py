"""The initramfs: modules in an order that loads, and an archive that cpio reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

from image.build.initramfs import Entry, ModuleIndex, newc

INDEX = ModuleIndex.parse(
    "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz\n"
    "kernel/fs/jbd2/jbd2.ko.xz:\nkernel/lib/crc16.ko.xz:\nkernel/drivers/usb/uas.ko.xz:\n"
    "kernel/lib/crc32c-generic.ko.xz:\n",
    "# a comment\nsoftdep jbd2 pre: crc32c_generic post: nothing\n",
    "kernel/fs/squashfs/squashfs.ko\n",
)


def test_a_module_comes_after_all_that_it_needs() -> None:
    order = INDEX.order(("ext4", "squashfs", "no_such_module"))
    assert sorted(order) == ["crc16", "crc32c_generic", "ext4", "jbd2"]
    assert order.index("crc32c_generic") < order.index("jbd2") < order.index("ext4")
    assert order.index("crc16") < order.index("ext4")


def test_modules_that_need_each_other_do_not_hang_it() -> None:
    index = ModuleIndex.parse("a.ko: b.ko\nb.ko: a.ko\n", "", "")
    assert sorted(index.order(("a",))) == ["a", "b"]


def test_cpio_reads_the_archive_and_two_are_equal(tmp_path: Path) -> None:
    entries = [Entry("bin", 0o040755), Entry("bin/tool", 0o100755, b"odd"), Entry("init", 0o100755, b"1234")]
    archive = newc(entries, 1_700_000_000)
    assert archive == newc(entries, 1_700_000_000)
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "bin/tool").read_bytes() == b"odd"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "init").stat().st_mtime == 1_700_000_000
