"""Cars, vans, buses and trucks: a side profile pulled out to the width of the car."""

from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.lighting import Lamp
from difusionseg_core.scenes.parts import (
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
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Shape:
    """A kind of car. The profile runs from the rear bumper over the roof to the front bumper."""

    length: tuple[float, float]  # metres, range
    width: float
    height: tuple[float, float]
    profile: tuple[tuple[float, float], ...]  # (share of length from the middle, of height)
    belt: tuple[int, int]  # profile points where the windows begin behind and end in front
    wheel: float  # radius in metres
    axles: tuple[float, ...]  # shares of length
    windows: int  # side windows


# fmt: off
SHAPES = (
    Shape((4.3, 4.8), 1.78, (1.40, 1.50), (
        (-.5, .17), (-.5, .58), (-.47, .69), (-.33, .71), (-.18, .96), (.0, 1.0), (.08, .98),
        (.24, .69), (.45, .57), (.5, .45), (.5, .16)), (3, 7), 0.32, (-.29, .31), 2),
    Shape((3.6, 4.2), 1.70, (1.45, 1.58), (
        (-.5, .17), (-.5, .5), (-.48, .66), (-.42, .93), (-.34, 1.0), (.05, 1.0), (.12, .97),
        (.27, .66), (.46, .56), (.5, .42), (.5, .16)), (2, 7), 0.31, (-.32, .33), 2),
    Shape((4.3, 4.9), 1.80, (1.65, 1.95), (
        (-.5, .15), (-.5, .45), (-.49, .60), (-.46, .96), (-.42, 1.0), (.16, 1.0), (.22, .97),
        (.38, .60), (.48, .50), (.5, .36), (.5, .14)), (2, 7), 0.33, (-.31, .33), 3),
    Shape((3.3, 3.5), 1.48, (1.75, 1.95), (
        (-.5, .16), (-.5, .45), (-.495, .56), (-.48, .97), (-.45, 1.0), (.28, 1.0), (.33, .97),
        (.44, .56), (.49, .45), (.5, .32), (.5, .14)), (2, 7), 0.27, (-.32, .36), 2),
    Shape((4.5, 5.2), 1.85, (1.60, 1.75), (
        (-.5, .2), (-.5, .5), (-.48, .64), (-.43, .92), (-.36, 1.0), (.05, 1.0), (.11, .97),
        (.25, .66), (.44, .60), (.5, .50), (.5, .2)), (2, 7), 0.37, (-.3, .32), 3),
    Shape((8.5, 11.0), 2.40, (2.9, 3.1), (
        (-.5, .12), (-.5, .35), (-.5, .45), (-.49, .95), (-.48, 1.0), (.46, 1.0), (.48, .97),
        (.5, .42), (.5, .38), (.5, .3), (.5, .1)), (2, 7), 0.48, (-.28, .32), 7),
)
# fmt: on
BUS = len(SHAPES) - 1
_PAINTS = (
    (0.75, 0.75, 0.76),
    (0.75, 0.75, 0.76),
    (0.6, 0.6, 0.58),
    (0.35, 0.36, 0.38),
    (0.35, 0.36, 0.38),
    (0.02, 0.02, 0.025),
    (0.02, 0.02, 0.025),
    (0.12, 0.13, 0.15),
    (0.35, 0.02, 0.02),
    (0.02, 0.05, 0.2),
    (0.04, 0.12, 0.3),
    (0.3, 0.27, 0.2),
    (0.05, 0.15, 0.1),
    (0.5, 0.35, 0.02),
)

_PAINT = Material((0.5, 0.5, 0.5), grain=0.03, gloss=0.12, emissivity=0.92)
_GLASS = Material((0.02, 0.025, 0.03), grain=0.05, gloss=0.3, emissivity=0.82)
_RUBBER = Material((0.018, 0.018, 0.02), grain=0.1, grain_size=0.5, emissivity=0.95)
_RIM = Material((0.35, 0.35, 0.36), grain=0.2, grain_size=0.3, gloss=0.1, emissivity=0.6)
_BLACK = Material((0.015, 0.015, 0.015), grain=0.1, emissivity=0.93)
_LENS = Material((0.55, 0.55, 0.55), grain=0.1, gloss=0.2, emissivity=0.85)
_RED_LENS = Material((0.35, 0.01, 0.01), grain=0.1, gloss=0.1, emissivity=0.88)
_PLATE = Material((0.7, 0.7, 0.62), grain=0.2, grain_size=0.3, emissivity=0.9)


@dataclass(frozen=True)
class Vehicle:
    """A car; `start` is the ground below its middle at time 0."""

    shape: Shape
    length: float
    height: float
    start: np.ndarray  # (3,)
    heading: float  # radians
    speed: float  # m/s
    paint: Material
    warmth: float  # 0 parked for hours .. 1 driven far
    lights: bool
    braking: bool
    cargo: Material | None  # the box of a truck, which replaces the rear of the body

    @property
    def radius(self) -> float:
        return self.length / 2 + 0.3

    def place(self, time: float) -> np.ndarray:
        return self.start + heading_axes(self.heading)[0] * self.speed * time

    def footprint(self, time: float) -> np.ndarray:
        """Corners (4, 3) of the ground that it covers."""
        forward, right = heading_axes(self.heading)
        a, b = forward * self.length * 0.5, right * self.shape.width * 0.52
        return self.place(time) + np.array([a + b, a - b, -a - b, -a + b])

    def lamps(self, time: float) -> list[Lamp]:
        if not self.lights:
            return []
        forward = heading_axes(self.heading)[0]
        nose = self.place(time) + forward * (self.length / 2 + 0.3) + _UP * 0.65
        beam = forward * 0.997 - _UP * 0.08
        return [Lamp(nose, np.array([2.4, 2.3, 2.0]) * 4, beam)]

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        build = _Builder(self, self.place(time))
        if self.cargo is None:
            return [build.body()]
        return [build.body(), build.cargo()]


class _Builder:
    """Makes the parts of one vehicle at one place."""

    def __init__(self, car: Vehicle, place: np.ndarray):
        self.car = car
        self.place = place
        self.forward, self.right = heading_axes(car.heading)
        self.cab_share = 0.3 if car.cargo is not None else 1.0
        profile = np.array(car.shape.profile)
        self.along = profile[:, 0] * car.length
        self.up = profile[:, 1] * car.height
        if car.cargo is not None:  # only the front of the profile: the cab
            self.along = car.length / 2 - (car.length / 2 - self.along) * self.cab_share
        self.half = np.full(len(profile), car.shape.width / 2)
        first, last = car.shape.belt
        # Windows lean inwards above the belt line.
        self.half[first + 1 : last] *= 0.9 if car.height < 1.7 else 0.95
        self.half[[0, -1]] *= 0.96

    def at(self, along, up, across) -> np.ndarray:
        return self.place + self.forward * along + _UP * up + self.right * across

    def _side(self, side: int, indices) -> np.ndarray:
        return np.array([self.at(self.along[i], self.up[i], side * self.half[i]) for i in indices])

    def _panel(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Quad (4, 3) from profile point i to i + 1, and its outward normal."""
        quad = np.array(
            [
                self.at(self.along[i], self.up[i], -self.half[i]),
                self.at(self.along[i], self.up[i], self.half[i]),
                self.at(self.along[i + 1], self.up[i + 1], self.half[i + 1]),
                self.at(self.along[i + 1], self.up[i + 1], -self.half[i + 1]),
            ]
        )
        run, rise = self.along[i + 1] - self.along[i], self.up[i + 1] - self.up[i]
        return quad, -self.forward * rise + _UP * run

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
        """Windscreens, lights, grille and plates."""
        car = self.car
        first, last = car.shape.belt
        count = len(self.along)
        hot = 16 * car.warmth

        def face(u0, u1, v0, v1, material) -> Face:
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
        glass = middle + (outline - middle) * np.array([0.9, 0.78, 0.9]) - _UP * 0.01
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
        """Seams of the doors, a dark sill, and a mirror."""
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
                parts.append(Face(disc(centre, radius, self.forward, _UP), rubber, CAR))
                continue
            if along > self.along[0]:
                arch = disc(centre + _UP * 0.03, radius * 1.13, self.forward, _UP)
                arch[:, 1] = np.maximum(arch[:, 1], 0.17 * car.height)
                parts.append(Face(arch, _BLACK.warmed(4 * car.warmth), CAR, normal))
            parts.append(Face(disc(centre, radius, self.forward, _UP), rubber, CAR, normal))
            rim = disc(centre, radius * 0.62, self.forward, _UP)
            parts.append(Face(rim, _RIM.warmed(6 * car.warmth), CAR, normal))
            hub = disc(centre, radius * 0.2, self.forward, _UP, 8)
            parts.append(Face(hub, _RIM.shaded(0.4).warmed(10 * car.warmth), CAR, normal))
        return parts

    def cargo(self) -> Group:
        car = self.car
        length = car.length * (1 - self.cab_share) - 0.15
        middle = self.at(-car.length / 2 + length / 2, 0.85, 0)
        parts = self._wheels(-1, inner=True) + self._wheels(1, inner=True)
        parts += box(
            middle - _UP * 0.3,
            (length, 0.35, car.shape.width * 0.8),
            car.heading,
            _BLACK.warmed(4 * car.warmth),
            CAR,
        )
        for side in (-1, 1):
            parts += [p for p in self._wheels(side, inner=False)]
        height = car.height * 1.25 - 0.85
        parts += box(middle, (length, height, car.shape.width * 1.04), car.heading, car.cargo, CAR)
        tail = self.at(-car.length / 2 - 0.01, 0.6, 0)
        for side in (-1, 1):
            corner = tail + self.right * side * car.shape.width * 0.4
            quad = np.array(
                [
                    corner - self.right * 0.1,
                    corner + self.right * 0.1,
                    corner + self.right * 0.1 + _UP * 0.15,
                    corner - self.right * 0.1 + _UP * 0.15,
                ]
            )
            red = _RED_LENS.glowing((0.4, 0.015, 0.01)) if car.lights else _RED_LENS
            parts.append(Face(quad, red, CAR, -self.forward))
        return parts


def draw_vehicle(
    rng: np.random.Generator, start: np.ndarray, heading: float, speed: float, night: bool
) -> Vehicle:
    """Choose a car; a moving one is warm and, when it is dark, has its lights on."""
    kind = BUS if rng.random() < 0.06 else int(rng.integers(BUS))
    truck = kind != BUS and rng.random() < 0.12
    shape = SHAPES[3] if truck else SHAPES[kind]
    length, height = rng.uniform(*shape.length), rng.uniform(*shape.height)
    cargo = None
    if truck:
        length, height = rng.uniform(4.7, 6.5), rng.uniform(1.9, 2.2)
        cargo = _PAINT.painted(tuple(rng.uniform(0.3, 0.8) * rng.uniform(0.85, 1.1, 3)))
        shape = Shape(
            shape.length,
            rng.uniform(1.7, 2.1),
            shape.height,
            shape.profile,
            shape.belt,
            0.36,
            (-0.28, 0.36),
            1,
        )
    moving = speed > 0
    running = moving or rng.random() < 0.15
    colour = np.array(_PAINTS[rng.integers(len(_PAINTS))]) * rng.uniform(0.8, 1.2)
    return Vehicle(
        shape=shape,
        length=length,
        height=height,
        start=np.asarray(start, float),
        heading=heading,
        speed=speed,
        paint=_PAINT.painted(tuple(np.clip(colour, 0, 0.85))).warmed(rng.uniform(-1, 3)),
        warmth=float(rng.uniform(0.5, 1.0)) if running else float(rng.choice([0, 0.1, 0.3, 0.5])),
        lights=night and running,
        braking=running and rng.random() < 0.3,
        cargo=cargo,
    )
