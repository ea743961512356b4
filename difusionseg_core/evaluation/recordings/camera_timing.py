"""What the stamps of one camera tell: its rate, jitter and gaps."""

from __future__ import annotations

from array import array

import numpy as np

from difusionseg_core.evaluation.statistics import milliseconds

_GAP = 1.5  # intervals of more than this times the median lack an image
_GAPS_NAMED = 20


class CameraTiming:
    """Takes stamps in the order of recording; `report` tells what they are like.

    A stamp not newer than the newest before it is late, or a jump back in time if it is older by
    more than `slop_ns`, as for the pairer. Keeps 24 bytes a message.
    """

    def __init__(self, slop_ns: int) -> None:
        self.refused = 0
        self._slop_ns = slop_ns
        self._late = 0
        self._jumps = 0
        self._newest: int | None = None
        self._stamps = array("q")  # at the beginning of each interval
        self._intervals = array("q")
        self._delays = array("q")

    def add(self, stamp_ns: int, recorded_ns: int) -> None:
        """Take the stamp of a sound message and the time when it was recorded."""
        self._delays.append(recorded_ns - stamp_ns)
        if self._newest is not None:
            if self._newest - self._slop_ns <= stamp_ns <= self._newest:
                self._late += 1
                return
            if stamp_ns < self._newest:
                self._jumps += 1
            else:
                self._stamps.append(self._newest)
                self._intervals.append(stamp_ns - self._newest)
        self._newest = stamp_ns

    def report(self) -> dict[str, object]:
        """For a JSON file.

        `rate_hz` is images a second of the time covered. `jitter_ms` is the standard deviation of
        the intervals that are no gaps; a gap is an interval of more than 1.5 times the median.
        `recorded_after_stamp_ms` tells how late messages reached the recorder, by its clock.
        """
        intervals = np.asarray(self._intervals, np.int64)
        report: dict[str, object] = {
            "messages": len(self._delays) + self.refused,
            "refused": self.refused,
            "late": self._late,
            "jumps": self._jumps,
        }
        if len(intervals):
            gaps = intervals > _GAP * np.median(intervals)
            report |= {
                "rate_hz": float(1e9 / intervals.mean()),
                "interval_ms": milliseconds(intervals),
                "jitter_ms": float(intervals[~gaps].std() / 1e6),
                "gaps": self._gaps(intervals, np.flatnonzero(gaps)),
            }
        if len(self._delays):
            report["recorded_after_stamp_ms"] = milliseconds(self._delays)
        return report

    def _gaps(self, intervals: np.ndarray, where: np.ndarray) -> dict[str, object]:
        longest = sorted(where, key=lambda index: -intervals[index])[:_GAPS_NAMED]
        return {
            "count": len(where),
            "longest": [
                {"after_stamp": self._stamps[index] / 1e9, "seconds": float(intervals[index] / 1e9)}
                for index in longest
            ],
        }
