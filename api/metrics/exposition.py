"""The text that Prometheus reads: one registry of ours, and a copy that is kept for some seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import trio
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

KEPT_S: Final = 5.0
"""As the contract says (http.md 4.1), so that several scrapers cost no more than one."""


class _Appliance(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from self._read()


class Exposition:
    """Makes the text; nothing is registered with the library's global registry."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        """Take *read*, which returns the appliance's present metrics and must not block."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Appliance(read))
        # The standard ones of a process: memory, CPU, descriptors, start; of Python and its collector.
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._text = b""
        self._made_at = -KEPT_S

    def text(self) -> bytes:
        """Return the metrics, at most KEPT_S old."""
        now = trio.current_time()
        if now - self._made_at >= KEPT_S or not self._text:
            # Of files only /proc/self is read, which no disk can hold up.
            self._text = generate_latest(self._registry)
            self._made_at = now
        return self._text
