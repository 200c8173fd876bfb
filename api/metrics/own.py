"""The appliance's own metrics, `farhand_*`: what its tasks, devices and connections did since it started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from api.server.statistics import ServerStatistics
from firmware.core.histogram import Histogram
from firmware.core.supervise import TaskPhase, TaskState
from firmware.core.version import farhand_version
from firmware.state.update import SlotState


def build_metrics() -> Iterator[Metric]:
    """Yield which version this is."""
    info = GaugeMetricFamily("farhand_build_info", "always 1; the version is a label", labels=["version"])
    info.add_metric([farhand_version()], 1)
    yield info


def slot_metrics(slots: Sequence[SlotState]) -> Iterator[Metric]:
    """Yield the slots of the card; none where there are none."""
    info = GaugeMetricFamily(
        "farhand_slot_info",
        "always 1; a slot of the card, the version in it and its condition",
        labels=["slot", "version", "condition"],
    )
    for slot in slots:
        info.add_metric([slot.name, slot.version or "", slot.condition], 1)
    yield info


def picture_metrics(
    counts: Mapping[str, int], latencies: Mapping[str, Mapping[str, Histogram]]
) -> Iterator[Metric]:
    """Yield what became of captured frames, and how long they took, by format and stage.

    *counts* are those of the streamer's statistics.
    """
    for key, description in (
        ("captured_frames", "frames taken from the capture"),
        ("encoded_frames", "frames encoded as JPEG, rendered ones that say why there is none included"),
        ("unchanged_frames", "frames that were the same as the one before and were not encoded"),
        ("h264_frames", "frames encoded as H.264, those that were encoded once more included"),
        ("damaged_frames", "JPEG pictures of the capture that could not be read, and were not shown"),
        ("dropped_frames", "encoded frames that clients of the MJPEG stream were too slow for"),
    ):
        yield CounterMetricFamily(f"farhand_{key}", description, counts[key])
    seconds = HistogramMetricFamily(
        "farhand_frame_seconds",
        "time that frames took from stage to stage: capture, queue, encode and send, one after the other;"
        " total is from the capture to the connection of a client, paint to its screen as browsers tell",
        labels=["format", "stage"],
    )
    for name, stages in latencies.items():
        for stage, histogram in stages.items():
            buckets = [(_bound(bound), count) for bound, count in histogram.cumulative()]
            seconds.add_metric([name, stage], buckets=buckets, sum_value=histogram.total)
    yield seconds


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def hid_metrics(devices: Mapping[str, Mapping[str, int]], typing: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what became of HID reports by device, and how much text was typed."""
    reports = CounterMetricFamily(
        "farhand_hid_reports",
        "HID reports: written, given up as the host did not take them, dropped by a release-all or a fault",
        labels=["device", "outcome"],
    )
    waiting = GaugeMetricFamily(
        "farhand_hid_reports_waiting", "HID reports in the device's queue", labels=["device"]
    )
    for device, counts in devices.items():
        for outcome in ("written", "given_up", "dropped"):
            reports.add_metric([device, outcome], counts[outcome])
        waiting.add_metric([device], counts["waiting"])
    yield reports
    yield waiting
    yield CounterMetricFamily("farhand_typed_texts", "texts that were typed", typing["texts"])
    yield CounterMetricFamily("farhand_typed_key_events", "key events of typed texts", typing["events"])


def task_metrics(tasks: Mapping[str, TaskState]) -> Iterator[Metric]:
    """Yield the life of every supervised task."""
    families = {
        "starts": CounterMetricFamily("farhand_task_starts", "starts of the task", labels=["task"]),
        "faults": CounterMetricFamily(
            "farhand_task_faults", "ends by a fault of the device", labels=["task"]
        ),
        "bugs": CounterMetricFamily("farhand_task_bugs", "ends by a bug of ours", labels=["task"]),
    }
    online = GaugeMetricFamily("farhand_task_online", "whether the task works now", labels=["task"])
    for name, task in tasks.items():
        for key, family in families.items():
            family.add_metric([name], getattr(task, key))
        online.add_metric([name], float(task.phase is TaskPhase.ONLINE))
    yield from families.values()
    yield online


def front_metrics(
    front: ServerStatistics, sessions: Mapping[str, int], logins: Mapping[str, int]
) -> Iterator[Metric]:
    """Yield what clients do: connections, requests, sessions of the control socket, credentials."""
    yield GaugeMetricFamily("farhand_http_connections", "open connections", front.open_connections)
    yield GaugeMetricFamily("farhand_websockets", "open WebSockets", front.open_websockets)
    for name, description, count in (
        ("http_requests", "requests given to the application", front.requests),
        (
            "http_rejected_requests",
            "requests refused before a route saw them",
            front.rejected_requests,
        ),
        ("http_application_errors", "exceptions that left the application", front.application_errors),
        ("websocket_upgrades", "WebSocket upgrades", front.websockets),
        ("credentials_accepted", "checks of credentials that passed", logins["accepted"]),
        ("credentials_refused", "checks of credentials that failed", logins["refused"]),
        ("credentials_limited", "credentials not looked at after too many wrong ones", logins["limited"]),
    ):
        yield CounterMetricFamily(f"farhand_{name}", description, count)
    with_video = sessions["with_video"]
    open_sessions = GaugeMetricFamily(
        "farhand_sessions", "open sessions of the control socket", labels=["video"]
    )
    open_sessions.add_metric(["yes"], with_video)
    open_sessions.add_metric(["no"], sessions["open"] - with_video)
    yield open_sessions
