"""What lines the street: buildings, walls, hedges, trees, and what closes it in the distance."""

import numpy as np

from difusionseg_core.scenes.furniture import Fixture
from difusionseg_core.scenes.parts import Face, Foliage, Group, Hull, Material, Tube, box
from difusionseg_core.scenes.street import Street
from difusionseg_core.scenes.thermal import Climate

_UP = np.array([0.0, 1.0, 0.0])
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
_LEAVES = (
    (0.05, 0.10, 0.02),
    (0.035, 0.075, 0.018),
    (0.09, 0.13, 0.03),
    (0.2, 0.13, 0.02),
    (0.16, 0.06, 0.02),
)


def building(
    rng: np.random.Generator,
    street: Street,
    sign: int,
    start: float,
    stop: float,
    climate: Climate,
    night: bool,
) -> Fixture:
    """A house front along the street between two distances."""
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
    line = street.frontage_at(sign) + sign * rng.uniform(0.0, 1.5)
    base = street.side(sign).kerb
    storey = rng.uniform(2.9, 3.8)
    storeys = int(rng.integers(2, 8))
    height = storeys * storey + rng.uniform(0.3, 1.2)
    a, b = street.at(line, base, start), street.at(line, base, stop)
    outward = np.array([-float(sign), 0.0, 0.0])
    depth = np.array([sign * 14.0, 0.0, 0.0])
    front = np.array([a, b, b + _UP * height, a + _UP * height])
    gable = np.array([a, a + depth, a + depth + _UP * height, a + _UP * height])
    back = np.array([b, b + depth, b + depth + _UP * height, b + _UP * height])
    parts: Group = [
        Face(gable, wall.shaded(0.9), 0, np.array([0, 0, -1.0])),
        Face(back, wall.shaded(0.9), 0, np.array([0, 0, 1.0])),
        Face(front, wall, 0, outward),
    ]
    along = b - a
    across = outward * 0.02
    bay = rng.uniform(1.8, 4.0)
    bays = max(1, int((stop - start) / bay))
    wide, tall = rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.7)
    lit_share = rng.uniform(0, 0.5) if night else rng.uniform(0, 0.06)
    panes, lit, frames = [], [], []
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
                        a + _UP * (y - 0.1),
                        b + _UP * (y - 0.1),
                        b + _UP * (y + 0.1),
                        a + _UP * (y + 0.1),
                    ]
                )
                - _UP * base
                + across
            )
            parts.append(Face(band, wall.shaded(1.25), 0, outward))
    return Fixture([parts], (a + b) / 2, 0.0)


def wall(
    rng: np.random.Generator,
    street: Street,
    sign: int,
    start: float,
    stop: float,
    height: float,
    material: Material,
) -> Fixture:
    line, base = street.frontage_at(sign), street.side(sign).kerb
    a, b = street.at(line, base, start), street.at(line, base, stop)
    middle = (a + b) / 2 + np.array([sign * 0.12, 0, 0])
    parts = box(middle, (stop - start + 0.02, height, 0.24), street.heading(middle[2]), material)
    coping = box(
        middle + _UP * height,
        (stop - start + 0.02, 0.08, 0.32),
        street.heading(middle[2]),
        material.shaded(1.2),
    )
    return Fixture([parts + coping], middle, 0.0)


def leaves(rng: np.random.Generator, climate: Climate) -> Material:
    colour = np.array(_LEAVES[rng.integers(len(_LEAVES))]) * rng.uniform(0.7, 1.4)
    return Material(
        tuple(colour),
        grain=0.75,
        grain_size=2.5,
        heat=rng.uniform(-1, 2),
        mottle=0.8,
        emissivity=0.97,
    )


def hedge(
    rng: np.random.Generator,
    street: Street,
    sign: int,
    start: float,
    stop: float,
    height: float,
    material: Material,
) -> Fixture:
    line, base = street.frontage_at(sign) + sign * 0.4, street.side(sign).kerb
    a, b = street.at(line, base, start), street.at(line, base, stop)
    middle = (a + b) / 2
    count = 3 * max(3, int((stop - start) / 0.5))
    share, level = rng.uniform(0, 1, count), np.tile([height - 0.3, height * 0.5, 0.3], count // 3)
    centres = a + (b - a) * share[:, None] + rng.normal(0, 0.08, (count, 3))
    centres[:, 1] += level
    tones = rng.uniform(0.7, 1.2, count) * (0.6 + 0.5 * level / height)
    bushes = Foliage(centres, rng.uniform(0.32, 0.5, count), tones, material)
    body = box(middle, (stop - start, height, 0.8), street.heading(middle[2]), material.shaded(0.6))
    return Fixture([[*body, bushes]], middle, 0.0)


def tree(rng: np.random.Generator, where: np.ndarray, foliage: Material, tall: float) -> Fixture:
    """A tree `tall` metres high; its crown is a heap of leafy balls, far and dark ones first."""
    bark = Material(
        (0.09, 0.07, 0.05),
        grain=0.35,
        grain_size=0.7,
        heat=rng.uniform(0, 2),
        mottle=0.4,
        emissivity=0.95,
    )
    girth = tall * rng.uniform(0.012, 0.03)
    fork = where + _UP * tall * rng.uniform(0.25, 0.42)
    lean = np.array([rng.normal(0, 0.03), 0, rng.normal(0, 0.03)]) * tall
    crown = where + _UP * tall * 0.66 + lean
    trunk = Hull(np.array([where, fork + lean * 0.3]), np.array([girth, girth * 0.7]), bark)
    spread = tall * rng.uniform(0.2, 0.34)
    branches: Group = []
    for _ in range(5):
        end = crown + rng.normal(0, 0.5, 3) * spread * [1, 0.8, 1]
        branches.append(Tube(np.array([fork + lean * 0.3, end]), girth * 0.5, bark.shaded(0.8)))
    count = int(rng.integers(24, 60))
    spots = rng.normal(0, 1, (count, 3))
    spots *= (rng.uniform(0.3, 1.0, count) / np.linalg.norm(spots, axis=1))[:, None]
    tones = 0.6 + 0.35 * spots[:, 1] - 0.2 * spots[:, 2] + rng.uniform(0, 0.3, count)
    leafy = Foliage(
        crown + spots * spread * [1, 0.85, 1],
        rng.uniform(0.14, 0.3, count) * spread,
        np.maximum(tones, 0.3),
        foliage,
    )
    return Fixture([[trunk, *branches, leafy]], where, girth)


def skyline(rng: np.random.Generator, street: Street, climate: Climate, night: bool) -> Group:
    """What closes the view in the distance: blocks and trees, far ones first."""
    parts: Group = []
    for depth in (330.0, 270.0, 235.0):
        x = -depth * 0.8
        while x < depth * 0.8:
            width = rng.uniform(12, 40)
            centre = street.at(x + width / 2, 0, depth)
            if rng.random() < 0.45:
                parts += _far_block(rng, centre, width, rng.uniform(6, 45), climate, night)
            else:
                green = leaves(rng, climate).shaded(0.7)
                spots = centre + rng.uniform([-0.5, 2, 0], [0.5, 8, 0.1], (6, 3)) * [width, 1, 1]
                parts.append(Foliage(spots, rng.uniform(3, 6, 6), rng.uniform(0.7, 1.2, 6), green))
            x += width * rng.uniform(0.7, 1.3)
    return parts


def _far_block(rng, centre, width: float, height: float, climate: Climate, night: bool) -> Group:
    colour, _ = _WALLS[rng.integers(len(_WALLS))]
    side = np.array([width / 2, 0, 0])
    quad = np.array(
        [centre - side, centre + side, centre + side + _UP * height, centre - side + _UP * height]
    )
    parts: Group = [Face(quad, Material(colour, grain=0.1, grain_size=20.0, heat=climate.walls))]
    rows, columns = int(height / 3.5), int(width / 3.5)
    if rows == 0 or columns == 0:
        return parts
    u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    spots = centre - side + u.reshape(-1, 1) * 2 * side + v.reshape(-1, 1) * _UP * height
    pane = np.array([[-1, -0.8, -0.1], [1, -0.8, -0.1], [1, 0.8, -0.1], [-1, 0.8, -0.1]])
    panes = spots[:, None] + pane
    glowing = rng.random(len(panes)) < (rng.uniform(0, 0.5) if night else 0)
    if (~glowing).any():
        parts.append(Face(panes[~glowing], _PANE))
    if glowing.any():
        glow = np.array([1, 0.9, 0.7]) * rng.uniform(0.1, 0.6)
        parts.append(Face(panes[glowing], _PANE.glowing(tuple(glow)).warmed(3)))
    return parts
