"""Lines of fstab as appliances have them, and as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.subsystems.msd.location import StorageLocation, location_in_fstab

ROOT = Path("/var/lib/kvmd/msd")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "LABEL=PIMSD /var/lib/kvmd/msd ext4 nodev,ro,errors=remount-ro,X-kvmd.otgmsd-user=kvmd 0 0",
            StorageLocation(ROOT, read_only=True),
        ),
        ("LABEL=X /mnt ext4 defaults,X-kvmd.otgmsd-group=kvmd 0 0", StorageLocation(Path("/mnt"))),
        (
            "LABEL=X /mnt ext4 X-kvmd.otgmsd-root=/mnt/msd,X-kvmd.otgmsd-user=kvmd,ro",
            StorageLocation(Path("/mnt/msd"), read_only=True),
        ),
        (r"LABEL=X /mnt/my\040disk ext4 X-kvmd.otgmsd-user=kvmd 0 0", StorageLocation(Path("/mnt/my disk"))),
        ("LABEL=X /mnt ext4 X-kvmd.otgmsd-root=,rw 0 0", StorageLocation(Path("/mnt"))),
        ("#LABEL=X /mnt ext4 X-kvmd.otgmsd-user=kvmd 0 0", None),
        ("LABEL=X /mnt ext4 X-kvmd.pst-user=kvmd 0 0", None),
        ("LABEL=X none swap X-kvmd.otgmsd-user=kvmd 0 0", None),
        ("LABEL=X /mnt ext4", None),
        ("", None),
    ],
)
def test_lines(line: str, expected: StorageLocation | None) -> None:
    assert location_in_fstab(f"# comment\n\ntmpfs /tmp tmpfs defaults 0 0\n{line}\n") == expected


def test_the_first_line_counts() -> None:
    text = "A /a ext4 X-kvmd.otgmsd-user=kvmd 0 0\nB /b ext4 X-kvmd.otgmsd-user=kvmd 0 0\n"
    assert location_in_fstab(text) == StorageLocation(Path("/a"))
