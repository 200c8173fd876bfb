"""The media-controller form: a receiver chip behind a camera interface, each piece a node of its own.

Mainline kernels drive the TC358743 that way (with `unicam` on the Raspberry Pi 4 and before, `rp1-cfe` on
the 5): the video node captures whatever its sub-devices were told to send, and the signal, its events and
the EDID are the receiver's. Responsible for finding the chain from the video node to the receiver, for
enabling its links and setting the format of each pad; the rest is the code of the video-node form.

This file has been tried against a model of the kernel's interface only (the tests beside it), not on such
hardware: no kernel that the rig can run has these drivers.
Source: Documentation/userspace-api/media/mediactl and the sub-device interface of V4L2.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceGoneError, DriverError, NotSupportedError
from drivers.ports import NoSignal
from drivers.video.v4l2 import device, uapi
from drivers.video.v4l2 import uapi_media as media
from drivers.video.v4l2.find import OpenNode
from drivers.video.v4l2.formats import Wanted, choose_format
from drivers.video.v4l2.node import Node, node_errors
from drivers.video.v4l2.timings import DvTimings

DEV: Final = Path("/dev")
SYS_DEV: Final = Path("/sys/dev/char")

# A chain of a board has three or four pieces; a loop in what the kernel tells must not hang us.
_MAX_CHAIN = 16
_MAX_CODES = 64


@dataclass(frozen=True, slots=True)
class Pad:
    """An end of a link: pad *index* of the entity *entity*."""

    id: int
    entity: int
    index: int


@dataclass(frozen=True, slots=True)
class Link:
    """A way from a source pad to a sink pad."""

    source: Pad
    sink: Pad
    flags: int


@dataclass(frozen=True, slots=True)
class Graph:
    """What one media device consists of; `devices` maps entities to their (major, minor) node."""

    names: dict[int, str]
    devices: dict[int, tuple[int, int]]
    links: tuple[Link, ...]

    def entity_of(self, number: tuple[int, int]) -> int | None:
        """Return the entity whose node has that device number."""
        return next((entity for entity, known in self.devices.items() if known == number), None)

    def upstream(self, entity: int) -> list[Link]:
        """Return the links that lead into *entity*, enabled ones first."""
        into = [link for link in self.links if link.sink.entity == entity]
        return sorted(into, key=lambda link: not link.flags & media.LINK_ENABLED)


def read_graph(node: Node) -> Graph:
    """Ask a media device for its entities, pads, links and nodes. Blocking. Raises DriverError."""
    counts = media.Topology()
    with node_errors(node, "asking for its topology"):
        node.ioctl(media.MEDIA_G_TOPOLOGY, counts)
    entities = (media.EntityStruct * counts.num_entities)()
    interfaces = (media.InterfaceStruct * counts.num_interfaces)()
    pads = (media.PadStruct * counts.num_pads)()
    links = (media.LinkStruct * counts.num_links)()
    counts.ptr_entities, counts.ptr_interfaces = ctypes.addressof(entities), ctypes.addressof(interfaces)
    counts.ptr_pads, counts.ptr_links = ctypes.addressof(pads), ctypes.addressof(links)
    with node_errors(node, "reading its topology"):
        node.ioctl(media.MEDIA_G_TOPOLOGY, counts)
    numbers = {interface.id: (interface.major, interface.minor) for interface in interfaces}
    by_id = {pad.id: Pad(pad.id, pad.entity_id, pad.index) for pad in pads}
    kinds = [(link, link.flags & media.LINK_TYPE_MASK) for link in links]
    return Graph(
        names={entity.id: uapi.text(entity.name) for entity in entities},
        devices={
            link.sink_id: numbers[link.source_id]
            for link, kind in kinds
            if kind == media.LINK_TYPE_INTERFACE and link.source_id in numbers
        },
        links=tuple(
            Link(by_id[link.source_id], by_id[link.sink_id], link.flags)
            for link, kind in kinds
            if kind == media.LINK_TYPE_DATA and {link.source_id, link.sink_id} <= by_id.keys()
        ),
    )


class MediaPath:
    """The links from the receiver down to the video node, and the open sub-devices along them."""

    def __init__(self, controller: Node, receiver: Node, links: list[Link], subdevs: dict[int, Node]) -> None:
        self._controller = controller
        self._receiver = receiver
        self._links = links
        self._subdevs = subdevs

    @property
    def receiver(self) -> Node:
        """The sub-device that knows the signal."""
        return self._receiver

    def set_up(self, video: Node, buffer_type: int, timings: DvTimings, wanted: Wanted) -> str:
        """Enable the links, set each pad to the signal's size, and return the code for the video node.

        The bus format is the one of the receiver's that gives the best memory format. Blocking. Raises
        DriverError.
        """
        source = self._links[0].source
        offered: dict[str, int] = {}
        for code in _bus_codes(self._receiver, source.index):
            for name in device.formats(video, buffer_type, code):
                offered.setdefault(name, code)
        name = choose_format(offered, wanted, f"{video.path} behind {self._receiver.path}")
        for link in self._links:
            self._enable(link)
        code = offered[name]
        _set_pad(self._receiver, source.index, code, timings)
        for link, following in zip(self._links, self._links[1:], strict=False):
            subdev = self._subdevs[link.sink.entity]
            _set_pad(subdev, link.sink.index, code, timings)
            _set_pad(subdev, following.source.index, code, timings)
        return name

    def _enable(self, link: Link) -> None:
        if link.flags & (media.LINK_ENABLED | media.LINK_IMMUTABLE):
            return
        setting = media.LinkDescription(
            source=media.PadDescription(entity=link.source.entity, index=link.source.index),
            sink=media.PadDescription(entity=link.sink.entity, index=link.sink.index),
            flags=media.LINK_ENABLED,
        )
        with node_errors(self._controller, "enabling a link"):
            self._controller.ioctl(media.MEDIA_SETUP_LINK, setting)


async def open_path(
    video: Node,
    stack: AsyncExitStack,
    *,
    opener: OpenNode,
    directory: Path = DEV,
    sys_dev: Path = SYS_DEV,
) -> MediaPath:
    """Find and open the chain that ends in the node *video*; *stack* closes what is opened.

    Raises DeviceGoneError if no media device knows the node, NotSupportedError if no sub-device before it
    is a digital video receiver.
    """
    number = await trio.to_thread.run_sync(_device_number, video)
    controllers = await trio.to_thread.run_sync(lambda: sorted(directory.glob("media[0-9]*")))
    for path in controllers:
        controller = await opener(path)
        graph = await _graph_or_close(controller)
        entity = graph.entity_of(number)
        if entity is None:
            await controller.aclose()
            continue
        stack.push_async_callback(controller.aclose)
        return await _open_chain(graph, entity, controller, video, stack, opener, directory, sys_dev)
    raise DeviceGoneError(
        f"expected a media device with {video.path}, got {len(controllers)} without it - at {directory}"
    )


async def _graph_or_close(controller: Node) -> Graph:
    try:
        return await controller.run(lambda: read_graph(controller))
    except BaseException:
        await controller.aclose()
        raise


async def _open_chain(  # noqa: PLR0917 - the parts of one call, cut out of it
    graph: Graph,
    entity: int,
    controller: Node,
    video: Node,
    stack: AsyncExitStack,
    opener: OpenNode,
    directory: Path,
    sys_dev: Path,
) -> MediaPath:
    """Walk against the stream until a sub-device that knows digital video timings."""
    links: list[Link] = []
    subdevs: dict[int, Node] = {}
    for _ in range(_MAX_CHAIN):
        into = graph.upstream(entity)
        if not into:
            break
        links.insert(0, into[0])
        entity = into[0].source.entity
        if entity not in graph.devices:
            raise NotSupportedError(
                f"{video.path}: expected a node for every sub-device, got none for {graph.names[entity]}"
            )
        path = await trio.to_thread.run_sync(_node_path, graph.devices[entity], directory, sys_dev)
        subdev = await opener(path)
        stack.push_async_callback(subdev.aclose)
        subdevs[entity] = subdev
        if await subdev.run(functools.partial(_is_receiver, subdev)):
            return MediaPath(controller, subdev, links, subdevs)
    chain = ", ".join(graph.names[link.source.entity] for link in links) or "nothing"
    raise NotSupportedError(f"{video.path}: expected a digital video receiver before it, got {chain}")


def _is_receiver(subdev: Node) -> bool:
    answer = device.query_timings(subdev)
    return isinstance(answer, NoSignal | DvTimings)


def _device_number(node: Node) -> tuple[int, int]:
    try:
        number = os.fstat(node.fileno()).st_rdev
    except OSError as exc:
        raise DriverError(f"{node.path}: {exc.strerror}") from exc
    return os.major(number), os.minor(number)


def _node_path(number: tuple[int, int], directory: Path, sys_dev: Path) -> Path:
    """Return the node in *directory* of a device number, by the name that the kernel gives it."""
    uevent = sys_dev / f"{number[0]}:{number[1]}" / "uevent"
    try:
        lines = uevent.read_text().splitlines()
    except OSError as exc:
        raise DeviceGoneError(f"{uevent}: {exc.strerror}") from exc
    for line in lines:
        if line.startswith("DEVNAME="):
            return directory / line.removeprefix("DEVNAME=")
    raise BadReplyError(f"expected a DEVNAME, got {lines} - at {uevent}")


def _bus_codes(subdev: Node, pad: int) -> list[int]:
    codes = []
    for index in range(_MAX_CODES):
        entry = media.BusCode(pad=pad, index=index, which=media.SUBDEV_FORMAT_ACTIVE)
        try:
            subdev.ioctl(media.SUBDEV_ENUM_MBUS_CODE, entry)
        except OSError as exc:
            if exc.errno in {errno.EINVAL, errno.ENOTTY}:
                break
            with node_errors(subdev, "listing its bus formats"):
                raise
        codes.append(int(entry.code))
    return codes


def _set_pad(subdev: Node, pad: int, code: int, timings: DvTimings) -> None:
    setting = media.SubdevFormat(which=media.SUBDEV_FORMAT_ACTIVE, pad=pad)
    bus = setting.format
    bus.width, bus.height, bus.code, bus.field = timings.width, timings.height, code, uapi.FIELD_NONE
    with node_errors(subdev, f"setting the format of pad {pad}"):
        subdev.ioctl(media.SUBDEV_S_FMT, setting)
    if (bus.width, bus.height, bus.code) != (timings.width, timings.height, code):
        raise BadReplyError(
            f"expected {timings.width}x{timings.height} in bus format {code:#x}, "
            f"got {bus.width}x{bus.height} in {bus.code:#x} - at pad {pad} of {subdev.path}"
        )
