"""Metrics for Prometheus (contract http.md 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric
from quart import Response

from api.metrics.contract import contract_metrics
from api.metrics.exposition import Exposition
from api.metrics.own import (
    build_metrics,
    front_metrics,
    hid_metrics,
    picture_metrics,
    slot_metrics,
    task_metrics,
)
from api.routing import Access, Call, Route, media
from api.server.statistics import ServerStatistics
from firmware.core.supervise import Supervisor
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.gpio.service import GpioService
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.typist import Typist
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.streamer.service import StreamerService
from firmware.subsystems.update.service import UpdateService


@dataclass(frozen=True, slots=True)
class Measured:
    """The handles that metrics are read from; *front* returns the server's counters."""

    atx: AtxService
    auth: AuthService
    front: Callable[[], ServerStatistics]
    gpio: GpioService
    hid: HidService
    info: InfoService
    sessions: SessionsService
    streamer: StreamerService
    supervisor: Supervisor
    typist: Typist
    update: UpdateService

    def metrics(self) -> Iterator[Metric]:
        """Yield everything as it is now."""
        info = self.info.state
        yield from contract_metrics(self.atx.state.value, self.gpio.state.value.state, info.health, info.fan)
        yield from build_metrics()
        yield from slot_metrics(self.update.state.value.slots)
        yield from picture_metrics(
            self.streamer.statistics(),
            {name: meter.histograms for name, meter in self.streamer.latencies().items()},
        )
        yield from hid_metrics(self.hid.statistics(), self.typist.statistics())
        yield from task_metrics(self.supervisor.tasks.value)
        yield from front_metrics(self.front(), self.sessions.statistics(), self.auth.statistics())


def metrics_routes(measured: Measured, *, needs_login: bool) -> list[Route]:
    """List the route of metrics; *needs_login* is `kvmd/prometheus/auth/enabled`."""
    exposition = Exposition(measured.metrics)

    async def metrics(_call: Call) -> Response:
        return Response(exposition.text(), content_type="text/plain; charset=utf-8")

    return [
        Route(
            "GET",
            "/api/export/prometheus/metrics",
            Access.USER if needs_login else Access.PUBLIC,
            Capability.VIEW if needs_login else None,
            metrics,
            summary="metrics in Prometheus's text format, at most 5 s old",
            answers=(media("text/plain", "Prometheus's text format"),),
        )
    ]
