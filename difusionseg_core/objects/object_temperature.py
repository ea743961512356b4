"""Temperatures of objects: mean, maximum and its place, over the object's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObjectTemperature:
    """Temperatures [degrees Celsius] of `pixels` pixels; the maximum is at column x, row y.

    NaN, and -1 for the place, if no pixel has a temperature.
    """

    pixels: int
    mean: float
    maximum: float
    x: int
    y: int


def object_temperatures(
    instances: np.ndarray, degrees: np.ndarray, count: int
) -> list[ObjectTemperature]:
    """Return the temperature of each of the `count` objects of an `instances.instance_map`.

    `degrees` (H, W) float32 [degrees Celsius] shows the view of the map; NaN pixels are left out.
    """
    known = np.flatnonzero((instances.ravel() > 0) & np.isfinite(degrees.ravel()))
    owner, values = instances.ravel()[known], degrees.ravel()[known]
    pixels = np.bincount(owner, minlength=count + 1)
    sums = np.bincount(owner, values, count + 1)
    order = np.argsort(values, kind="stable")
    hottest = np.full(count + 1, -1, np.int64)
    hottest[owner[order]] = known[order]  # the last of each owner stays: its warmest pixel
    results = []
    for number in range(1, count + 1):
        if not pixels[number]:
            results.append(ObjectTemperature(0, np.nan, np.nan, -1, -1))
            continue
        y, x = divmod(int(hottest[number]), instances.shape[1])
        mean = float(sums[number] / pixels[number])
        results.append(ObjectTemperature(int(pixels[number]), mean, float(degrees[y, x]), x, y))
    return results


def hot_spot(degrees: np.ndarray) -> tuple[float, int, int] | None:
    """Return (maximum [degrees Celsius], column, row) of an image; None if it is all NaN."""
    if not np.isfinite(degrees).any():
        return None
    y, x = divmod(int(np.nanargmax(degrees)), degrees.shape[1])
    return float(degrees[y, x]), x, y
