"""A message filter that pairs RGB and thermal images by nearest stamp."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from message_filters import SimpleFilter
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.time import Time

from difusionseg_core.cameras.pairing import NearestStampPairer, Pair, PairingCounts


class PairTiming(NamedTuple):
    """When the images of a pair were taken and when they arrived.

    `offset_ns` is the corrected thermal stamp minus the RGB stamp [ns]; `arrived` is when the later
    of the two messages arrived, on the monotonic clock of Python's `time` [s]; `lag` is how much
    later the thermal image arrived than the RGB image [s].
    """

    offset_ns: int
    arrived: float
    lag: float


class NearestSync(SimpleFilter):
    """Joins two filters of stamped messages; emits `(rgb, thermal, PairTiming)` for every pair.

    NearestStampPairer decides which messages form a pair. Several threads may feed the filters. An
    exception in a consumer is logged and counted in `consumer_errors`; the other consumers still
    get the pair, and all of them the later ones.
    """

    def __init__(
        self,
        rgb: SimpleFilter,
        thermal: SimpleFilter,
        pairer: NearestStampPairer,
        logger: RcutilsLogger,
    ) -> None:
        super().__init__()
        self.consumer_errors = 0
        self._pairer = pairer
        self._logger = logger
        self._lock = threading.Lock()
        rgb.registerCallback(self._rgb_arrived)
        thermal.registerCallback(self._thermal_arrived)

    @property
    def counts(self) -> PairingCounts:
        """Totals of the pairer up to now."""
        with self._lock:
            return self._pairer.counts

    @property
    def newest_apart_ns(self) -> int | None:
        """Newest thermal stamp minus newest RGB stamp [ns]; None before both cameras sent one."""
        with self._lock:
            return self._pairer.newest_apart_ns

    def retune(self, slop_ns: int, thermal_offset_ns: int) -> None:
        """Change slop and thermal offset; takes effect from the next message."""
        with self._lock:
            self._pairer.slop_ns = slop_ns
            self._pairer.thermal_offset_ns = thermal_offset_ns

    def signalMessage(self, *message: Any) -> None:  # noqa: N802, the name is message_filters'
        """Call every consumer; count and log an exception instead of raising it."""
        for callback, arguments in list(self.callbacks.values()):
            try:
                callback(*message, *arguments)
            except Exception as error:
                self.consumer_errors += 1
                self._logger.error(f"callback for image pairs failed: {error!r}")

    def _rgb_arrived(self, message: Any) -> None:
        arrived = time.monotonic()
        with self._lock:
            pairs = self._pairer.add_rgb(_stamp_ns(message), (message, arrived))
        self._emit(pairs)

    def _thermal_arrived(self, message: Any) -> None:
        arrived = time.monotonic()
        with self._lock:
            pairs = self._pairer.add_thermal(_stamp_ns(message), (message, arrived))
        self._emit(pairs)

    def _emit(self, pairs: list[Pair]) -> None:
        # Outside the lock: a consumer may ask for the counts.
        for pair in pairs:
            (rgb, rgb_arrived), (thermal, thermal_arrived) = pair.rgb, pair.thermal
            timing = PairTiming(
                pair.offset_ns,
                arrived=max(rgb_arrived, thermal_arrived),
                lag=thermal_arrived - rgb_arrived,
            )
            self.signalMessage(rgb, thermal, timing)


def _stamp_ns(message: Any) -> int:
    return Time.from_msg(message.header.stamp).nanoseconds
