"""Detect repeated thermal images: a hanging driver, or a shutter that is closed for calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from difusionseg_core.imaging.codec.encodings import ENCODINGS, GREY

LONGEST_EVENT = 2.0  # seconds that a shutter is closed at most
_SHORTEST_REPEAT = 0.25  # seconds; some cameras send each image two or three times
_STRIDE = 61  # bytes; a quick comparison reads every 61st
_SAMPLES = 500
_UNIFORM = {"u1": 2.0, "u2": 16.0, "i2": 16.0, "i4": 16.0, "f4": 0.1, "f8": 0.1}  # counts


class FrozenFrames:
    """Observes the pixels of one camera.

    `unchanged` is for how long the pixels have been the same [s], `shutter_events` how often the
    image was uniform, or repeated for 0.25 s or more, and changed again within LONGEST_EVENT.
    """

    def __init__(self) -> None:
        self.unchanged = 0.0
        self.shutter_events = 0
        self._previous: np.ndarray | None = None
        self._same_since = 0.0
        self._closed_since: float | None = None

    def add(self, message: Any, now: float) -> None:
        """Take the next image message, which came at the time `now` [s]."""
        data = np.frombuffer(message.data, np.uint8)
        same = self._previous is not None and _is_equal(data, self._previous)
        self._previous = data
        if not same:
            lasted = self.unchanged
            self._same_since, self.unchanged = now, 0.0
            if _SHORTEST_REPEAT <= lasted <= LONGEST_EVENT and self._closed_since is None:
                self.shutter_events += 1
        else:
            self.unchanged = now - self._same_since
        if is_uniform(message):
            self._closed_since = now if self._closed_since is None else self._closed_since
        elif self._closed_since is not None:
            self.shutter_events += now - self._closed_since <= LONGEST_EVENT
            self._closed_since = None


def is_uniform(message: Any) -> bool:
    """Return whether a raw grey image has the same count everywhere, apart from noise.

    False for encodings with colours and for compressed images, whose pixels are not known here.
    """
    encoding = ENCODINGS.get(getattr(message, "encoding", ""))
    if encoding is None or encoding.order != GREY:
        return False
    dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    whole = len(message.data) // dtype.itemsize
    values = np.frombuffer(message.data, dtype, count=whole)
    values = values[:: max(1, whole // _SAMPLES)].astype(np.float64)
    values = values[np.isfinite(values)]
    return values.size > 0 and float(np.ptp(values)) <= _UNIFORM[encoding.dtype]


def _is_equal(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.size == other.size
        and np.array_equal(one[::_STRIDE], other[::_STRIDE])
        and np.array_equal(one, other)
    )
