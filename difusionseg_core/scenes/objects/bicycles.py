"""Bicycles, parked or ridden."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.geometry.parts import (
    UP,
    Cover,
    Group,
    Hull,
    Material,
    Tube,
    box,
    disc,
    heading_axes,
)
from difusionseg_core.scenes.objects.appearance import Appearance
from difusionseg_core.scenes.objects.people import rider
from difusionseg_core.scenes.rendering.lighting import Lamp

BIKE = MSRS.class_names.index("bike")
_WHEEL = 0.33  # metres, radius
_HALF_BASE = 0.53  # metres, half the distance of the axles

_RUBBER = Material((0.02, 0.02, 0.02), grain=0.1, emissivity=0.95)
_METAL = Material((0.28, 0.28, 0.29), grain=0.1, gloss=0.15, emissivity=0.9)
_PAINTS = (
    (0.4, 0.4, 0.42),
    (0.02, 0.02, 0.02),
    (0.3, 0.02, 0.02),
    (0.02, 0.06, 0.25),
    (0.55, 0.55, 0.5),
    (0.05, 0.2, 0.1),
    (0.3, 0.25, 0.05),
)


@dataclass(frozen=True)
class Bicycle:
    """A bicycle, with a rider or parked; `start` is the ground below its centre."""

    start: np.ndarray  # (3,) at time 0
    heading: float  # radians
    lean: float  # radians, positive to the right, on its stand
    speed: float  # m/s
    frame: Material
    basket: bool
    wear: Appearance | None  # the rider
    light: bool

    radius = 0.9

    def place(self, time: float) -> np.ndarray:
        """Return the ground below it (3,) at `time` [s]."""
        return self.start + heading_axes(self.heading)[0] * self.speed * time

    def lamps(self, time: float) -> list[Lamp]:
        """Return the front lamp if it is on."""
        if not self.light:
            return []
        forward = heading_axes(self.heading)[0]
        return [
            Lamp(
                self.place(time) + forward * 0.8 + UP * 0.8,
                np.array([2.5, 2.4, 2.2]),
                forward * 0.96 - UP * 0.28,
            )
        ]

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        """Return bicycle and rider at `time` [s], as seen from `eye` (3,)."""
        here = self.place(time)
        forward, right = heading_axes(self.heading)
        tilted = UP * np.cos(self.lean) + right * np.sin(self.lean)

        def at(along: float, up: float, across: float = 0.0) -> np.ndarray:
            return here + forward * along + tilted * up + right * across

        crank = 2 * np.pi * self.speed * time / 4.5  # one turn of the pedals goes about 4.5 m
        pedals = np.array(
            [
                at(
                    -0.05 + side * 0.16 * np.cos(crank),
                    0.28 + side * 0.16 * np.sin(crank),
                    side * 0.12,
                )
                for side in (-1, 1)
            ]
        )
        grips = np.array([at(0.28, 1.0, side * 0.26) for side in (-1, 1)])
        machine = self._machine(at, grips, pedals, forward, tilted)
        if self.wear is None:
            return [machine]
        return [machine, *rider(self.wear, at(-0.2, 0.92), grips, pedals, self.heading, eye)]

    def _machine(
        self,
        at: Callable[..., np.ndarray],
        grips: np.ndarray,
        pedals: np.ndarray,
        forward: np.ndarray,
        tilted: np.ndarray,
    ) -> Group:
        head, seat, crank = at(0.36, 0.9), at(-0.22, 0.92), at(-0.05, 0.28)
        front, rear = at(_HALF_BASE, _WHEEL), at(-_HALF_BASE, _WHEEL)
        rims = [disc(axle, _WHEEL, forward, tilted, 18) for axle in (front, rear)]
        parts: Group = [Cover(rim, BIKE) for rim in rims]
        parts.append(Cover(np.array([head, seat, rear, crank]), BIKE))
        for axle, rim in zip((front, rear), rims, strict=True):
            parts.append(Tube(rim, 0.045, _RUBBER, BIKE, closed=True))
            parts.append(Tube(axle + (rim - axle) * 0.92, 0.02, _METAL, BIKE, closed=True))
            for spoke in range(3):
                parts.append(
                    Tube(
                        np.array([rim[spoke * 3], rim[spoke * 3 + 9]]),
                        0.006,
                        _METAL.shaded(0.7),
                        BIKE,
                    )
                )
        frame = self.frame
        for a, b, width in (
            (front, head, 0.035),
            (head, crank, 0.04),
            (crank, seat, 0.035),
            (seat, rear, 0.025),
            (rear, crank, 0.03),
            (at(0.33, 0.8), at(-0.17, 0.72), 0.035),
        ):
            parts.append(Tube(np.array([a, b]), width, frame, BIKE))
        guards = np.linspace(0.3, np.pi - 0.4, 7)
        for axle in (front, rear):
            curve = axle + (_WHEEL + 0.03) * (
                np.cos(guards)[:, None] * forward + np.sin(guards)[:, None] * tilted
            )
            parts.append(Tube(curve, 0.04, _METAL.shaded(0.8), BIKE))
        parts.append(Tube(np.array([head, at(0.33, 1.03)]), 0.03, _METAL, BIKE))
        parts.append(Tube(np.array([grips[0], at(0.34, 1.03), grips[1]]), 0.03, _METAL, BIKE))
        parts.append(
            Hull(
                np.array(
                    [seat + tilted * 0.04 - forward * 0.08, seat + tilted * 0.04 + forward * 0.12]
                ),
                np.array([0.055, 0.03]),
                _RUBBER,
                BIKE,
            )
        )
        parts.append(Tube(pedals, 0.03, _METAL.shaded(0.5), BIKE))
        for pedal in pedals:
            parts.append(
                Hull(np.array([pedal, pedal + forward * 0.06]), np.full(2, 0.025), _RUBBER, BIKE)
            )
        if self.basket:
            wire = _METAL.shaded(0.5)
            parts += box(at(0.52, 0.78), (0.28, 0.22, 0.32), self.heading, wire, BIKE)
        if self.light:
            lamp = _METAL.glowing((3.0, 2.9, 2.6)).warmed(5)
            parts.append(Hull(at(0.62, 0.74)[None], np.array([0.05]), lamp, BIKE))
        elif self.speed == 0:
            plate = at(-_HALF_BASE - 0.28, 0.55)
            parts.append(
                Hull(
                    plate[None],
                    np.array([0.03]),
                    Material((0.4, 0.02, 0.02), emission=(0.01, 0, 0)),
                    BIKE,
                )
            )
        return parts


def random_bicycle(
    rng: np.random.Generator,
    start: np.ndarray,
    heading: float,
    speed: float,
    wear: Appearance | None,
    night: bool,
) -> Bicycle:
    """Make a random bicycle, with a rider or parked on its stand."""
    paint = _METAL.painted(_PAINTS[rng.integers(len(_PAINTS))])
    return Bicycle(
        start=np.asarray(start, float),
        heading=heading,
        speed=speed,
        frame=paint,
        lean=0.0 if wear else float(rng.normal(0, 0.1)),
        basket=rng.random() < 0.6,
        wear=wear,
        light=night and wear is not None and rng.random() < 0.7,
    )
