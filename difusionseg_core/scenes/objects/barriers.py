"""Barriers: cones, car stops and guardrails."""

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.geometry.parts import (
    UP,
    Cover,
    Face,
    Fixture,
    Group,
    Material,
    Tube,
    box,
    heading_axes,
)

CAR_STOP = MSRS.class_names.index("car_stop")
GUARDRAIL = MSRS.class_names.index("guardrail")
CONE = MSRS.class_names.index("color_cone")

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


def cone(rng: np.random.Generator, where: np.ndarray) -> Fixture:
    """Make a traffic cone, 0.45 to 0.85 m high."""
    height = rng.uniform(0.45, 0.85)
    colour = _PLASTIC.painted(_CONE_COLOURS[rng.integers(len(_CONE_COLOURS))]).warmed(
        rng.uniform(-0.5, 2)
    )
    base, tip = where + UP * 0.03, where + UP * height

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


def cone_bar(a: np.ndarray, b: np.ndarray) -> Fixture:
    """Make a striped bar between two cones at a and b (3,)."""
    stops = np.linspace(0, 1, 9)[:, None]
    points = a + UP * 0.5 + (b - a) * stops
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
    """Make a car stop: a block of concrete for the wheels."""
    block = _CONCRETE.shaded(rng.uniform(0.8, 1.3))
    parts = box(where, (length, height, 0.22), heading, block, CAR_STOP)
    if rng.random() < 0.5:
        forward, right = heading_axes(heading)
        mark = _WHITE.painted((0.6, 0.45, 0.03))
        top = where + UP * (height + 0.004)
        for end in (-1, 1):
            spot = top + forward * end * length * 0.35
            a, b = forward * 0.12, right * 0.07
            parts.append(Face(spot + np.array([a + b, a - b, -a - b, -a + b]), mark, CAR_STOP, UP))
    return Fixture([parts], where, max(length / 2, 0.3))


def guardrail(start: np.ndarray, end: np.ndarray, beam: bool, paint: tuple) -> Fixture:
    """Make a guardrail: a steel beam on posts, or two or three pipes."""
    steel = _STEEL.painted(paint).warmed(0.5)
    height = 0.75
    along = end - start
    parts: Group = []
    corners = np.array([start + UP * 0.35, end + UP * 0.35, end + UP * height, start + UP * height])
    for share in (0.0, 0.5):
        foot = start + along * share
        parts.append(Tube(np.array([foot, foot + UP * height]), 0.09, steel.shaded(0.8), GUARDRAIL))
    if beam:
        for low, high, tone in ((0.40, 0.50, 0.85), (0.50, 0.58, 0.6), (0.58, 0.72, 1.05)):
            parts.append(
                Face(
                    np.array(
                        [start + UP * low, end + UP * low, end + UP * high, start + UP * high]
                    ),
                    steel.shaded(tone),
                    GUARDRAIL,
                )
            )
    else:
        parts.append(Cover(corners, GUARDRAIL))
        for up in (0.38, 0.56, height):
            parts.append(Tube(np.array([start + UP * up, end + UP * up]), 0.06, steel, GUARDRAIL))
    return Fixture([parts], (start + end) / 2, 0.2)
