"""From what a thermal camera sends to the 8-bit grey picture that the network was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MODES = ("fixed", "percentile", "minmax")

_PERCENTILES = (1.0, 99.5)
_SAMPLE_STEP = 4  # every 4th row and column is enough for a percentile, and 16 times as fast
_FLATTEST_RANGE = {"u": 16.0, "f": 1e-3}  # counts; below it a frame is taken for flat


@dataclass
class ThermalNormalizer:
    """Maps (H, W) uint8, uint16 or float32 thermal images to (H, W) uint8.

    `mode` says where black and white lie:

    - `fixed`: at `low` and `high`, in the camera's own counts. With 0 and 255, 8-bit images pass
      untouched.
    - `percentile`: at the 1st and 99.5th percentile of the frame, smoothed over time so that one
      hot object entering the picture does not make it flicker. `smoothing` is the weight of the
      past, 0 (none) to below 1.
    - `minmax`: at the frame's own minimum and maximum.

    Not-a-number and infinite pixels of float images become black and do not move the range. A flat
    frame is mapped without amplifying its noise.

    Raises ValueError for another mode, for `high` not above `low`, and for images that are not 2-D
    or of another type.
    """

    mode: str = "percentile"
    low: float = 0.0
    high: float = 255.0
    smoothing: float = 0.9
    _range: tuple[float, float] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(
                f"thermal mode '{self.mode}' is unknown; use one of {', '.join(MODES)}"
            )
        if not self.high > self.low:
            raise ValueError(
                f"thermal range is empty: high ({self.high}) must be above low ({self.low})"
            )
        if not 0.0 <= self.smoothing < 1.0:
            raise ValueError(f"thermal smoothing must be in [0, 1), not {self.smoothing}")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16, np.float32):
            raise ValueError(
                "a thermal image must be (H, W) uint8, uint16 or float32, "
                f"not {image.shape} {image.dtype}"
            )
        low, high = self._black_and_white(image)
        if image.dtype == np.uint8 and (low, high) == (0.0, 255.0):
            return image
        scaled = (image.astype(np.float32) - low) * (255.0 / (high - low))
        if image.dtype == np.float32:
            scaled = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def _black_and_white(self, image: np.ndarray) -> tuple[float, float]:
        if self.mode == "fixed":
            return self.low, self.high
        values = image[::_SAMPLE_STEP, ::_SAMPLE_STEP] if self.mode == "percentile" else image
        values = values[np.isfinite(values)] if image.dtype == np.float32 else values
        if values.size == 0:
            return self._range or (self.low, self.high)
        if self.mode == "minmax":
            return _widened(float(values.min()), float(values.max()), image.dtype)
        low, high = (float(v) for v in np.percentile(values, _PERCENTILES))
        if self._range is not None:
            past = self.smoothing
            low = past * self._range[0] + (1 - past) * low
            high = past * self._range[1] + (1 - past) * high
        self._range = low, high
        return _widened(low, high, image.dtype)


def _widened(low: float, high: float, dtype: np.dtype) -> tuple[float, float]:
    flattest = _FLATTEST_RANGE[np.dtype(dtype).kind]
    if high - low >= flattest:
        return low, high
    middle = (low + high) / 2
    return middle - flattest / 2, middle + flattest / 2


def to_uint8(image: np.ndarray) -> np.ndarray:
    """One picture for itself: 8-bit images as they are, deeper ones by their percentiles."""
    return ThermalNormalizer("fixed" if image.dtype == np.uint8 else "percentile")(image)
