"""Tries a store that acknowledges changes on a disk that fails, at each of its operations in turn.

What must hold: what was acknowledged stays, a change is there wholly or not at all, an error says what
happened, what runs says what the disk says, and nothing that is left over is in the way of the next try.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from peers.faulty_disk import ENDS, ERRORS, Fault, FaultyDisk, PowerLossError, Survival

_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Store[S]:
    """How to use a store, whose files are below a directory."""

    name: str
    start: Callable[[Path], Awaitable[S]]
    """As the appliance does when it starts."""
    change: Callable[[S], Awaitable[None]]
    """One change, which is acknowledged when this returns; it can be asked for again."""
    told: Callable[[S], object]
    """What the running store says."""
    prepare: Callable[[S], Awaitable[None]] | None = None
    """Changes that were acknowledged before."""


class Trials[S]:
    """All trials of *store*; *folder* is an empty directory."""

    def __init__(self, store: Store[S], folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._template = folder / "template"
        self._root = folder / "disk"
        self._before: object = None
        self._after: object = None

    async def carry_out(self) -> int:
        """Do them and return how many operations the change takes. Raises AssertionError."""
        self._template.mkdir()
        if self._store.prepare is not None:
            await self._store.prepare(await self._store.start(self._template))
        self._before = self._store.told(await self._store.start(self._template))
        operations = await self._succeed()
        for at, operation in enumerate(operations):
            for fault in (*ERRORS, *ENDS):
                if fault in {Fault.TORN, Fault.TORN_END} and not operation.startswith("write"):
                    continue
                where = f"{self._store.name}: {fault.value} - at operation {at}, {operation}"
                if fault in ERRORS:
                    await self._fail(fault, at, where)
                else:
                    for survival in Survival:
                        await self._end(fault, at, survival, f"{where}; left: {survival.value}")
        return len(operations)

    async def _succeed(self) -> list[str]:
        """Do the change on a good disk, and lose the power after each of its acknowledgements."""
        operations: list[str] = []
        for survival in Survival:
            disk = self._new_disk()
            with disk.watched():
                store = await self._store.start(self._root)
                disk.arm(None, -1)
                await self._store.change(store)
                operations = list(disk.operations)
                self._after = self._store.told(store)
            assert self._after != self._before, f"{self._store.name}: the change changes nothing"
            await self._lose(disk, survival, f"{self._store.name}: acknowledged; left: {survival.value}")
        return operations

    async def _fail(self, fault: Fault, at: int, where: str) -> None:
        disk = self._new_disk()
        error: Exception | None = None
        with disk.watched():
            store = await self._store.start(self._root)
            disk.arm(fault, at)
            try:
                await self._store.change(store)
            except Exception as exc:  # noqa: BLE001 - any error may come of it; it is looked at below
                error = exc
            disk.arm(None, -1)
            told = self._store.told(store)
            if error is None:
                assert told == self._after, f"{where}: acknowledged, and not done"
            else:
                words = "Input/output error" if fault is Fault.EIO else "No space left on device"
                assert words in str(error), f"{where}: got {error!r}, which does not say what happened"
                assert told in (self._before, self._after), f"{where}: half done"
            found = self._store.told(await self._store.start(self._root))
            assert found == told, f"{where}: the disk says {found}, what runs says {told}"
            await self._store.change(store)
            assert self._store.told(store) == self._after, f"{where}: what is left over is in the way"
        await self._lose(disk, Survival.SYNCED, f"{where}; then tried again and acknowledged")

    async def _end(self, fault: Fault, at: int, survival: Survival, where: str) -> None:
        disk = self._new_disk()
        with disk.watched():
            store = await self._store.start(self._root)
            disk.arm(fault, at)
            try:
                await self._store.change(store)
            except BaseException as exc:
                if not _is_power_loss(exc):
                    raise
            else:
                raise AssertionError(f"{where}: the change went on after the end of its process")
        disk.lose(survival)
        disk.close()
        store = await self._store.start(self._root)
        found = self._store.told(store)
        assert found in (self._before, self._after), f"{where}: got {found}"
        await self._store.change(store)
        assert self._store.told(store) == self._after, f"{where}: what is left over is in the way"
        found = self._store.told(await self._store.start(self._root))
        assert found == self._after, f"{where}: after the next try the disk says {found}"

    async def _lose(self, disk: FaultyDisk, survival: Survival, where: str) -> None:
        disk.lose(survival)
        disk.close()
        found = self._store.told(await self._store.start(self._root))
        assert found == self._after, f"{where}: lost, got {found}"

    def _new_disk(self) -> FaultyDisk:
        if self._root.exists():
            shutil.rmtree(self._root)
        shutil.copytree(self._template, self._root, symlinks=True)
        return FaultyDisk(self._root)


def _is_power_loss(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return any(map(_is_power_loss, exc.exceptions))
    return isinstance(exc, PowerLossError)


async def at(root: Path) -> Path:
    """Start a store that has nothing in memory."""
    await trio.lowlevel.checkpoint()
    return root


def blocking[S](call: Callable[[S], object]) -> Callable[[S], Awaitable[None]]:
    """Do a blocking *call* as a change."""

    async def change(store: S) -> None:
        await trio.lowlevel.checkpoint()
        call(store)

    return change


async def trials_of(store: Store[Any]) -> int:
    """Do all trials of *store* in memory, where looking at files costs least."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.exists() else None) as folder:  # noqa: ASYNC240
        return await Trials(store, Path(folder)).carry_out()
