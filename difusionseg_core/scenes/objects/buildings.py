"""Houses, walls, bridges and the skyline."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import (
    UP,
    Face,
    Fixture,
    Foliage,
    Group,
    Material,
    box,
    heading_axes,
    plank,
)
from difusionseg_core.scenes.geometry.street import Street
from difusionseg_core.scenes.objects.greenery import leaves
from difusionseg_core.scenes.rendering.thermal_camera import Climate

_WALLS = (
    ((0.32, 0.15, 0.09), (0.24, 0.075)),
    ((0.42, 0.36, 0.28), (0.6, 0.3)),
    ((0.55, 0.53, 0.5), (0, 0)),
    ((0.38, 0.38, 0.37), (1.8, 0.9)),
    ((0.5, 0.42, 0.3), (0, 0)),
    ((0.25, 0.2, 0.16), (0.24, 0.075)),
    ((0.65, 0.64, 0.6), (0.1, 0.1)),
    ((0.2, 0.22, 0.25), (0, 0)),
)
_PANE = Material((0.03, 0.04, 0.05), grain=0.2, grain_size=4.0, gloss=0.35, emissivity=0.82)


def house(
    rng: np.random.Generator,
    a: np.ndarray,
    b: np.ndarray,
    sign: int,
    climate: Climate,
    night: bool,
) -> Fixture:
    """Make a house with its front from a to b (3,), on the right of the street if `sign` is 1."""
    colour, block = _WALLS[rng.integers(len(_WALLS))]
    tint = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, 3)
    wall = Material(
        tuple(np.clip(colour * tint, 0, 0.8)),
        grain=0.12,
        grain_size=9.0,
        block=block,
        heat=climate.walls + rng.uniform(-1, 1.5),
        mottle=0.5,
        emissivity=0.93,
    )
    base = float(a[1])
    storey = rng.uniform(2.9, 3.8)
    storeys = int(rng.integers(2, 8))
    height = storeys * storey + rng.uniform(0.3, 1.2)
    outward = np.array([-float(sign), 0.0, 0.0])
    depth = np.array([sign * 14.0, 0.0, 0.0])
    front = np.array([a, b, b + UP * height, a + UP * height])
    gable = np.array([a, a + depth, a + depth + UP * height, a + UP * height])
    back = np.array([b, b + depth, b + depth + UP * height, b + UP * height])
    parts: Group = [
        Face(gable, wall.shaded(0.9), 0, np.array([0, 0, -1.0])),
        Face(back, wall.shaded(0.9), 0, np.array([0, 0, 1.0])),
        Face(front, wall, 0, outward),
    ]
    along = b - a
    across = outward * 0.02
    bay = rng.uniform(1.8, 4.0)
    bays = max(1, int(np.linalg.norm(b - a) / bay))
    wide, tall = rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.7)
    lit_share = rng.uniform(0, 0.5) if night else rng.uniform(0, 0.06)
    panes: list[np.ndarray] = []
    lit: list[np.ndarray] = []
    frames: list[np.ndarray] = []
    for floor in range(storeys):
        for number in range(bays):
            u0, u1 = (number + 0.5 - wide / 2) / bays, (number + 0.5 + wide / 2) / bays
            v0 = base + floor * storey + storey * (1 - tall) * 0.6
            v1 = v0 + storey * tall
            quad = np.array([a + along * u0, a + along * u1, a + along * u1, a + along * u0])
            quad = quad + across
            quad[:2, 1], quad[2:, 1] = v0, v1
            (lit if rng.random() < lit_share else panes).append(quad)
            rim = quad.copy()
            grow = along / bays * 0.04
            rim[[0, 3]] -= grow
            rim[[1, 2]] += grow
            rim[:2, 1] -= 0.12
            rim[2:, 1] += 0.08
            frames.append(rim)
    tone = rng.choice([0.6, 1.3, 1.6])
    parts.append(Face(np.array(frames), wall.shaded(tone).warmed(wall.heat + 0.5), 0, outward))
    glass = _PANE.warmed(rng.uniform(-2, 6))
    if panes:
        parts.append(Face(np.array(panes), glass, 0, outward))
    if lit:
        glow = np.array([1.0, 0.85, 0.6]) if rng.random() < 0.5 else np.array([0.85, 1.0, 0.85])
        glow = glow * (rng.uniform(0.1, 0.5) if night else 0.4)
        parts.append(
            Face(np.array(lit), glass.glowing(tuple(glow)).warmed(glass.heat + 2), 0, outward)
        )
    for level in range(1, storeys):  # ledges
        if rng.random() < 0.5:
            y = base + level * storey
            band = (
                np.array(
                    [
                        a + UP * (y - 0.1),
                        b + UP * (y - 0.1),
                        b + UP * (y + 0.1),
                        a + UP * (y + 0.1),
                    ]
                )
                - UP * base
                + across
            )
            parts.append(Face(band, wall.shaded(1.25), 0, outward))
    return Fixture([parts], (a + b) / 2, 0.0)


def wall(a: np.ndarray, b: np.ndarray, height: float, stone: Material) -> Fixture:
    """Make a wall with a coping from a to b (3,)."""
    parts = plank(a, b, height, 0.24, stone)
    parts += plank(a + UP * height, b + UP * height, 0.08, 0.32, stone.shaded(1.2))
    return Fixture([parts], (a + b) / 2, 0.0)


def bridge(
    rng: np.random.Generator, middle: np.ndarray, heading: float, reach: float, climate: Climate
) -> Fixture:
    """Make a bridge over the street at `middle` (3,), with piers `reach` metres to both sides."""
    concrete = Material(
        tuple(rng.uniform(0.15, 0.45) * np.array([1, 0.98, 0.95])),
        grain=0.2,
        grain_size=6.0,
        heat=climate.walls + rng.uniform(-1, 1),
        mottle=0.6,
        emissivity=0.94,
    )
    clear, depth, height = rng.uniform(3.2, 5.5), rng.uniform(2.5, 9), rng.uniform(0.7, 3.5)
    forward, right = heading_axes(heading)
    parts: Group = []
    for side in (-1, 1):
        pier = middle + right * side * reach
        parts += box(pier, (min(depth, 1.5), clear, 1.2), heading, concrete.shaded(0.8))
    base = middle + UP * clear
    a, b = forward * depth / 2, right * (reach + 6)
    below = base + np.array([a + b, a - b, -a - b, -a + b])
    parts.append(Face(below, concrete.shaded(0.5), 0, -UP))
    parts += box(base, (depth, height, 2 * reach + 12), heading, concrete)
    return Fixture([parts], middle, 0.0)


def skyline(rng: np.random.Generator, street: Street, climate: Climate, night: bool) -> Group:
    """Make the distant background of buildings and trees, far ones first."""
    parts: Group = []
    for depth in (330.0, 270.0, 235.0):
        x = -depth * 0.8
        while x < depth * 0.8:
            width = rng.uniform(12, 40)
            centre = street.at(x + width / 2, 0, depth)
            if rng.random() < 0.45:
                parts += _far_block(rng, centre, width, rng.uniform(6, 45), climate, night)
            else:
                green = leaves(rng).shaded(0.7)
                spots = centre + rng.uniform([-0.5, 2, 0], [0.5, 8, 0.1], (6, 3)) * [width, 1, 1]
                parts.append(Foliage(spots, rng.uniform(3, 6, 6), rng.uniform(0.7, 1.2, 6), green))
            x += width * rng.uniform(0.7, 1.3)
    return parts


def _far_block(
    rng: np.random.Generator,
    centre: np.ndarray,
    width: float,
    height: float,
    climate: Climate,
    night: bool,
) -> Group:
    colour, _ = _WALLS[rng.integers(len(_WALLS))]
    side = np.array([width / 2, 0, 0])
    quad = np.array(
        [centre - side, centre + side, centre + side + UP * height, centre - side + UP * height]
    )
    parts: Group = [Face(quad, Material(colour, grain=0.1, grain_size=20.0, heat=climate.walls))]
    rows, columns = int(height / 3.5), int(width / 3.5)
    if rows == 0 or columns == 0:
        return parts
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    spots = centre - side + u.reshape(-1, 1) * 2 * side + v.reshape(-1, 1) * UP * height
    pane = np.array([[-1, -0.8, -0.1], [1, -0.8, -0.1], [1, 0.8, -0.1], [-1, 0.8, -0.1]])
    panes = spots[:, None] + pane
    glowing = rng.random(len(panes)) < (rng.uniform(0, 0.5) if night else 0)
    if (~glowing).any():
        parts.append(Face(panes[~glowing], _PANE))
    if glowing.any():
        glow = np.array([1, 0.9, 0.7]) * rng.uniform(0.1, 0.6)
        parts.append(Face(panes[glowing], _PANE.glowing(tuple(glow)).warmed(3)))
    return parts
