"""Turn totals and rates into the status messages of /diagnostics."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from difusionseg_core.cameras.camera_watch import Finding
from difusionseg_core.cameras.pairing import PairingCounts

NOTHING_ARRIVES = "nothing arrives"  # kind of the finding with the reason
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class CameraReport:
    """One camera: its topic, totals, last error, and seconds since its last usable image.

    `facts` describe its images, `findings` possible faults (see
    `cameras.camera_watch`).
    """

    topic: str
    received: int
    bad: int
    last_error: str
    silence: float
    calibration_fault: str = ""  # why `undistort` has no effect on its images
    facts: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class ModelReport:
    """The network: its device, and totals of the frames.

    `alone` counts processed frames of one camera only, `replaced` frames dropped for a newer one,
    and `failed` frames that raised an error, the last of which is `last_error`. `latencies` [s] are
    those of recent frames, from stamp to publishing. `moved` says why the network is not on the
    requested device; empty if it is.
    """

    device: str
    backend: str
    steps: int
    processed: int
    alone: int
    replaced: int
    failed: int
    last_error: str
    latencies: Sequence[float]
    moved: str = ""
    paused: bool = False


@dataclass(frozen=True)
class OutputsReport:
    """Number of subscribers by topic, and the topics that other nodes publish too."""

    subscribers: Mapping[str, int]
    shared: Sequence[str]


@dataclass(frozen=True)
class NodeReport:
    """The state of the node at one time.

    `time` is monotonic [s]. For recent pairs, `offsets` [s] are thermal stamp minus RGB stamp, and
    `lags` [s] arrival of the thermal image minus arrival of the RGB image. `apart` [s] is the
    newest thermal stamp minus the newest RGB stamp, None before both cameras have sent an image.
    `clock_advice` says what to set if the cameras' clocks differ.
    """

    time: float
    rgb: CameraReport
    thermal: CameraReport
    pairing: PairingCounts
    offsets: Sequence[float]
    lags: Sequence[float]
    apart: float | None
    model: ModelReport
    outputs: OutputsReport
    clock_advice: str = ""


def statuses(
    node_name: str, before: NodeReport, now: NodeReport, camera_timeout: float
) -> list[DiagnosticStatus]:
    """Return a status each for cameras, pairing, network and outputs, from consecutive reports.

    `camera_timeout` [s] is the time without a usable image after which a camera is missing.
    """
    seconds = max(now.time - before.time, 1e-9)
    parts = {
        "rgb camera": _camera(before.rgb, now.rgb, seconds, camera_timeout),
        "thermal camera": _camera(before.thermal, now.thermal, seconds, camera_timeout),
        "pairing": _pairing(before, now, seconds, camera_timeout),
        "network": _model(before.model, now.model, seconds),
        "outputs": _outputs(now.outputs),
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
        **now.facts,
        **{f"hint: {finding.kind}": finding.text for finding in now.findings},
    }
    refused = now.bad - before.bad
    if now.silence > timeout:
        reasons = [finding.text for finding in now.findings if finding.kind == NOTHING_ARRIVES]
        why = "".join(f": {reason}" for reason in ([now.last_error] if refused else reasons))
        return ERROR, f"no usable image on {now.topic} for {now.silence:.1f} s{why}", values
    if refused:
        return WARN, f"{_counted(refused, 'bad message')}: {now.last_error}", values
    if now.calibration_fault:
        return WARN, f"neither image is undistorted: {now.calibration_fault}", values
    warnings = [finding.text for finding in now.findings if finding.warning]
    if warnings:
        return WARN, "; ".join(warnings), values
    return OK, f"{rate:.1f} images/s", values


def _pairing(
    before: NodeReport, now: NodeReport, seconds: float, timeout: float
) -> tuple[bytes, str, dict[str, object]]:
    new = {key: getattr(now.pairing, key) - old for key, old in vars(before.pairing).items()}
    rate = new["paired"] / seconds
    values: dict[str, object] = {"rate [Hz]": f"{rate:.2f}", **vars(now.pairing)}
    del values["unstamped"]  # CameraInput refuses such images before pairing
    if now.offsets:
        sizes = sorted(abs(offset) for offset in now.offsets)
        values["offset, median [ms]"] = f"{1e3 * statistics.median(now.offsets):.2f}"
        values["offset, 95 % below [ms]"] = f"{1e3 * sizes[int(0.95 * (len(sizes) - 1))]:.2f}"
        values["thermal arrives later, median [ms]"] = f"{1e3 * statistics.median(now.lags):.2f}"
    alone = now.model.alone - before.model.alone
    if alone:
        return WARN, f"degraded: {alone / seconds:.1f} frames/s of one camera alone", values
    missing = [
        name
        for name, camera in (("RGB images", now.rgb), ("thermal images", now.thermal))
        if camera.silence > timeout
    ]
    if missing:
        return ERROR, f"no pairs: {' and '.join(missing)} missing", values
    if new["jumps"]:
        return WARN, "stamps jumped back in time", values
    if new["dropped_rgb"] and new["dropped_thermal"] and not new["paired"]:
        apart = "" if now.apart is None else f", the newest by {now.apart:+.3f} s"
        advice = f": {now.clock_advice}" if now.clock_advice else ""
        line = f"no pairs: thermal and RGB stamps differ by more than slop{apart}{advice}"
        return ERROR, line, values
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
        "of one camera alone": now.alone,
        "replaced by a newer frame": now.replaced,
        "failed": now.failed,
        "last error": now.last_error,
    }
    if now.latencies:
        values["latency, median [ms]"] = f"{1e3 * statistics.median(now.latencies):.1f}"
    failed = now.failed - before.failed
    if failed:
        return ERROR, f"{_counted(failed, 'frame')} failed: {now.last_error}", values
    if now.paused:
        return OK, "paused by ~/enable", values
    speed = f"{rate:.1f} frames/s on {now.device} ({now.backend})"
    if now.moved:
        return WARN, f"{speed}: {now.moved}", values
    return OK, speed, values


def _outputs(now: OutputsReport) -> tuple[bytes, str, dict[str, object]]:
    values: dict[str, object] = {
        f"listeners of {name}": count for name, count in now.subscribers.items()
    }
    if now.shared:
        return WARN, f"another node publishes too: {', '.join(now.shared)}", values
    subscribed = sum(map(bool, now.subscribers.values()))
    return OK, f"{_counted(subscribed, 'topic')} with subscribers", values


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
