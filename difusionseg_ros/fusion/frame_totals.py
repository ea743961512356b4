"""Totals of the frames since activation, and statistics of recent frames."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from difusionseg_core.cameras.pairing import PairingCounts
from difusionseg_ros.fusion.nearest_sync import PairTiming
from difusionseg_ros.msg import FrameStatus

_RECENT = 100  # frames over which diagnostics give statistics


def _recent() -> deque[float]:
    return deque(maxlen=_RECENT)


@dataclass
class FrameTotals:
    """Counts frames.

    `alone` of the `processed` frames had one camera only; `failed` ones raised `last_failure`.
    `offsets` and `lags` [s] are those of recent pairs, `latencies` [s] those of recent frames.
    """

    processed: int = 0
    alone: int = 0
    failed: int = 0
    last_failure: str = ""
    offsets: deque[float] = field(default_factory=_recent)
    lags: deque[float] = field(default_factory=_recent)
    latencies: deque[float] = field(default_factory=_recent)

    def paired(self, timing: PairTiming) -> None:
        """Count a pair and keep its timing."""
        self.offsets.append(timing.offset_ns * 1e-9)
        self.lags.append(timing.lag)

    def finished(self, status: FrameStatus, pairs: PairingCounts, replaced: int, bad: int) -> None:
        """Count a processed frame, and write the totals into its status.

        `replaced` frames were dropped for newer ones, `bad` messages were refused.
        """
        self.processed += 1
        self.alone += status.mode != FrameStatus.BOTH
        if not math.isnan(status.latency.total):
            self.latencies.append(status.latency.total)
        status.paired = pairs.paired
        status.processed = self.processed
        status.dropped_rgb = pairs.dropped_rgb
        status.dropped_thermal = pairs.dropped_thermal
        status.dropped_pairs = replaced
        status.bad_messages = bad

    def raised(self, error: Exception) -> None:
        """Count a frame that failed."""
        self.failed += 1
        self.last_failure = " ".join(f"{type(error).__name__}: {error}".split())
