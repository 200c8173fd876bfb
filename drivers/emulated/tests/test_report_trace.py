from __future__ import annotations

import time
from pathlib import Path

import trio

from drivers.emulated.pc import EmulatedPc


async def test_every_report_is_written_down_with_its_time(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "trace"
    pc = EmulatedPc(hid_trace=path)
    await nursery.start(pc.run)
    before = time.monotonic_ns()
    await pc.keyboard.write(bytes([2, 0, 4, 0, 0, 0, 0, 0]))
    await pc.keyboard.write(bytes(8))
    await pc.mouse_relative.write(bytes([1, 5, 251, 0, 0]))
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [(device, report) for device, _, report in lines] == [
        ("keyboard", "0200040000000000"),
        ("keyboard", "0000000000000000"),
        ("pointer", "0105fb0000"),
    ]
    times = [int(ns) for _, ns, _ in lines]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= time.monotonic_ns()
