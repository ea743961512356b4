"""Temperatures of a frame by the node's parameters, and the alarm for hot spots."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from difusionseg_core.imaging.thermal.temperature import TemperatureScale, UnitGuess
from difusionseg_core.objects.object_temperature import hot_spot
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.msg import HotSpot

_PLAUSIBLE = -100.0, 1500.0  # median of a scene [degrees Celsius]
_SAMPLED = 8  # every such row and column is enough for a median


class Thermometer:
    """Converts thermal counts to degrees Celsius; keeps the guess of `thermal_unit: auto`.

    `raise_alarm` receives a HotSpot message when the alarm of `hot_spot_threshold` starts or ends.
    """

    def __init__(self, raise_alarm: Callable[[HotSpot], None]) -> None:
        self._raise_alarm = raise_alarm
        self._guess = UnitGuess()
        self._spot: HotSpot | None = None
        self._unit: str | None = None  # nobody has asked for temperatures yet
        self._median = 0.0
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
        degrees = scale.celsius(counts)
        if degrees is not None:
            sample = degrees[::_SAMPLED, ::_SAMPLED]
            sample = sample[np.isfinite(sample)]
            if sample.size:
                self._median = float(np.median(sample))
        return degrees

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
        if self._unit is None:
            message = "not measured: no topic with temperatures has a subscriber"
            if settings.hot_spot_threshold:
                message = "not measured yet: no thermal image with counts has arrived"
        elif self._unit == "none":
            message = "no temperatures: thermal_unit is none, or the counts have no known meaning"
            if settings.hot_spot_threshold:
                level = DiagnosticStatus.WARN
                message += ", so the alarm of hot_spot_threshold cannot start: set thermal_unit"
        elif not _PLAUSIBLE[0] <= self._median <= _PLAUSIBLE[1]:
            level = DiagnosticStatus.WARN
            message = (
                f"thermal_unit {self._unit} gives a median of {self._median:.0f} C: set the unit "
                "that the camera sends"
            )
        if spot is not None and spot.active:
            level = DiagnosticStatus.WARN
            message = f"hot spot of {spot.temperature:.1f} C at column {spot.x}, row {spot.y}"
        correction = "not corrected" if self._emissivity == 1 else f"{self._emissivity:g}"
        values = {"unit": (self._unit or "unknown") + guessed, "emissivity": correction}
        return DiagnosticStatus(
            level=level,
            name=name,
            message=message,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
