"""The media-controller form against a model of it: a receiver, a camera interface, and a video node."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import BadReplyError, DeviceGoneError, NotSupportedError
from drivers.video.v4l2 import uapi
from drivers.video.v4l2 import uapi_media as media
from drivers.video.v4l2.buffers import Buffers
from drivers.video.v4l2.capture import Capture
from drivers.video.v4l2.device import capabilities
from drivers.video.v4l2.formats import Wanted
from drivers.video.v4l2.media import MediaPath, open_path

RECEIVER, INTERFACE, VIDEO = 1, 2, 3
# Each entity's node; a file that is no device has the number 0:0, which the model's video node has.
DEVICES = {RECEIVER: (81, 10), INTERFACE: (81, 11), VIDEO: (0, 0)}
# Each with its entity, its kind and its index.
PADS = [
    (101, RECEIVER, media.PAD_SOURCE, 0),
    (102, INTERFACE, media.PAD_SINK, 0),
    (103, INTERFACE, media.PAD_SOURCE, 4),
    (104, VIDEO, media.PAD_SINK, 0),
]


class Board:
    """The pieces, and what was set on them."""

    def __init__(self, directory: Path, model: Any, new_node: Any, new_capture: Any, signal: Any) -> None:
        self.directory = directory
        self.sys_dev = directory / "sys"
        self.pads: dict[tuple[str, int], tuple[int, int, int]] = {}
        self.links_enabled: list[tuple[int, int]] = []
        self.links = [(201, 101, 102, media.LINK_ENABLED | media.LINK_IMMUTABLE), (202, 103, 104, 0)]
        self.codes = [media.BUS_RGB888_1X24, media.BUS_UYVY8_1X16]
        for number, name in ((10, "v4l-subdev0"), (11, "v4l-subdev1")):
            (self.sys_dev / f"81:{number}").mkdir(parents=True)
            (self.sys_dev / f"81:{number}/uevent").write_text(f"MAJOR=81\nDEVNAME={name}\n")
        (directory / "media0").touch()
        self.controller = model.add(new_node(directory / "media0"))
        self.controller.handlers = {media.MEDIA_G_TOPOLOGY: self.topology, media.MEDIA_SETUP_LINK: self.link}
        self.receiver: Any = model.add(new_capture(directory / "v4l-subdev0", {}, signal=signal))
        self.receiver.handlers |= {media.SUBDEV_ENUM_MBUS_CODE: self.bus_code}
        self.interface = model.add(new_node(directory / "v4l-subdev1"))
        for subdev in (self.receiver, self.interface):
            subdev.handlers[media.SUBDEV_S_FMT] = self.pad_setter(subdev.path.name)
        offers = {0: ["MJPG"], media.BUS_RGB888_1X24: ["BGR3"], media.BUS_UYVY8_1X16: ["UYVY"]}
        self.video = model.add(new_capture(directory / "video0", offers, flags=uapi.CAP_IO_MC))

    def topology(self, answer: Any) -> None:
        interfaces = [(300 + entity, *number) for entity, number in DEVICES.items()]
        answer.num_entities, answer.num_interfaces = len(DEVICES), len(interfaces)
        answer.num_pads, answer.num_links = len(PADS), len(self.links) + len(interfaces)
        if not answer.ptr_entities:
            return
        entities = (media.EntityStruct * len(DEVICES)).from_address(answer.ptr_entities)
        for entity, id_ in zip(entities, DEVICES, strict=True):
            entity.id, entity.name = id_, f"entity {id_}".encode()
        interface_array = (media.InterfaceStruct * len(interfaces)).from_address(answer.ptr_interfaces)
        for interface, (id_, major, minor) in zip(interface_array, interfaces, strict=True):
            interface.id, interface.major, interface.minor = id_, major, minor
        pads = (media.PadStruct * len(PADS)).from_address(answer.ptr_pads)
        for pad, values in zip(pads, PADS, strict=True):
            pad.id, pad.entity_id, pad.flags, pad.index = values
        links = (media.LinkStruct * answer.num_links).from_address(answer.ptr_links)
        of_interfaces = [(400 + id_, id_, id_ - 300, media.LINK_TYPE_INTERFACE) for id_, _, _ in interfaces]
        for link, values in zip(links, [*self.links, *of_interfaces], strict=True):
            link.id, link.source_id, link.sink_id, link.flags = values

    def link(self, setting: Any) -> None:
        assert setting.flags == media.LINK_ENABLED
        self.links_enabled.append((setting.source.entity, setting.sink.entity))

    def bus_code(self, entry: Any) -> None:
        if entry.index >= len(self.codes):
            raise OSError(errno.EINVAL, "end")
        entry.code = self.codes[entry.index]

    def pad_setter(self, name: str) -> Callable[[Any], None]:
        def set_pad(setting: Any) -> None:
            bus = setting.format
            self.pads[name, setting.pad] = (bus.code, bus.width, bus.height)

        return set_pad

    async def open(self, model: Any, stack: AsyncExitStack) -> MediaPath:
        return await open_path(
            self.video, stack, opener=model.open, directory=self.directory, sys_dev=self.sys_dev
        )


@pytest.fixture
def board(tmp_path: Path, model: Any, new_node: Any, new_capture: Any, new_timings: Any) -> Board:
    """A board with a signal of 1280x720."""
    return Board(tmp_path, model, new_node, new_capture, new_timings(1280, 720, 60))


async def test_the_chain_is_set_up_for_the_signal(board: Board, model: Any) -> None:
    async with AsyncExitStack() as stack:
        path = await board.open(model, stack)
        assert path.receiver.path == board.receiver.path
        known = capabilities(board.video)
        assert known.media_controlled
        capture = Capture(board.video, known, path, Wanted())
        started = capture.start(0)
        assert isinstance(started, Buffers)
        assert board.links_enabled == [(INTERFACE, VIDEO)]
        uyvy = (media.BUS_UYVY8_1X16, 1280, 720)
        assert board.pads == {("v4l-subdev0", 0): uyvy, ("v4l-subdev1", 0): uyvy, ("v4l-subdev1", 4): uyvy}
        assert board.video.format == ("UYVY", 1280, 720)
        assert uapi.S_DV_TIMINGS in board.receiver.requests
        started.retire()
        capture.stop()
    assert board.receiver.users == 0
    assert board.interface.users == 0
    assert board.controller.users == 0


async def test_the_only_bus_format_of_a_receiver_is_taken(board: Board, model: Any) -> None:
    board.codes = [media.BUS_RGB888_1X24]
    async with AsyncExitStack() as stack:
        capture = Capture(board.video, capabilities(board.video), await board.open(model, stack), Wanted())
        started = capture.start(0)
        assert isinstance(started, Buffers)
        assert board.video.format == ("BGR3", 1280, 720)
        started.retire()


async def test_bus_formats_that_we_do_not_encode_are_named(board: Board, model: Any) -> None:
    board.codes = []
    async with AsyncExitStack() as stack:
        capture = Capture(board.video, capabilities(board.video), await board.open(model, stack), Wanted())
        with pytest.raises(NotSupportedError, match=r"got none - at .*video0 behind .*v4l-subdev0"):
            capture.start(0)


async def test_a_pad_that_takes_something_else_is_named(board: Board, model: Any) -> None:
    def halve(setting: Any) -> None:
        setting.format.width //= 2

    board.interface.handlers[media.SUBDEV_S_FMT] = halve
    async with AsyncExitStack() as stack:
        capture = Capture(board.video, capabilities(board.video), await board.open(model, stack), Wanted())
        with pytest.raises(
            BadReplyError, match=r"expected 1280x720 .* got 640x720 .* pad 0 of .*v4l-subdev1"
        ):
            capture.start(0)


async def test_a_chain_without_a_receiver_is_named(board: Board, model: Any) -> None:
    del board.receiver.handlers[uapi.QUERY_DV_TIMINGS]
    async with AsyncExitStack() as stack:
        with pytest.raises(NotSupportedError, match="receiver before it, got entity 1, entity 2"):
            await board.open(model, stack)
    assert board.receiver.users == 0
    assert board.controller.users == 0


async def test_a_node_that_no_media_device_knows_is_named(
    board: Board, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DEVICES, VIDEO, (81, 99))
    async with AsyncExitStack() as stack:
        with pytest.raises(DeviceGoneError, match="got 1 without it"):
            await board.open(model, stack)
    assert board.controller.users == 0
