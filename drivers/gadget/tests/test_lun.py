"""The drive over a model of the kernel's attributes: order, errors, undoing, what is shown and when."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from drivers.errors import (
    BadReplyError,
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    ImageError,
    ImagePermissionError,
    MediumLockedError,
)
from drivers.gadget.lun import CHANGE_DEADLINE_S, LOCK_RETRY_S, LOOK_INTERVAL_S, LunSlot
from drivers.gadget.lun_directory import LunDirectory
from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString
from drivers.ports import Medium

NAMES = DriveInquiry(cdrom=InquiryString("A", "CD", "1"), flash=InquiryString("A", "FLASH", "1"))
PATIENCE_S = 30.0


class ModelLun(LunDirectory):
    """The attributes as plain files, with the kernel's rules between them and faults on order."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        path.mkdir(parents=True)
        self.written: list[str] = []
        self.faults: dict[str, int | Callable[[], None]] = {}
        self.locked = False
        self.read_only_in_secret = False
        self.swapped_for = ""
        self.deaf = False
        self.ro_when_empty = "1"
        for name, value in (("file", ""), ("cdrom", "0"), ("ro", "1"), ("forced_eject", "")):
            self.put(name, value)
        self.put("inquiry_string", "")

    def get(self, name: str) -> str:
        return (self.path / name).read_text().removesuffix("\n")

    def put(self, name: str, value: str) -> None:
        (self.path / name).write_text(value + "\n")

    def snapshot(self) -> dict[str, str]:
        return {name: self.get(name) for name in ("file", "cdrom", "ro", "inquiry_string")}

    def write(self, name: str, value: bytes) -> None:
        if not self.path.exists():
            super().write(name, value)
        self.written.append(name)
        fault = self.faults.pop(name, None)
        if callable(fault):
            fault()
        elif fault is not None:
            raise OSError(fault, os.strerror(fault))
        occupied = bool(self.get("file"))
        if occupied and (name in {"ro", "cdrom"} or (name == "file" and self.locked)):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        match name:
            case "file":
                self.load(value)
            case "forced_eject":
                self.locked = False
                self.load(b"")
            case "inquiry_string":
                self.put(name, value.decode().ljust(28) if value else "")
            case _:
                self.put(name, value.decode())
                if name == "cdrom" and value == b"1":
                    self.put("ro", "1")

    def load(self, file: bytes) -> None:
        if self.deaf:
            return
        if file:
            self.put("file", self.swapped_for or os.fsdecode(file))
            self.ro_when_empty = self.get("ro")
            if self.read_only_in_secret:
                self.put("ro", "1")
        elif self.get("file"):
            self.put("file", "")
            self.put("ro", self.ro_when_empty)


@pytest.fixture
def model(tmp_path: Path) -> ModelLun:
    return ModelLun(tmp_path / "mass_storage.usb0/lun.0")


@pytest.fixture
def new_slot(model: ModelLun) -> Callable[[], LunSlot]:
    return lambda: LunSlot(model.path, inquiry=NAMES, directory=lambda _: model)


@pytest.fixture
async def slot(new_slot: Callable[[], LunSlot], nursery: trio.Nursery) -> LunSlot:
    slot = new_slot()
    await nursery.start(slot.run)
    return slot


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "test.img"
    path.write_bytes(bytes(4096))
    return path


def inode_of(path: Path) -> int:
    return path.stat().st_ino


async def idle(slot: LunSlot) -> None:
    with trio.fail_after(PATIENCE_S):
        while slot.statistics()["threads_busy"]:
            await trio.lowlevel.checkpoint()


async def eject_in_no_time(slot: LunSlot, clock: trio.testing.MockClock, *, force: bool = False) -> None:
    """Eject, with a clock that moves on only when no thread is at work."""
    outcome: list[DriverError | None] = []

    async def eject() -> None:
        try:
            await slot.eject(force=force)
            outcome.append(None)
        except DriverError as exc:
            outcome.append(exc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(eject)
        while not outcome:
            await idle(slot)
            await trio.testing.wait_all_tasks_blocked()
            if not slot.statistics()["threads_busy"]:
                clock.jump(LOCK_RETRY_S)
    if outcome[0] is not None:
        raise outcome[0]


async def test_flags_come_before_the_file_and_only_where_they_differ(
    slot: LunSlot, model: ModelLun, image: Path
) -> None:
    for medium, expected in (
        (Medium(image, cdrom=True, rw=False), ["cdrom", "inquiry_string", "file"]),
        (Medium(image, cdrom=True, rw=True), ["file"]),
        (Medium(image, cdrom=False, rw=True), ["cdrom", "ro", "inquiry_string", "file"]),
        (Medium(image, cdrom=False, rw=False), ["ro", "file"]),
    ):
        model.written.clear()
        await slot.insert(medium)
        assert model.written == expected
        assert model.get("ro") == ("0" if medium.rw and not medium.cdrom else "1")
        await slot.eject()


@pytest.mark.parametrize("failing", ["cdrom", "ro", "inquiry_string", "file"])
@pytest.mark.parametrize("cdrom", [False, True])
@pytest.mark.fault("mass storage gadget", "EIO")
async def test_whatever_fails_the_drive_is_as_before(
    slot: LunSlot, model: ModelLun, image: Path, failing: str, cdrom: bool
) -> None:
    model.put("cdrom", "0" if cdrom else "1")
    model.put("ro", "0" if cdrom else "1")
    before = model.snapshot()
    model.faults[failing] = errno.EIO
    if failing == "ro" and cdrom:
        # It follows `cdrom` by itself, and nothing fails.
        await slot.insert(Medium(image, cdrom=cdrom, rw=not cdrom))
        return
    with pytest.raises(DriverError, match="Input/output error"):
        await slot.insert(Medium(image, cdrom=cdrom, rw=not cdrom))
    assert model.snapshot() == before


async def test_what_cannot_be_undone_is_added_to_the_error(
    slot: LunSlot, model: ModelLun, image: Path
) -> None:
    def refuse_and_break() -> None:
        model.faults["cdrom"] = errno.EIO
        raise OSError(525, "Unknown error 525")

    model.faults["file"] = refuse_and_break
    with pytest.raises(ImageError, match="too small") as caught:
        await slot.insert(Medium(image, cdrom=True, rw=False))
    assert any("could not be undone" in note and "setting cdrom" in note for note in caught.value.__notes__)


async def test_a_silent_fall_back_to_read_only_is_refused_and_undone(
    slot: LunSlot, model: ModelLun, image: Path
) -> None:
    before = model.snapshot()
    model.read_only_in_secret = True
    with pytest.raises(ImagePermissionError, match="fell back to read-only"):
        await slot.insert(Medium(image, cdrom=False, rw=True))
    assert model.snapshot() == before


async def test_another_file_than_wanted_is_refused_and_undone(
    slot: LunSlot, model: ModelLun, image: Path
) -> None:
    before = model.snapshot()
    model.swapped_for = "/other"
    with pytest.raises(BadReplyError, match=r"expected .*test\.img in the drive, got /other"):
        await slot.insert(Medium(image, cdrom=False, rw=True))
    assert model.snapshot() == before


@pytest.mark.parametrize("moment", ["cdrom", "file"])
async def test_a_medium_that_came_in_under_our_hands_stays(
    slot: LunSlot, model: ModelLun, image: Path, moment: str
) -> None:
    def come_in() -> None:
        model.put("file", "/theirs")
        raise OSError(errno.EBUSY, "Device or resource busy")

    model.faults[moment] = come_in
    with pytest.raises(DeviceBusyError, match=r"got /theirs put into the USB drive .* by somebody else"):
        await slot.insert(Medium(image, cdrom=True, rw=False))
    assert model.get("file") == "/theirs"


async def test_an_image_in_use_is_not_a_drive_in_use(slot: LunSlot, model: ModelLun, image: Path) -> None:
    model.faults["file"] = errno.EBUSY
    with pytest.raises(DeviceBusyError, match=r"the image .*test\.img is in use"):
        await slot.insert(Medium(image, cdrom=False, rw=False))


async def test_two_insertions_at_once_are_one(slot: LunSlot, model: ModelLun, image: Path) -> None:
    outcomes: list[str] = []

    async def insert() -> None:
        try:
            await slot.insert(Medium(image, cdrom=False, rw=False))
            outcomes.append("in")
        except DeviceBusyError:
            outcomes.append("refused")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(insert)
        nursery.start_soon(insert)
    assert sorted(outcomes) == ["in", "refused"]
    assert model.written.count("file") == 1


async def test_a_locked_medium_needs_force(
    slot: LunSlot, model: ModelLun, image: Path, mock_clock: trio.testing.MockClock
) -> None:
    await slot.insert(Medium(image, cdrom=False, rw=False))
    model.locked = True
    with pytest.raises(MediumLockedError, match="by force"):
        await eject_in_no_time(slot, mock_clock)
    assert model.get("file") == str(image)
    await slot.eject(force=True)
    assert model.written[-1] == "forced_eject"
    assert model.get("file") == ""


async def test_a_medium_that_the_host_locks_for_a_moment_comes_out(
    slot: LunSlot, model: ModelLun, image: Path, mock_clock: trio.testing.MockClock
) -> None:
    await slot.insert(Medium(image, cdrom=False, rw=False))
    model.faults["file"] = errno.EBUSY
    await eject_in_no_time(slot, mock_clock)
    assert model.get("file") == ""
    assert model.written.count("file") == 3


async def test_an_old_kernel_is_asked_plainly(
    slot: LunSlot, model: ModelLun, image: Path, mock_clock: trio.testing.MockClock
) -> None:
    (model.path / "forced_eject").unlink()
    await slot.insert(Medium(image, cdrom=False, rw=False))
    model.locked = True
    with pytest.raises(MediumLockedError, match="cannot force it"):
        await eject_in_no_time(slot, mock_clock, force=True)
    model.locked = False
    await slot.eject(force=True)
    assert model.get("file") == ""


async def test_ejecting_an_empty_drive_does_nothing(slot: LunSlot, model: ModelLun) -> None:
    await slot.eject()
    await slot.eject(force=True)
    assert model.written == []


async def test_a_medium_that_does_not_come_out_is_told(slot: LunSlot, model: ModelLun, image: Path) -> None:
    await slot.insert(Medium(image, cdrom=False, rw=False))
    model.deaf = True
    with pytest.raises(BadReplyError, match=r"expected an empty drive, got .*test\.img"):
        await slot.eject()


@pytest.mark.fault("mass storage gadget", "EIO")
async def test_a_disk_that_fails_to_take_what_was_written_is_told(
    slot: LunSlot, model: ModelLun, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await slot.insert(Medium(image, cdrom=False, rw=True))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DriverError, match=r"test\.img to the disk; what the target wrote may be lost"):
        await slot.eject()
    assert model.get("file") == ""
    # Said once; the drive goes on.
    monkeypatch.undo()
    await slot.insert(Medium(image, cdrom=False, rw=True))
    await slot.eject()


async def test_only_what_the_host_can_write_is_flushed(
    slot: LunSlot, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, inode = list[int](), inode_of(image)
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    for cdrom, rw, count in ((True, False, 0), (False, False, 0), (False, True, 1)):
        await slot.insert(Medium(image, cdrom=cdrom, rw=rw))
        await slot.eject()
        assert flushed == [inode] * count


async def test_what_the_host_does_is_seen_at_the_next_look(
    slot: LunSlot, model: ModelLun, image: Path, mock_clock: trio.testing.MockClock
) -> None:
    medium = Medium(image, cdrom=False, rw=False)
    async with slot.media() as media:
        assert await media.receive() is None
        await slot.insert(medium)
        assert await media.receive() == medium
        model.put("file", "")
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(LOOK_INTERVAL_S)
        assert await media.receive() is None
        model.put("file", "/theirs.iso")
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(LOOK_INTERVAL_S)
        assert await media.receive() == Medium(Path("/theirs.iso"), cdrom=False, rw=False)
    async with slot.media() as media:
        assert (await media.receive()) == Medium(Path("/theirs.iso"), cdrom=False, rw=False)


@pytest.mark.fault("mass storage gadget", "vanishes", "returns")
async def test_a_drive_that_vanishes_ends_the_run_and_can_return(
    new_slot: Callable[[], LunSlot], model: ModelLun, image: Path, mock_clock: trio.testing.MockClock
) -> None:
    slot = new_slot()
    medium = Medium(image, cdrom=False, rw=False)
    away = model.path.with_name("away")
    async with slot.media() as media:
        assert await media.receive() is None
        with pytest.RaisesGroup(pytest.RaisesExc(DeviceGoneError, match="gadget not composed")):
            async with trio.open_nursery() as nursery:
                await nursery.start(slot.run)
                await slot.insert(medium)
                assert await media.receive() == medium
                model.path.rename(away)
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(LOOK_INTERVAL_S)
        assert await media.receive() is None
        with pytest.raises(DeviceGoneError):
            await slot.eject()
        with pytest.raises(DeviceGoneError):
            await slot.run()
        away.rename(model.path)
        async with trio.open_nursery() as nursery:
            await nursery.start(slot.run)
            assert await media.receive() == medium
            with pytest.raises(RuntimeError, match="one run at a time"):
                await slot.run()
            await slot.eject()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_hanging_insertion_is_given_up_and_undone_when_it_wakes(
    slot: LunSlot, model: ModelLun, image: Path, mock_clock: trio.testing.MockClock, cancelled: bool
) -> None:
    before = model.snapshot()
    hanging, gate = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        assert gate.wait(PATIENCE_S)

    model.faults["file"] = hang
    medium = Medium(image, cdrom=True, rw=False)
    outcome: list[type[BaseException]] = []

    async def insert() -> None:
        try:
            await slot.insert(medium)
        except BaseException as exc:
            outcome.append(type(exc))
            if not isinstance(exc, DriverError):
                raise

    async with slot.media() as media:
        assert await media.receive() is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(insert)
            await trio.to_thread.run_sync(hanging.wait)
            if cancelled:
                nursery.cancel_scope.cancel()
            else:
                mock_clock.jump(CHANGE_DEADLINE_S)
        assert outcome == [trio.Cancelled if cancelled else DeviceTimeoutError]
        for operation in (lambda: slot.insert(medium), slot.eject, slot.inquiry):
            with pytest.raises(DeviceBusyError, match="an earlier operation still hangs"):
                await operation()
        gate.set()
        await idle(slot)
        assert model.snapshot() == before
        with pytest.raises(trio.WouldBlock):
            media.receive_nowait()
        await slot.insert(medium)
        assert await media.receive() == medium


async def test_the_names_are_read_back(slot: LunSlot, image: Path) -> None:
    assert await slot.inquiry() is None
    await slot.insert(Medium(image, cdrom=True, rw=False))
    assert await slot.inquiry() == NAMES.cdrom


@pytest.mark.fault("mass storage gadget", "garbage")
def test_attributes_that_make_no_sense_are_bad_replies(tmp_path: Path) -> None:
    model = ModelLun(tmp_path / "mass_storage.usb0/lun.0")
    model.put("ro", "2")
    with pytest.raises(BadReplyError, match=r"expected 0 or 1, got b'2' - at .*lun\.0/ro"):
        model.state()


def test_a_file_name_keeps_all_but_the_kernels_newline(tmp_path: Path) -> None:
    model = ModelLun(tmp_path / "mass_storage.usb0/lun.0")
    image = tmp_path / "end\n"
    image.touch()
    LunDirectory.write(model, "file", os.fsencode(image))
    assert model.state().path == image


def test_a_removed_image_is_told_from_one_of_that_name(tmp_path: Path) -> None:
    model = ModelLun(tmp_path / "mass_storage.usb0/lun.0")
    model.put("file", f"{tmp_path}/x (deleted)")
    assert model.state().path == tmp_path / "x"
    (tmp_path / "x (deleted)").touch()
    assert model.state().path == tmp_path / "x (deleted)"
