"""Street furniture without a class: lamps, signs, bollards, bins, vending machines."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import (
    UP,
    Face,
    Fixture,
    Group,
    Hull,
    Material,
    Tube,
    box,
    disc,
    heading_axes,
)

_PLASTIC = Material((0.6, 0.06, 0.02), grain=0.06, emissivity=0.93)
_WHITE = Material((0.75, 0.75, 0.72), grain=0.08, emissivity=0.92)
_CONCRETE = Material((0.45, 0.44, 0.41), grain=0.15, grain_size=0.8, emissivity=0.94, heat=1.0)
_STEEL = Material((0.5, 0.5, 0.5), grain=0.08, gloss=0.05, emissivity=0.90)


def lamp_post(
    where: np.ndarray, towards_road: float, height: float, lit: bool, glow: np.ndarray
) -> Fixture:
    """Make a street lamp; `towards_road` is +1 if the road is to its right."""
    pole = _STEEL.painted((0.2, 0.21, 0.2))
    head = where + np.array([towards_road * 1.1, height, 0.0])
    neck = where + UP * (height - 0.1)
    lens = _WHITE.glowing(tuple(glow)).warmed(15) if lit else _WHITE
    parts: Group = [
        Tube(np.array([where, where + UP * 1.2]), 0.2, pole),
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
    """Make a traffic sign or a notice board on a post."""
    steel = _STEEL.painted((0.45, 0.45, 0.45))
    height = rng.uniform(1.8, 2.6)
    right, up = np.array([1.0, 0.0, 0.0]), UP
    middle = where + UP * height
    front = np.array([0, 0, -0.02])
    parts: Group = [Tube(np.array([where, middle + UP * 0.2]), 0.07, steel)]
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
    """Make a bollard, 0.7 to 1.0 m high."""
    colour = ((0.6, 0.1, 0.02), (0.5, 0.5, 0.5), (0.05, 0.05, 0.05), (0.5, 0.4, 0.05))[
        rng.integers(4)
    ]
    post = _STEEL.painted(colour).warmed(0.5)
    top = where + UP * rng.uniform(0.7, 1.0)
    parts: Group = [
        Tube(np.array([where, top]), 0.11, post),
        Tube(np.array([top - UP * 0.2, top - UP * 0.1]), 0.115, _WHITE),
    ]
    return Fixture([parts], where, 0.2)


def traffic_light(rng: np.random.Generator, where: np.ndarray, towards_road: int) -> Fixture:
    """Make a traffic light on a post or an arm; one of its three lamps is on and warm."""
    black = _STEEL.painted((0.02, 0.02, 0.02)).warmed(2)
    height, arm = rng.uniform(2.3, 5.0), rng.uniform(0.2, 2.5)
    across, front = np.array([float(towards_road), 0.0, 0.0]), np.array([0.0, 0.0, -0.02])
    top = where + UP * height
    head = top + across * arm
    corners = np.array([[-0.55, -0.17, 0], [0.55, -0.17, 0], [0.55, 0.17, 0], [-0.55, 0.17, 0]])
    parts: Group = [
        Tube(np.array([where, top + UP * 0.2]), 0.14, _STEEL.shaded(0.5)),
        Tube(np.array([top, head]), 0.09, _STEEL.shaded(0.5)),
        Face(head + front + corners, black),
    ]
    on = rng.integers(3)
    for number, colour in enumerate(((0.02, 0.6, 0.3), (0.6, 0.35, 0.01), (0.6, 0.02, 0.01))):
        lens = disc(head + 2 * front + across * (0.35 * (number - 1)), 0.13, across, UP, 12)
        glass = _PLASTIC.painted(tuple(0.2 * np.array(colour)))
        if number == on:
            glass = glass.glowing(tuple(4 * np.array(colour))).warmed(rng.uniform(4, 14))
        parts.append(Face(lens, glass))
    return Fixture([parts], where, 0.2)


def bin_or_planter(rng: np.random.Generator, where: np.ndarray, heading: float) -> Fixture:
    """Make a litter bin, or a planter with plants."""
    if rng.random() < 0.5:
        paint = _STEEL.painted(tuple(rng.uniform(0.03, 0.4, 3)))
        return Fixture([box(where, (0.5, 0.9, 0.5), heading, paint)], where, 0.5)
    parts = box(where, (1.6, 0.5, 0.6), heading, _CONCRETE)
    green = Material((0.05, 0.12, 0.03), grain=0.5, grain_size=0.5, emissivity=0.97)
    forward, _ = heading_axes(heading)
    for _ in range(7):
        spot = where + forward * rng.uniform(-0.65, 0.65) + UP * rng.uniform(0.5, 0.8)
        shade = green.shaded(rng.uniform(0.6, 1.6))
        parts.append(Hull(spot[None], np.array([rng.uniform(0.15, 0.3)]), shade))
    return Fixture([parts], where, 0.8)


def vending_machine(
    rng: np.random.Generator, where: np.ndarray, heading: float, night: bool
) -> Fixture:
    """Make a vending machine; it is warm, and lit when it is dark."""
    paint = tuple(rng.uniform(0.05, 0.6, 3))
    body = Material(paint, grain=0.05, emissivity=0.85, heat=rng.uniform(0, 6))
    parts = box(where, (1.0, 1.85, 0.7), heading, body)
    forward, right = heading_axes(heading)
    glow = (0.5, 0.55, 0.6) if night else (0.0, 0.0, 0.0)
    lit = Material((0.6, 0.65, 0.7), glow, grain=0.6, grain_size=2.0, heat=6.0, emissivity=0.85)
    for side in (-1, 1):
        face = where + right * side * 0.36
        low, high = face + UP * 0.8, face + UP * 1.75
        along = forward * 0.4
        pane = np.array([low - along, low + along, high + along, high - along])
        parts.append(Face(pane, lit, 0, right * side))
    return Fixture([parts], where, 0.7)
