"""Temperatures in degrees Celsius from the counts of radiometric thermal cameras.

Scales: FLIR's TLinear (Lepton, Boson, A series) sends kelvin in steps of 0.01 or 0.1; Optris sends
(t + 100) * 10 for t in degrees Celsius; 32FC1 images hold degrees Celsius or kelvin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNITS = (
    "none",
    "auto",
    "celsius",
    "kelvin",
    "centikelvin",
    "decikelvin",
    "optris",
    "linear",
)
"""Meanings of thermal counts; `linear` is scale * counts + offset."""

ZERO_CELSIUS = 273.15  # [K]

# unit: (scale, offset) from counts to degrees Celsius
_LINEAR = {
    "celsius": (1.0, 0.0),
    "kelvin": (1.0, -ZERO_CELSIUS),
    "centikelvin": (0.01, -ZERO_CELSIUS),
    "decikelvin": (0.1, -ZERO_CELSIUS),
    "optris": (0.1, -100.0),
}
_GUESS_AGAIN = 30  # frames after which counts without a known meaning are looked at again
# Scenes outdoors and indoors: the median of the image lies within these degrees Celsius. The
# ranges of the scales then do not overlap: Optris 600 to 1800, 0.1 K 2331 to 3531, 0.01 K 23315 to
# 35315.
_SCENE = (-40.0, 80.0)
_COLDEST, _HOTTEST = -80.0, 600.0  # of 98 % of the pixels; images with automatic gain exceed this
_GUESSED = {"f": ("kelvin", "celsius"), "u": ("centikelvin", "decikelvin", "optris")}


@dataclass(frozen=True)
class TemperatureScale:
    """How counts become degrees Celsius.

    `unit` is one of UNITS; `scale` and `offset` belong to "linear". `emissivity` (0 to 1) of the
    surfaces and `reflected` [degrees Celsius], the temperature that they reflect, correct the
    result; emissivity 1 corrects nothing. Raises ValueError for values out of range.
    """

    unit: str = "none"
    scale: float = 1.0
    offset: float = 0.0
    emissivity: float = 1.0
    reflected: float = 20.0

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(
                f"thermal_unit '{self.unit}' is unknown; use one of {', '.join(UNITS)}"
            )
        if not 0 < self.emissivity <= 1:
            raise ValueError(f"emissivity is {self.emissivity:g}; it must be above 0, up to 1")
        if self.unit == "linear" and not self.scale:
            raise ValueError("thermal_scale is 0; every temperature would be the same")

    def celsius(self, counts: np.ndarray) -> np.ndarray | None:
        """Return (H, W) float32 degrees Celsius, or None if the counts have no known meaning.

        `counts` (H, W) are those of the camera, of any real type. NaN and infinite counts stay NaN.
        """
        unit = guess_unit(counts) if self.unit == "auto" else self.unit
        if unit == "none":
            return None
        scale, offset = (self.scale, self.offset) if unit == "linear" else _LINEAR[unit]
        degrees = counts.astype(np.float32) * np.float32(scale) + np.float32(offset)
        degrees[~np.isfinite(degrees)] = np.nan
        return degrees if self.emissivity == 1 else self._corrected(degrees)

    def _corrected(self, degrees: np.ndarray) -> np.ndarray:
        """Remove the reflected radiation of the surfaces (Stefan-Boltzmann law)."""
        seen = (degrees + ZERO_CELSIUS).clip(min=0) ** 4
        reflected = (1 - self.emissivity) * (self.reflected + ZERO_CELSIUS) ** 4
        own = ((seen - reflected) / self.emissivity).clip(min=0)
        return (own**0.25 - ZERO_CELSIUS).astype(np.float32)


class UnitGuess:
    """The unit of a camera's counts by `guess_unit`, kept from frame to frame once it is known."""

    def __init__(self) -> None:
        self._guess = "none"
        self._guessed_for: np.dtype | None = None
        self._frames = 0

    def __call__(self, counts: np.ndarray) -> str:
        """Return one of UNITS for (H, W) counts of the next frame."""
        retry = self._guess == "none" and self._frames % _GUESS_AGAIN == 0
        if self._guessed_for != counts.dtype or retry:
            self._guess, self._guessed_for = guess_unit(counts), counts.dtype
            self._frames = 0
        self._frames += 1
        return self._guess


def guess_unit(counts: np.ndarray) -> str:
    """Guess the unit from type and median of the counts; "none" if none fits.

    8-bit images are grey levels without a fixed temperature, and raw counts of a camera without
    radiometric output have none either: "none" for most of them, but a guess can be wrong, so it is
    reported wherever it is used.
    """
    candidates = _GUESSED.get("u" if counts.dtype.kind in "iu" else counts.dtype.kind, ())
    if counts.dtype.itemsize == 1 or not counts.size:
        return "none"
    values = counts if counts.dtype.kind in "iu" else counts[np.isfinite(counts)]
    if not values.size:
        return "none"
    coldest, middle, hottest = np.percentile(values, (1, 50, 99))
    for unit in candidates:
        scale, offset = _LINEAR[unit]
        low, usual, high = (scale * float(value) + offset for value in (coldest, middle, hottest))
        if _SCENE[0] <= usual <= _SCENE[1] and low >= _COLDEST and high <= _HOTTEST:
            return unit
    return "none"
