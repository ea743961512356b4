"""The parts of a car: a side profile extruded to the car's width, with windows and wheels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.geometry.parts import (
    UP,
    Face,
    Group,
    Hull,
    Material,
    box,
    disc,
    heading_axes,
    on_quad,
)

CAR = MSRS.class_names.index("car")

PAINT = Material((0.5, 0.5, 0.5), grain=0.03, gloss=0.12, emissivity=0.92)
_GLASS = Material((0.02, 0.025, 0.03), grain=0.05, gloss=0.3, emissivity=0.82)
_RUBBER = Material((0.018, 0.018, 0.02), grain=0.1, grain_size=0.5, emissivity=0.95)
_RIM = Material((0.35, 0.35, 0.36), grain=0.2, grain_size=0.3, gloss=0.1, emissivity=0.6)
_BLACK = Material((0.015, 0.015, 0.015), grain=0.1, emissivity=0.93)
_LENS = Material((0.55, 0.55, 0.55), grain=0.1, gloss=0.2, emissivity=0.85)
_RED_LENS = Material((0.35, 0.01, 0.01), grain=0.1, gloss=0.1, emissivity=0.88)
_PLATE = Material((0.7, 0.7, 0.62), grain=0.2, grain_size=0.3, emissivity=0.9)


@dataclass(frozen=True)
class Shape:
    """A kind of car. The profile goes from the rear bumper over the roof to the front bumper."""

    length: tuple[float, float]  # range in metres
    width: float
    height: tuple[float, float]
    profile: tuple[tuple[float, float], ...]  # (share of the length from the middle, of the height)
    belt: tuple[int, int]  # indices of the profile points behind and in front of the windows
    wheel: float  # radius in metres
    axles: tuple[float, ...]  # positions as shares of the length, from the middle
    windows: int  # on each side


@dataclass(frozen=True)
class Car:
    """Properties of one car."""

    shape: Shape
    length: float
    height: float
    paint: Material
    warmth: float  # 0 (cold engine) .. 1 (after a long drive)
    lights: bool
    braking: bool
    cargo: Material | None  # the box of a truck, which replaces the rear of the body


def car_parts(car: Car, place: np.ndarray, heading: float) -> list[Group]:
    """Return the groups of a car centred above `place` (3,) that faces `heading` [rad]."""
    build = _Builder(car, place, heading)
    return [build.body()] if car.cargo is None else [build.body(), build.cargo(car.cargo)]


class _Builder:
    """Makes the parts of one car at one place."""

    def __init__(self, car: Car, place: np.ndarray, heading: float):
        self.car = car
        self.place = place
        self.heading = heading
        self.forward, self.right = heading_axes(heading)
        self.cab_share = 0.3 if car.cargo is not None else 1.0
        profile = np.array(car.shape.profile)
        self.along = profile[:, 0] * car.length
        self.up = profile[:, 1] * car.height
        if car.cargo is not None:  # of a truck, the profile is only the cab
            self.along = car.length / 2 - (car.length / 2 - self.along) * self.cab_share
        self.half = np.full(len(profile), car.shape.width / 2)
        first, last = car.shape.belt
        # Windows lean inwards above the belt line.
        self.half[first + 1 : last] *= 0.9 if car.height < 1.7 else 0.95
        self.half[[0, -1]] *= 0.96

    def at(self, along: float, up: float, across: float) -> np.ndarray:
        return self.place + self.forward * along + UP * up + self.right * across

    def _side(self, side: int, indices: Iterable[int]) -> np.ndarray:
        return np.array([self.at(self.along[i], self.up[i], side * self.half[i]) for i in indices])

    def _panel(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the quad (4, 3) from profile point i to i + 1, and its outward normal."""
        quad = np.array(
            [
                self.at(self.along[i], self.up[i], -self.half[i]),
                self.at(self.along[i], self.up[i], self.half[i]),
                self.at(self.along[i + 1], self.up[i + 1], self.half[i + 1]),
                self.at(self.along[i + 1], self.up[i + 1], -self.half[i + 1]),
            ]
        )
        run, rise = self.along[i + 1] - self.along[i], self.up[i + 1] - self.up[i]
        return quad, -self.forward * rise + UP * run

    def body(self) -> Group:
        car = self.car
        first, last = car.shape.belt
        count = len(self.along)
        hot = 14 * car.warmth
        paint = car.paint.warmed(car.paint.heat + 3 * car.warmth)
        parts: Group = []
        parts += self._wheels(-1, inner=True) + self._wheels(1, inner=True)
        belly = np.array(
            [
                self.at(a, 0.26, s * car.shape.width * 0.46)
                for a, s in (
                    (self.along[0], -1),
                    (self.along[0], 1),
                    (self.along[-1], 1),
                    (self.along[-1], -1),
                )
            ]
        )
        parts.append(Face(belly, _BLACK.warmed(0.6 * hot), CAR))
        for i in range(count - 1):
            quad, outward = self._panel(i)
            skin = paint
            if i >= last:  # bonnet and front, over the engine
                skin = paint.warmed(hot if i < count - 2 else 0.8 * hot)
            parts.append(Face(quad, skin, CAR, outward))
            parts += self._on_panel(i, quad, outward)
        for side in (-1, 1):
            normal = self.right * side
            lower = [*range(0, first + 1), *range(last, count)]
            upper = range(first, last + 1)
            parts.append(Face(self._side(side, lower), paint, CAR, normal))
            parts.append(Face(self._side(side, upper), paint.shaded(0.9), CAR, normal))
            parts += self._side_windows(side)
            parts += self._doors(side)
            parts += self._wheels(side, inner=False)
        return parts

    def _on_panel(self, i: int, quad: np.ndarray, outward: np.ndarray) -> Group:
        """Return windscreens, lights, grille and plates."""
        car = self.car
        first, last = car.shape.belt
        count = len(self.along)
        hot = 16 * car.warmth

        def face(u0: float, u1: float, v0: float, v1: float, material: Material) -> Face:
            return Face(on_quad(quad, u0, u1, v0, v1), material, CAR, outward)

        glass = _GLASS.warmed(2 * car.warmth)
        if i == first and car.cargo is None:
            return [face(0.07, 0.93, 0.12, 0.9, glass)]
        if i == last - 1:
            return [face(0.05, 0.95, 0.06, 0.95, glass)]
        if i == 0 and car.cargo is None:
            red = _RED_LENS
            if car.lights or car.braking:
                red = red.glowing((1.6, 0.06, 0.04) if car.braking else (0.4, 0.015, 0.01)).warmed(
                    4
                )
            return [
                face(0.0, 1.0, 0.0, 0.3, _BLACK.warmed(1)),
                face(0.02, 0.2, 0.62, 0.97, red),
                face(0.8, 0.98, 0.62, 0.97, red),
                face(0.36, 0.64, 0.45, 0.72, _PLATE),
                face(0.12, 0.2, 0.0, 0.12, _BLACK.warmed(60 * car.warmth)),
            ]
        if i == count - 2:
            lens = _LENS.glowing((5, 4.8, 4.2)).warmed(12) if car.lights else _LENS
            return [
                face(0.0, 1.0, 0.55, 1.0, _BLACK.warmed(0.9 * hot)),
                face(0.25, 0.75, 0.05, 0.5, _BLACK.warmed(hot)),
                face(0.38, 0.62, 0.55, 0.75, _PLATE.warmed(0.3 * hot)),
                face(0.02, 0.22, 0.0, 0.3, lens),
                face(0.78, 0.98, 0.0, 0.3, lens),
            ]
        return []

    def _side_windows(self, side: int) -> Group:
        first, last = self.car.shape.belt
        outline = self._side(side, range(first, last + 1))
        middle = outline.mean(axis=0)
        glass = middle + (outline - middle) * np.array([0.9, 0.78, 0.9]) - UP * 0.01
        normal = self.right * side
        if self.car.cargo is None:
            parts: Group = [Face(glass, _GLASS, CAR, normal)]
        else:
            return [Face(middle + (glass - middle) * 0.85, _GLASS, CAR, normal)]
        low, high = glass[0], glass[-1]
        top = float(outline[:, 1].max()) - 0.03
        inset = self.right * side * (self.half[first + 1] - self.half[first])
        for number in range(1, self.car.shape.windows):
            share = number / self.car.shape.windows
            foot = low + (high - low) * share
            head = foot + inset
            head[1] = top
            pillar = self.forward * 0.04
            parts.append(
                Face(
                    np.array([foot - pillar, foot + pillar, head + pillar, head - pillar]),
                    _BLACK,
                    CAR,
                    normal,
                )
            )
        return parts

    def _doors(self, side: int) -> Group:
        """Return the seams of the doors, a dark sill and a mirror."""
        car, normal = self.car, self.right * side
        first, last = car.shape.belt
        out = side * (car.shape.width / 2 + 0.005)
        low, high = 0.2 * car.height, min(self.up[first], self.up[last])
        start, end = self.along[0], self.along[-1]
        seam = car.paint.shaded(0.35)
        parts: Group = []
        for share in (0.36, 0.52, 0.66):
            x = start + share * (end - start)
            parts.append(
                Face(
                    np.array(
                        [
                            self.at(x, low, out),
                            self.at(x + 0.02, low, out),
                            self.at(x + 0.02, high, out),
                            self.at(x, high, out),
                        ]
                    ),
                    seam,
                    CAR,
                    normal,
                )
            )
        sill = np.array(
            [
                self.at(start, 0.16 * car.height, out),
                self.at(end, 0.16 * car.height, out),
                self.at(end, 0.21 * car.height, out),
                self.at(start, 0.21 * car.height, out),
            ]
        )
        parts.append(Face(sill, _BLACK, CAR, normal))
        mirror = self.at(
            self.along[last] - 0.15, self.up[last] + 0.08, side * (car.shape.width / 2 + 0.1)
        )
        parts.append(
            Hull(
                np.array([mirror, mirror + self.right * side * 0.08]),
                np.array([0.07, 0.07]),
                car.paint.shaded(0.8),
                CAR,
            )
        )
        return parts

    def _wheels(self, side: int, inner: bool) -> Group:
        car = self.car
        radius = car.shape.wheel
        out = side * (car.shape.width / 2 + (0.012 if not inner else -0.2))
        normal = self.right * side
        rubber = _RUBBER.warmed(3 + 12 * car.warmth)
        parts: Group = []
        for axle in car.shape.axles:
            along = axle * car.length
            centre = self.at(along, radius, out)
            if inner:
                parts.append(Face(disc(centre, radius, self.forward, UP), rubber, CAR))
                continue
            if along > self.along[0]:
                arch = disc(centre + UP * 0.03, radius * 1.13, self.forward, UP)
                arch[:, 1] = np.maximum(arch[:, 1], 0.17 * car.height)
                parts.append(Face(arch, _BLACK.warmed(4 * car.warmth), CAR, normal))
            parts.append(Face(disc(centre, radius, self.forward, UP), rubber, CAR, normal))
            rim = disc(centre, radius * 0.62, self.forward, UP)
            parts.append(Face(rim, _RIM.warmed(6 * car.warmth), CAR, normal))
            hub = disc(centre, radius * 0.2, self.forward, UP, 8)
            parts.append(Face(hub, _RIM.shaded(0.4).warmed(10 * car.warmth), CAR, normal))
        return parts

    def cargo(self, paint: Material) -> Group:
        car = self.car
        length = car.length * (1 - self.cab_share) - 0.15
        middle = self.at(-car.length / 2 + length / 2, 0.85, 0)
        parts = self._wheels(-1, inner=True) + self._wheels(1, inner=True)
        parts += box(
            middle - UP * 0.3,
            (length, 0.35, car.shape.width * 0.8),
            self.heading,
            _BLACK.warmed(4 * car.warmth),
            CAR,
        )
        for side in (-1, 1):
            parts += self._wheels(side, inner=False)
        height = car.height * 1.25 - 0.85
        parts += box(middle, (length, height, car.shape.width * 1.04), self.heading, paint, CAR)
        tail = self.at(-car.length / 2 - 0.01, 0.6, 0)
        for side in (-1, 1):
            corner = tail + self.right * side * car.shape.width * 0.4
            quad = np.array(
                [
                    corner - self.right * 0.1,
                    corner + self.right * 0.1,
                    corner + self.right * 0.1 + UP * 0.15,
                    corner - self.right * 0.1 + UP * 0.15,
                ]
            )
            red = _RED_LENS.glowing((0.4, 0.015, 0.01)) if car.lights else _RED_LENS
            parts.append(Face(quad, red, CAR, -self.forward))
        return parts
