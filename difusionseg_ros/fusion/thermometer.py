"""Temperatures of a frame by the node's parameters, and the alarm for hot spots."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from difusionseg_core.imaging.temperature import TemperatureScale, UnitGuess
from difusionseg_core.objects.object_temperature import hot_spot
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.msg import HotSpot


class Thermometer:
    """Converts thermal counts to degrees Celsius; keeps the guess of `thermal_unit: auto`.

    `raise_alarm` receives a HotSpot message when the alarm of `hot_spot_threshold` starts or ends.
    """

    def __init__(self, raise_alarm: Callable[[HotSpot], None]) -> None:
        self._raise_alarm = raise_alarm
        self._guess = UnitGuess()
        self._spot: HotSpot | None = None
        self._unit = "none"
        self._emissivity = 1.0

    def celsius(self, counts: np.ndarray, settings: Settings) -> np.ndarray | None:
        """Return (H, W) float32 degrees Celsius, or None if the counts have no known meaning."""
        unit = settings.thermal_unit
        if unit == "auto":
            unit = self._guess(counts)
        self._unit, self._emissivity = unit, settings.emissivity
        scale = TemperatureScale(
            unit,
            settings.thermal_scale,
            settings.thermal_offset,
            settings.emissivity,
            settings.reflected_temperature,
        )
        return scale.celsius(counts)

    def watch(self, degrees: np.ndarray | None, settings: Settings, header: Header) -> None:
        """Start or end the alarm by the warmest pixel of (H, W) `degrees`."""
        limit = settings.hot_spot_threshold
        found = hot_spot(degrees) if limit and degrees is not None else None
        active = found is not None and found[0] >= limit
        was_active = self._spot is not None and self._spot.active
        temperature, x, y = found or (float("nan"), 0, 0)
        spot = HotSpot(
            header=header, active=active, threshold=limit, temperature=temperature, x=x, y=y
        )
        if active or was_active:
            self._spot = spot
        if active != was_active:
            self._raise_alarm(spot)

    def status(self, name: str, settings: Settings) -> DiagnosticStatus:
        """Describe the meaning of the counts, and the hot spot."""
        spot = self._spot
        guessed = " (guessed)" if settings.thermal_unit == "auto" else ""
        level, message = DiagnosticStatus.OK, f"thermal counts are {self._unit}{guessed}"
        if self._unit == "none":
            message = "no temperatures: thermal_unit is none, or the counts have no known meaning"
        if spot is not None and spot.active:
            level = DiagnosticStatus.WARN
            message = f"hot spot of {spot.temperature:.1f} C at column {spot.x}, row {spot.y}"
        correction = "not corrected" if self._emissivity == 1 else f"{self._emissivity:g}"
        values = {"unit": self._unit + guessed, "emissivity": correction}
        return DiagnosticStatus(
            level=level,
            name=name,
            message=message,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
