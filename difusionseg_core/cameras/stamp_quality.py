"""Quality of a camera's stamps: missing stamps, other clocks, differences of two clocks."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field

STAMPS = ("header", "arrival", "auto")
"""Sources of an image's time: its stamp; its arrival; its stamp if it has one, else arrival."""

DAY = 86400.0  # seconds
_RECENT = 100  # images over which a difference is estimated
_ENOUGH = 5
_CONSTANT = 0.2  # seconds by which a constant difference may seem to vary, for want of a fast bus


def used_stamp(stamps: str, stamp_ns: int, arrived_ns: int) -> int:
    """Return the time by which an image is paired [ns]; `stamps` is one of STAMPS."""
    if stamps == "arrival" or (stamps == "auto" and stamp_ns == 0):
        return arrived_ns
    return stamp_ns


@dataclass
class StampQuality:
    """Stamps of one camera, compared with the arrival of its images.

    `unstamped` counts images without a stamp, `stamped` the others.
    """

    unstamped: int = 0
    stamped: int = 0
    _ahead: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, stamp_ns: int, arrived_ns: int) -> None:
        """Take the next image: its stamp and its arrival by the node's clock [ns]."""
        if stamp_ns == 0:
            self.unstamped += 1
        else:
            self.stamped += 1
            self._ahead.append((stamp_ns - arrived_ns) * 1e-9)

    @property
    def ahead(self) -> float | None:
        """Median of stamp minus arrival [s]; None before the first stamp."""
        return statistics.median(self._ahead) if self._ahead else None

    @property
    def is_constant(self) -> bool:
        """Whether `ahead` is nearly constant."""
        return not self._ahead or max(self._ahead) - min(self._ahead) <= _CONSTANT

    def text(self) -> str:
        """Return in words, such as "0.012 s before arrival"."""
        if self.ahead is None:
            return "absent" if self.unstamped else "none yet"
        side = "after" if self.ahead > 0 else "before"
        text = f"{seconds(abs(self.ahead))} {side} arrival"
        if not self.is_constant:
            text += f", varying by {seconds(max(self._ahead) - min(self._ahead))}"
        return text + (f"; {self.unstamped} without a stamp" if self.unstamped else "")


ARRIVAL = StampQuality(stamped=_ENOUGH, _ahead=deque([0.0]))  # of a camera stamped on arrival


@dataclass(frozen=True)
class ClockAdvice:
    """Advice for different clocks of two cameras: one line, and the parameters to set."""

    text: str
    parameters: dict[str, object]


def clock_advice(
    rgb: StampQuality, thermal: StampQuality, slop: float, thermal_time_offset: float = 0.0
) -> ClockAdvice | None:
    """Return what to set if the stamps of the two cameras come from clocks that differ.

    Assumes that images of both cameras arrive equally late. None if there is nothing to say: too
    few stamps, or clocks that agree within `slop` plus what may be the delay of a driver.
    `thermal_time_offset` is the correction in use; `slop` and it are in seconds.
    """
    if rgb.ahead is None or thermal.ahead is None:
        return None
    if min(rgb.stamped, thermal.stamped) < _ENOUGH:
        return None
    apart = thermal.ahead - rgb.ahead
    if abs(apart + thermal_time_offset) <= slop + _CONSTANT:
        return None
    arrival: dict[str, object] = {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}
    side = "ahead of" if apart > 0 else "behind"
    line = f"thermal stamps are {seconds(abs(apart))} {side} RGB stamps"
    if not (rgb.is_constant and thermal.is_constant):
        return ClockAdvice(
            f"{line}, and that varies: set rgb_stamps and thermal_stamps to arrival", arrival
        )
    offset = round(-apart, 3)
    if abs(apart) > DAY:
        return ClockAdvice(
            f"{line} (a clock that counts from its start?): set rgb_stamps and thermal_stamps to "
            f"arrival, or thermal_time_offset to {offset}",
            arrival,
        )
    return ClockAdvice(
        f"{line}, constantly: set thermal_time_offset to {offset}", {"thermal_time_offset": offset}
    )


def seconds(value: float) -> str:
    """Return a duration in words: milliseconds, seconds or days."""
    if value >= DAY:
        return f"{value / DAY:.1f} days"
    return f"{value:.3f} s"
