"""What stands on and beside the road: cones, car stops, guardrails, bumps, posts, signs."""

from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.parts import (
    Cover,
    Face,
    Group,
    Hull,
    Material,
    Tube,
    box,
    disc,
    heading_axes,
)

CAR_STOP = MSRS.class_names.index("car_stop")
GUARDRAIL = MSRS.class_names.index("guardrail")
CONE = MSRS.class_names.index("color_cone")
_UP = np.array([0.0, 1.0, 0.0])

_PLASTIC = Material((0.6, 0.06, 0.02), grain=0.06, emissivity=0.93)
_WHITE = Material((0.75, 0.75, 0.72), grain=0.08, emissivity=0.92)
_CONCRETE = Material((0.45, 0.44, 0.41), grain=0.15, grain_size=0.8, emissivity=0.94, heat=1.0)
_STEEL = Material((0.5, 0.5, 0.5), grain=0.08, gloss=0.05, emissivity=0.90)
_CONE_COLOURS = (
    (0.62, 0.06, 0.02),
    (0.62, 0.06, 0.02),
    (0.7, 0.16, 0.02),
    (0.02, 0.06, 0.4),
    (0.02, 0.2, 0.08),
    (0.7, 0.5, 0.03),
)


@dataclass(frozen=True)
class Fixture:
    """Something that stays where it is."""

    parts: list[Group]
    where: np.ndarray  # (3,) ground below its middle
    radius: float = 0.4  # metres of ground that it takes

    def place(self, time: float) -> np.ndarray:
        return self.where

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        return self.parts


def cone(rng: np.random.Generator, where: np.ndarray) -> Fixture:
    height = rng.uniform(0.45, 0.85)
    colour = _PLASTIC.painted(_CONE_COLOURS[rng.integers(len(_CONE_COLOURS))]).warmed(
        rng.uniform(-0.5, 2)
    )
    base, tip = where + _UP * 0.03, where + _UP * height

    def ring(share: float) -> tuple[np.ndarray, float]:
        return base + (tip - base) * share, 0.03 + 0.13 * (1 - share)

    parts: Group = box(where, (0.38, 0.04, 0.38), rng.uniform(0, 1.5), colour.shaded(0.7), CONE)
    bands = [(0.0, 1.0, colour)]
    if rng.random() < 0.6:
        bands += [(0.35, 0.5, _WHITE), (0.62, 0.78, _WHITE)]
    for low, high, material in bands:
        (a, ra), (b, rb) = ring(low), ring(high)
        side = np.array([1.0, 0.0, 0.0])
        outline = np.array([a - side * ra, a + side * ra, b + side * rb, b - side * rb])
        parts.append(Face(outline, material, CONE))
    return Fixture([parts], where, 0.3)


def cone_bar(rng: np.random.Generator, a: np.ndarray, b: np.ndarray) -> Fixture:
    """A striped bar between two cones."""
    stops = np.linspace(0, 1, 9)[:, None]
    points = a + _UP * 0.5 + (b - a) * stops
    parts: Group = [
        Tube(
            points[i : i + 2],
            0.04,
            _WHITE.painted((0.7, 0.5, 0.02) if i % 2 else (0.02, 0.02, 0.02)),
        )
        for i in range(8)
    ]
    return Fixture([parts], (a + b) / 2, 0.1)


def car_stop(
    rng: np.random.Generator, where: np.ndarray, heading: float, length: float, height: float
) -> Fixture:
    """A block of concrete that keeps wheels out."""
    block = _CONCRETE.shaded(rng.uniform(0.8, 1.3))
    parts = box(where, (length, height, 0.22), heading, block, CAR_STOP)
    if rng.random() < 0.5:
        forward, right = heading_axes(heading)
        mark = _WHITE.painted((0.6, 0.45, 0.03))
        top = where + _UP * (height + 0.004)
        for end in (-1, 1):
            spot = top + forward * end * length * 0.35
            a, b = forward * 0.12, right * 0.07
            parts.append(Face(spot + np.array([a + b, a - b, -a - b, -a + b]), mark, CAR_STOP, _UP))
    return Fixture([parts], where, max(length / 2, 0.3))


def guardrail(start: np.ndarray, end: np.ndarray, beam: bool, paint: tuple) -> Fixture:
    """A few metres of railing: a steel beam on posts, or two or three pipes."""
    steel = _STEEL.painted(paint).warmed(0.5)
    height = 0.75
    along = end - start
    parts: Group = []
    corners = np.array(
        [start + _UP * 0.35, end + _UP * 0.35, end + _UP * height, start + _UP * height]
    )
    for share in (0.0, 0.5):
        foot = start + along * share
        parts.append(
            Tube(np.array([foot, foot + _UP * height]), 0.09, steel.shaded(0.8), GUARDRAIL)
        )
    if beam:
        for low, high, tone in ((0.40, 0.50, 0.85), (0.50, 0.58, 0.6), (0.58, 0.72, 1.05)):
            parts.append(
                Face(
                    np.array(
                        [start + _UP * low, end + _UP * low, end + _UP * high, start + _UP * high]
                    ),
                    steel.shaded(tone),
                    GUARDRAIL,
                )
            )
    else:
        parts.append(Cover(corners, GUARDRAIL))
        for up in (0.38, 0.56, height):
            parts.append(Tube(np.array([start + _UP * up, end + _UP * up]), 0.06, steel, GUARDRAIL))
    return Fixture([parts], (start + end) / 2, 0.2)


def lamp_post(
    where: np.ndarray, towards_road: float, height: float, lit: bool, glow: np.ndarray
) -> Fixture:
    """A street lamp; `towards_road` is +1 if the road lies to its right."""
    pole = _STEEL.painted((0.2, 0.21, 0.2))
    head = where + np.array([towards_road * 1.1, height, 0.0])
    neck = where + _UP * (height - 0.1)
    lens = _WHITE.glowing(tuple(glow)).warmed(15) if lit else _WHITE
    parts: Group = [
        Tube(np.array([where, where + _UP * 1.2]), 0.2, pole),
        Tube(np.array([where, neck]), 0.13, pole),
        Tube(np.array([neck, head]), 0.09, pole),
        Hull(
            np.array([head, head + [towards_road * 0.35, 0, 0]]),
            np.array([0.09, 0.07]),
            pole.shaded(1.5),
        ),
        Hull(
            np.array([head + [0, -0.05, 0], head + [towards_road * 0.3, -0.05, 0]]),
            np.array([0.07, 0.06]),
            lens,
        ),
    ]
    return Fixture([parts], where, 0.3)


def sign(rng: np.random.Generator, where: np.ndarray) -> Fixture:
    """A traffic sign or a notice on a post."""
    steel = _STEEL.painted((0.45, 0.45, 0.45))
    height = rng.uniform(1.8, 2.6)
    right, up = np.array([1.0, 0.0, 0.0]), _UP
    middle = where + _UP * height
    front = np.array([0, 0, -0.02])
    parts: Group = [Tube(np.array([where, middle + _UP * 0.2]), 0.07, steel)]
    kind = rng.integers(4)
    if kind == 0:  # no entry
        parts.append(
            Face(disc(middle + front, 0.3, right, up), _PLASTIC.painted((0.6, 0.02, 0.03)))
        )
        bar = np.array([[-0.2, -0.05], [0.2, -0.05], [0.2, 0.05], [-0.2, 0.05]])
        parts.append(Face(middle + front + np.c_[bar, np.zeros(4)], _WHITE))
    elif kind == 1:  # speed limit
        parts.append(
            Face(disc(middle + front, 0.3, right, up), _PLASTIC.painted((0.6, 0.02, 0.03)))
        )
        parts.append(Face(disc(middle + front, 0.22, right, up), _WHITE))
    elif kind == 2:  # triangle
        corners = np.array([[-0.35, -0.25, 0], [0.35, -0.25, 0], [0, 0.35, 0]])
        parts.append(Face(middle + front + corners, _PLASTIC.painted((0.6, 0.02, 0.03))))
        parts.append(Face(middle + front + corners * 0.62, _WHITE))
    else:  # board
        w, h = rng.uniform(0.3, 0.8), rng.uniform(0.25, 0.6)
        corners = np.array([[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]])
        colour = tuple(rng.uniform(0.05, 0.7, 3))
        parts.append(Face(middle + front + corners, _WHITE.painted(colour)))
        lines = np.array(
            [
                on * corners * [0.8, 0.06, 1] + [0, y, 0]
                for on, y in ((1, 0.45 * h), (0.8, 0.1 * h), (0.9, -0.3 * h))
            ]
        )
        parts.append(Face(middle + front + lines, _WHITE.shaded(rng.choice([0.1, 1.0]))))
    return Fixture([parts], where, 0.3)


def bollard(rng: np.random.Generator, where: np.ndarray) -> Fixture:
    colour = ((0.6, 0.1, 0.02), (0.5, 0.5, 0.5), (0.05, 0.05, 0.05), (0.5, 0.4, 0.05))[
        rng.integers(4)
    ]
    post = _STEEL.painted(colour).warmed(0.5)
    top = where + _UP * rng.uniform(0.7, 1.0)
    parts: Group = [
        Tube(np.array([where, top]), 0.11, post),
        Tube(np.array([top - _UP * 0.2, top - _UP * 0.1]), 0.115, _WHITE),
    ]
    return Fixture([parts], where, 0.2)


def bin_or_machine(
    rng: np.random.Generator, where: np.ndarray, heading: float, night: bool
) -> Fixture:
    """A box by the wall: rubbish bin, planter, or a vending machine, which is warm and lit."""
    kind = rng.integers(3)
    if kind == 0:
        parts = box(
            where, (0.5, 0.9, 0.5), heading, _STEEL.painted(tuple(rng.uniform(0.03, 0.4, 3)))
        )
        return Fixture([parts], where, 0.5)
    if kind == 1:
        parts = box(where, (1.6, 0.5, 0.6), heading, _CONCRETE)
        green = Material((0.05, 0.12, 0.03), grain=0.5, grain_size=0.5, emissivity=0.97)
        forward, _ = heading_axes(heading)
        for _ in range(7):
            spot = where + forward * rng.uniform(-0.65, 0.65) + _UP * rng.uniform(0.5, 0.8)
            shade = green.shaded(rng.uniform(0.6, 1.6))
            parts.append(Hull(spot[None], np.array([rng.uniform(0.15, 0.3)]), shade))
        return Fixture([parts], where, 0.8)
    body = Material(tuple(rng.uniform(0.05, 0.6, 3)), grain=0.05, emissivity=0.85, heat=3.0)
    parts = box(where, (1.0, 1.85, 0.7), heading, body)
    _, right = heading_axes(heading)
    forward, _ = heading_axes(heading)
    for side in (-1, 1):
        face = where + right * side * 0.36
        pane = np.array(
            [
                face - forward * 0.4 + _UP * 0.8,
                face + forward * 0.4 + _UP * 0.8,
                face + forward * 0.4 + _UP * 1.75,
                face - forward * 0.4 + _UP * 1.75,
            ]
        )
        glow = (0.5, 0.55, 0.6) if night else (0, 0, 0)
        lit = Material(
            (0.6, 0.65, 0.7), emission=glow, grain=0.6, grain_size=2.0, heat=6.0, emissivity=0.85
        )
        parts.append(Face(pane, lit, 0, right * side))
    return Fixture([parts], where, 0.7)
