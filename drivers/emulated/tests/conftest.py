"""A running emulated PC, and hands on its keyboard. Tests ask for `autojump_clock` themselves."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import trio
from PIL import Image

from drivers.emulated.pc import EmulatedPc
from drivers.video.frame import Frame, PixelFormat
from drivers.video.glyph_reader import frame_of_jpeg, read_text
from drivers.wire.hid_usages import KEYS

PLAIN = {
    **{chr(0x61 + index): 0x04 + index for index in range(26)},
    **{digit: 0x1E + index for index, digit in enumerate("1234567890")},
    "\n": 0x28, "\b": 0x2A, " ": 0x2C, "-": 0x2D, "=": 0x2E, "[": 0x2F, "]": 0x30, "\\": 0x31,
    ";": 0x33, "'": 0x34, "`": 0x35, ",": 0x36, ".": 0x37, "/": 0x38,
}  # fmt: skip
SHIFTED = {
    **{letter.upper(): usage for letter, usage in PLAIN.items() if letter.isalpha()},
    **dict(zip('!@#$%^&*()_+{}|:"~<>?', map(PLAIN.__getitem__, "1234567890-=[]\\;'`,./"), strict=True)),
}


class Hands:
    """Presses keys by writing the reports that a keyboard driver writes."""

    def __init__(self, pc: EmulatedPc) -> None:
        self.pc = pc

    async def type(self, text: str) -> None:
        for character in text:
            shift = character in SHIFTED
            usage = SHIFTED[character] if shift else PLAIN[character]
            await self.pc.keyboard.write(bytes((0x02 if shift else 0, 0, usage, 0, 0, 0, 0, 0)))
            await self.pc.keyboard.write(bytes(8))

    async def press(self, *names: str) -> None:
        """Press keys together, by name, and let them go."""
        keys = [KEYS[name] for name in names]
        modifiers = sum(key.modifier_bit for key in keys)
        usages = bytes(key.usage for key in keys if not key.modifier_bit)
        await self.pc.keyboard.write(bytes((modifiers, 0)) + usages.ljust(6, b"\0"))
        await self.pc.keyboard.write(bytes(8))

    async def run(self, command: str) -> list[str]:
        """Type a command into an empty screen and return what it prints."""
        await self.press("ControlLeft", "KeyL")
        await self.type(command + "\n")
        prompt = "farhand-pc:~$"
        screen = self.pc.observer
        await screen.wait_until(lambda: len(screen.screen_text) > 1 and screen.screen_text.count(prompt) > 0)
        lines = screen.screen_text
        assert lines[0] == f"{prompt} {command}"
        return lines[1 : lines.index(prompt)]


@pytest.fixture
async def pc(nursery: trio.Nursery) -> EmulatedPc:
    """A PC that has long been on."""
    pc = EmulatedPc()
    await nursery.start(pc.run)
    return pc


@pytest.fixture
async def pc_off(nursery: trio.Nursery) -> EmulatedPc:
    """A PC that is off."""
    pc = EmulatedPc(start_powered=False)
    await nursery.start(pc.run)
    return pc


@pytest.fixture
async def real_time_pc(nursery: trio.Nursery) -> AsyncIterator[EmulatedPc]:
    """A PC on the real clock: a clock that jumps would run out the deadlines of threads."""
    pc = EmulatedPc()
    await nursery.start(pc.run)
    with trio.fail_after(30):
        yield pc


@pytest.fixture
def hands() -> Callable[[EmulatedPc], Hands]:
    """Who types on a PC."""
    return Hands


@pytest.fixture
def jpeg_of() -> Callable[[Frame], bytes]:
    """A function that encodes a YUYV frame at quality 80, 4:2:2, with another encoder than ours."""

    def encode(frame: Frame) -> bytes:
        assert frame.format is PixelFormat.YUYV
        assert frame.stride_bytes == frame.width * 2
        pairs = np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.width // 2, 4)
        planes = np.empty((frame.height, frame.width, 3), np.uint8)
        planes[:, 0::2, 0], planes[:, 1::2, 0] = pairs[..., 0], pairs[..., 2]
        planes[..., 1] = pairs[..., 1].repeat(2, axis=1)
        planes[..., 2] = pairs[..., 3].repeat(2, axis=1)
        output = io.BytesIO()
        Image.frombytes("YCbCr", (frame.width, frame.height), planes.tobytes()).save(
            output, "JPEG", quality=80, subsampling="4:2:2"
        )
        return output.getvalue()

    return encode


@pytest.fixture
def see(jpeg_of: Callable[[Frame], bytes]) -> Callable[[EmulatedPc], Awaitable[list[str]]]:
    """A function that captures the screen and reads it from a JPEG, as a user of the appliance would."""

    async def look(pc: EmulatedPc) -> list[str]:
        async with pc.video.open(max_fps=0) as stream:
            frame = await stream.next()
        assert isinstance(frame, Frame)
        return read_text(frame_of_jpeg(jpeg_of(frame)))

    return look
