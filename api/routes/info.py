"""General information (contract http.md 4.1)."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import UNSET, UnsetType
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope
from firmware.core.validators import valid_bool, valid_info_fields
from firmware.state.info import (
    AuthInfo,
    Document,
    FanInfo,
    HealthInfo,
    KernelInfo,
    NodeInfo,
    PlatformInfo,
    StreamerInfo,
    UptimeInfo,
    VersionInfo,
)
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.info.render import render
from firmware.subsystems.info.service import InfoService

LEGACY = Param("legacy", valid_bool, True, "the old grouping, with hw")
# Which names are allowed depends on `legacy`, so one of the two is read, never both.
FIELDS = Param[list[str]]("fields", partial(valid_info_fields, legacy=False), [], "categories; empty = all")
LEGACY_FIELDS = Param[list[str]]("fields", partial(valid_info_fields, legacy=True), [], "the same, with hw")


class ShownSystem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Versions and the board; beside `hw` without its `platform`."""

    kvmd: VersionInfo
    streamer: StreamerInfo
    kernel: KernelInfo
    farhand: VersionInfo
    platform: PlatformInfo | UnsetType = UNSET


class Hardware(msgspec.Struct, frozen=True):
    """Health and platform together, as the old grouping has them."""

    health: HealthInfo
    platform: PlatformInfo


class ShownInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The categories that were asked for."""

    auth: AuthInfo | UnsetType = UNSET
    extras: Document | UnsetType | None = UNSET
    fan: FanInfo | UnsetType = UNSET
    health: HealthInfo | UnsetType = UNSET
    hw: Hardware | UnsetType = UNSET
    meta: Document | UnsetType | None = UNSET
    node: NodeInfo | UnsetType = UNSET
    system: ShownSystem | UnsetType = UNSET
    uptime: UptimeInfo | UnsetType = UNSET


def info_routes(info: InfoService) -> list[Route]:
    """List the routes of information."""

    async def show(call: Call) -> Response:
        legacy = call[LEGACY]
        fields = call[LEGACY_FIELDS if legacy else FIELDS]
        return envelope(render(await info.fresh_state(), legacy=legacy, fields=fields))

    return [
        Route(
            "GET",
            "/api/info",
            Access.USER,
            Capability.VIEW,
            show,
            (LEGACY, FIELDS, LEGACY_FIELDS),
            summary="what the appliance says of itself, by category",
            answers=(Answer(ShownInfo),),
        )
    ]
