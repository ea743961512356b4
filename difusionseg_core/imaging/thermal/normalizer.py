"""Convert thermal counts to the 8-bit grey images on which the network was trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.imaging.thermal.palettes import thermal_grey

MODES = ("fixed", "percentile", "minmax")
DTYPES = ("uint8", "uint16", "int16", "int32", "float32", "float64")

_PERCENTILES = (1.0, 99.5)
_SAMPLES = 10_000  # pixels that are enough for a percentile, at a tenth of the time of all
# Counts; a frame of less range counts as flat.
_FLATTEST_RANGE = {"u": 16.0, "i": 16.0, "f": 1e-3}
_LEAST_OVERLAP = 1 / 16  # of a frame's range with those before it; below it the gain was changed


@dataclass
class ThermalNormalizer:
    """Maps (H, W) thermal images of one of DTYPES to (H, W) uint8.

    `mode` decides which counts become black and white:

    - `fixed`: `low` and `high`, in the camera's own counts. With 0 and 255, 8-bit images are
      unchanged.
    - `percentile`: the 1st and 99.5th percentile of the frame, smoothed over time so that one
      hot object entering the image does not make it flicker. `smoothing` is the weight of the
      past, 0 (none) to below 1. A frame of another type, or of a very different range because
      the camera changed its gain, starts from scratch.
    - `minmax`: the frame's own minimum and maximum.

    `invert` exchanges black and white afterwards, for cameras that show hot as black.

    Not-a-number and infinite pixels of float images become black and do not move the range. A flat
    frame, such as a closed shutter gives, is mapped without amplifying its noise and does not move
    the range either.

    Raises ValueError for another mode, for `high` not above `low`, and for images that are not 2-D
    or of another type.
    """

    mode: str = "percentile"
    low: float = 0.0
    high: float = 255.0
    smoothing: float = 0.9
    invert: bool = False
    _range: tuple[float, float] | None = field(default=None, init=False, repr=False)
    _dtype: np.dtype | None = field(default=None, init=False, repr=False)

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
        """Convert to (H, W) uint8; the frame influences the range of later ones."""
        if image.ndim != 2 or image.dtype.name not in DTYPES:
            raise ValueError(
                f"a thermal image must be (H, W) and one of {', '.join(DTYPES)}, "
                f"not {image.shape} {image.dtype}"
            )
        low, high = self._black_and_white(image)
        if image.dtype == np.uint8 and (low, high) == (0.0, 255.0):
            return 255 - image if self.invert else image
        # float32 holds 24 bits.
        precision: type[np.floating] = (
            np.float64 if image.dtype in (np.int32, np.float64) else np.float32
        )
        scaled = (image.astype(precision) - low) * (255.0 / (high - low))
        if self.invert:
            scaled = np.subtract(255.0, scaled)
        if image.dtype.kind == "f":
            scaled[~np.isfinite(image)] = 0.0
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def _black_and_white(self, image: np.ndarray) -> tuple[float, float]:
        if self.mode == "fixed":
            return self.low, self.high
        if self.mode == "percentile":
            if image.dtype != self._dtype:
                self._dtype, self._range = image.dtype, None
            step = max(1, math.isqrt(image.size // _SAMPLES))
            image = image[::step, ::step]
        values = image[np.isfinite(image)] if image.dtype.kind == "f" else image
        if values.size == 0:
            return self._range or (self.low, self.high)
        if self.mode == "minmax":
            return _widened(float(values.min()), float(values.max()), image.dtype)
        low, high = np.percentile(values, _PERCENTILES).tolist()
        return self._smoothed(low, high, image.dtype)

    def _smoothed(self, low: float, high: float, dtype: np.dtype) -> tuple[float, float]:
        """Return a frame's range, smoothed with the ranges before it; the frame joins them."""
        if _is_flat(low, high, dtype):
            return self._range or _widened(low, high, dtype)
        if self._range is None or _overlap((low, high), self._range) < _LEAST_OVERLAP:
            self._range = low, high
        else:
            past = self.smoothing
            self._range = (
                past * self._range[0] + (1 - past) * low,
                past * self._range[1] + (1 - past) * high,
            )
        return self._range


def _is_flat(low: float, high: float, dtype: np.dtype) -> bool:
    return high - low < _FLATTEST_RANGE[np.dtype(dtype).kind]


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the intersection over union of two intervals, 0 to 1."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(shared, 0.0) / (max(one[1], other[1]) - min(one[0], other[0]))


def _widened(low: float, high: float, dtype: np.dtype) -> tuple[float, float]:
    if not _is_flat(low, high, dtype):
        return low, high
    middle, flattest = (low + high) / 2, _FLATTEST_RANGE[np.dtype(dtype).kind]
    return middle - flattest / 2, middle + flattest / 2


def to_uint8(image: np.ndarray, palette: str = "auto") -> np.ndarray:
    """Convert one thermal image, (H, W) of one of DTYPES or (H, W, 3) RGB, to (H, W) uint8.

    8-bit images are unchanged, deeper ones are scaled by their percentiles, pseudo-colours
    become the ramp of their palette (see `palettes.thermal_grey`).
    """
    grey = image if image.ndim == 2 else thermal_grey(image, palette)
    return ThermalNormalizer("fixed" if grey.dtype == np.uint8 else "percentile")(grey)
