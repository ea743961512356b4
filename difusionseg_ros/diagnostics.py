"""What an operator reads on /diagnostics: totals and rates turned into status messages."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from difusionseg_core.pairing import PairingCounts

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class CameraReport:
    """A camera: its topic, totals, the latest complaint, and seconds since its last message."""

    topic: str
    received: int
    bad: int
    last_error: str
    silence: float


@dataclass(frozen=True)
class ModelReport:
    """The network: what it runs on and what became of the pairs, in totals.

    `replaced` pairs gave way to a newer one, `failed` ones raised `last_error`. `latencies` [s] are
    those of recent frames, from stamp to publishing.
    """

    device: str
    backend: str
    steps: int
    processed: int
    replaced: int
    failed: int
    last_error: str
    latencies: Sequence[float]


@dataclass(frozen=True)
class Report:
    """The node at one time: `time` is monotonic [s], `offsets` [s] are those of recent pairs."""

    time: float
    rgb: CameraReport
    thermal: CameraReport
    pairing: PairingCounts
    offsets: Sequence[float]
    model: ModelReport


def statuses(
    node_name: str, before: Report, now: Report, camera_timeout: float
) -> list[DiagnosticStatus]:
    """One status each for the cameras, the pairing and the network, from two reports in a row.

    `camera_timeout` [s] is the silence after which a camera counts as lost.
    """
    seconds = max(now.time - before.time, 1e-9)
    parts = {
        "rgb camera": _camera(before.rgb, now.rgb, seconds, camera_timeout),
        "thermal camera": _camera(before.thermal, now.thermal, seconds, camera_timeout),
        "pairing": _pairing(before, now, seconds),
        "network": _model(before.model, now.model, seconds),
    }
    return [
        DiagnosticStatus(
            name=f"{node_name}: {part}",
            hardware_id=node_name,
            level=level,
            message=message,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        for part, (level, message, values) in parts.items()
    ]


def _camera(
    before: CameraReport, now: CameraReport, seconds: float, timeout: float
) -> tuple[bytes, str, dict[str, object]]:
    rate = (now.received - before.received) / seconds
    values = {
        "topic": now.topic,
        "rate [Hz]": f"{rate:.2f}",
        "received": now.received,
        "bad messages": now.bad,
        "last error": now.last_error,
    }
    if now.silence > timeout:
        return ERROR, f"no image on {now.topic} for {now.silence:.1f} s", values
    refused = now.bad - before.bad
    if refused:
        return WARN, f"{refused} bad messages: {now.last_error}", values
    return OK, f"{rate:.1f} images/s", values


def _pairing(before: Report, now: Report, seconds: float) -> tuple[bytes, str, dict[str, object]]:
    new = {key: getattr(now.pairing, key) - old for key, old in vars(before.pairing).items()}
    rate = new["paired"] / seconds
    values: dict[str, object] = {"rate [Hz]": f"{rate:.2f}", **vars(now.pairing)}
    if now.offsets:
        sizes = sorted(abs(offset) for offset in now.offsets)
        values["offset, median [ms]"] = f"{1e3 * statistics.median(now.offsets):.2f}"
        values["offset, 95 % below [ms]"] = f"{1e3 * sizes[int(0.95 * (len(sizes) - 1))]:.2f}"
    if new["unstamped"]:
        return WARN, f"{new['unstamped']} images without a stamp", values
    if new["jumps"]:
        return WARN, "stamps jumped back in time", values
    if new["dropped_rgb"] and new["dropped_thermal"] and not new["paired"]:
        return WARN, "no pairs: stamps of the cameras differ by more than slop", values
    return OK, f"{rate:.1f} pairs/s", values


def _model(
    before: ModelReport, now: ModelReport, seconds: float
) -> tuple[bytes, str, dict[str, object]]:
    rate = (now.processed - before.processed) / seconds
    values: dict[str, object] = {
        "device": now.device,
        "backend": now.backend,
        "steps": now.steps,
        "rate [Hz]": f"{rate:.2f}",
        "processed": now.processed,
        "replaced by a newer pair": now.replaced,
        "failed": now.failed,
        "last error": now.last_error,
    }
    if now.latencies:
        values["latency, median [ms]"] = f"{1e3 * statistics.median(now.latencies):.1f}"
    failed = now.failed - before.failed
    if failed:
        return ERROR, f"{failed} pairs failed: {now.last_error}", values
    return OK, f"{rate:.1f} frames/s on {now.device} ({now.backend})", values
