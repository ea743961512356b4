"""The stamps of one camera: its rate, jitter, gaps and jumps."""

from __future__ import annotations

from array import array

import numpy as np

from difusionseg_core.evaluation.statistics import milliseconds
from difusionseg_core.recordings.time_span import time_span

_GAP = 1.5  # intervals of more than this times the median lack an image
_GAPS_NAMED = 20
_JUMP_NS = 3600 * 10**9


class CameraTiming:
    """Takes stamps in the order of recording; `report` summarises them.

    A stamp not newer than the newest before it is late, or a jump back in time if it is older by
    more than `slop_ns`, as for the pairer. A stamp newer by more than an hour is a jump forward,
    such as of a clock that is set from the network, and counts in no interval. Keeps 24 bytes a
    message.
    """

    def __init__(self, slop_ns: int) -> None:
        self.refused = 0
        self._slop_ns = slop_ns
        self._late = 0
        self._jumps_back: list[tuple[int, int]] = []
        self._jumps_forward: list[tuple[int, int]] = []
        self._newest: int | None = None
        self._stamps = array("q")  # at the beginning of each interval
        self._intervals = array("q")
        self._delays = array("q")

    def add(self, stamp_ns: int, recorded_ns: int) -> None:
        """Take the stamp of a usable message and the time when it was recorded."""
        self._delays.append(recorded_ns - stamp_ns)
        if self._newest is not None:
            step = stamp_ns - self._newest
            if -self._slop_ns <= step <= 0:
                self._late += 1
                return
            if step < 0:
                self._jumps_back.append((self._newest, -step))
            elif step > _JUMP_NS:
                self._jumps_forward.append((self._newest, step))
            else:
                self._stamps.append(self._newest)
                self._intervals.append(step)
        self._newest = stamp_ns

    def warnings(self) -> list[str]:
        """Return a line for jumps in each direction, with the largest."""
        lines = []
        for way, jumps in (("forward", self._jumps_forward), ("back", self._jumps_back)):
            if jumps:
                stamp, step = max(jumps, key=lambda jump: jump[1])
                several = "once" if len(jumps) == 1 else f"{len(jumps)} times"
                lines.append(
                    f"stamps jump {way} {several}, by {time_span(step / 1e9)} after "
                    f"{stamp / 1e9:.3f} s{'' if len(jumps) == 1 else ' at most'}"
                )
        return lines

    def report(self) -> dict[str, object]:
        """Return plain values for a JSON file.

        `rate_hz` is images per second of the time covered. `jitter_ms` is the standard deviation
        of the intervals that are not gaps; a gap is an interval of more than 1.5 times the median.
        `recorded_after_stamp_ms` is the delay of messages at the recorder, by its clock.
        """
        intervals = np.asarray(self._intervals, np.int64)
        report: dict[str, object] = {
            "messages": len(self._delays) + self.refused,
            "refused": self.refused,
            "late": self._late,
            "jumps": len(self._jumps_back),
            "jumps_forward": len(self._jumps_forward),
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
