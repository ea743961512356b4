"""The fusion node's diagnostics and frame status, as JSON for the page.

The viewer continues when the node ends, so a status that is not repeated in time becomes STALE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from diagnostic_msgs.msg import DiagnosticStatus

from difusionseg_ros.msg import ClassColors, FrameStatus, StageLatency

LEAST_STALE_AFTER = 3.0  # seconds
_PERIODS_UNTIL_STALE = 3
_LONGEST_PERIOD = 20.0  # seconds; a longer one was a pause

_LEVELS = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "STALE",
}
_SEVERITY = ("OK", "WARN", "STALE", "ERROR")  # rising
_MODES = {
    FrameStatus.BOTH: "both cameras",
    FrameStatus.RGB_ONLY: "RGB only",
    FrameStatus.THERMAL_ONLY: "thermal only",
}
_TOTALS = (
    "paired",
    "processed",
    "dropped_rgb",
    "dropped_thermal",
    "dropped_pairs",
    "bad_messages",
)


@dataclass(frozen=True)
class Reported:
    """A received status; `arrived` is by `time.monotonic()` [s].

    `period` is the time since the previous one [s], 0 for the first.
    """

    arrived: float
    period: float
    status: DiagnosticStatus


@dataclass(frozen=True)
class Entry:
    """A status for the page; `age` in seconds."""

    name: str
    level: str
    message: str
    age: float
    values: dict[str, str]


def entries(reported: Sequence[Reported], now: float) -> list[Entry]:
    """Return the statuses with their ages; STALE if not repeated in time."""
    return [_entry(each, now) for each in reported]


def overall(node: str, statuses: Sequence[Entry]) -> dict[str, str]:
    """Return the worst status as `level` and `text`. `node` is the diagnosed node's name."""
    if not statuses:
        return {
            "level": "STALE",
            "text": f"no diagnostics from {node} yet: it is not running, or not active",
        }
    if all(each.level == "STALE" for each in statuses):
        age = min(each.age for each in statuses)
        return {
            "level": "STALE",
            "text": f"{node} has been silent for {age:.0f} s: it has ended or hangs",
        }
    worst = max(statuses, key=lambda each: _SEVERITY.index(each.level))
    if worst.level == "OK":
        network = [each.message for each in statuses if each.name.endswith(": network")]
        return {"level": "OK", "text": network[0] if network else "all is well"}
    others = sum(each.level != "OK" for each in statuses) - 1
    more = f" (and {others} more)" if others else ""
    part = worst.name.partition(": ")[2] or worst.name
    return {"level": worst.level, "text": f"{part}: {worst.message}{more}"}


def classes_entry(message: ClassColors) -> list[dict[str, object]]:
    """Return id, name and colour (0..255) of each class."""
    return [
        {
            "id": each.class_id,
            "name": each.class_name,
            "color": [_channel(part) for part in (each.color.r, each.color.g, each.color.b)],
        }
        for each in message.class_map
    ]


def frame_entry(message: FrameStatus, age: float) -> dict[str, object]:
    """Return a frame's status; times in milliseconds, `age` in seconds."""
    return {
        "age": age,
        "mode": _MODES.get(message.mode, "unknown"),
        "time_offset_ms": _finite(1e3 * message.time_offset),
        "latency_ms": {
            stage: _finite(1e3 * getattr(message.latency, stage))
            for stage in StageLatency.get_fields_and_field_types()
        },
        "class_shares": [_finite(share) for share in message.class_shares],
        "totals": {name: getattr(message, name) for name in _TOTALS},
    }


def _entry(reported: Reported, now: float) -> Entry:
    status = reported.status
    entry = Entry(
        name=status.name,
        level=_LEVELS.get(status.level, "ERROR"),
        message=status.message,
        age=now - reported.arrived,
        values={item.key: item.value for item in status.values},
    )
    if entry.age <= max(
        LEAST_STALE_AFTER, _PERIODS_UNTIL_STALE * min(reported.period, _LONGEST_PERIOD)
    ):
        return entry
    return replace(
        entry, level="STALE", message=f"nothing for {entry.age:.0f} s; last: {entry.message}"
    )


def _finite(value: float) -> float | None:
    """Return the number, or None for what JSON does not have: NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def _channel(part: float) -> int:
    return round(255 * min(max(part, 0.0), 1.0)) if math.isfinite(part) else 0
