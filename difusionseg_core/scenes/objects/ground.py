"""The ground: road, kerbs, pavements, markings, stains, puddles, leaves and bumps."""

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.geometry.parts import Face, Group, Material
from difusionseg_core.scenes.geometry.street import BEHIND, Street
from difusionseg_core.scenes.rendering.thermal_camera import Climate

KERB = MSRS.class_names.index("curve")
BUMP = MSRS.class_names.index("bump")
KERB_WIDTH = 0.18  # metres


def ground(rng: np.random.Generator, street: Street, climate: Climate, rain: bool) -> Group:
    """Make the ground, in the order of painting."""
    warm = climate.ground
    asphalt = Material(
        tuple(rng.uniform(0.08, 0.32) * np.array([1, 1, 1.02])),
        heat=warm,
        grain=rng.uniform(0.08, 0.22),
        grain_size=4.0,
        emissivity=0.94,
    )
    if rng.random() < 0.15:  # cobbles
        asphalt = Material(
            tuple(rng.uniform(0.1, 0.25) * np.array([1, 0.98, 0.94])),
            heat=warm,
            grain=0.15,
            grain_size=3.0,
            block=(0.22, 0.14),
            emissivity=0.93,
        )
    grass = Material(
        (0.06, 0.11, 0.025), grain=0.35, grain_size=2.5, heat=warm - 1.5, emissivity=0.98
    )
    earth = grass.painted((0.16, 0.13, 0.09)) if rng.random() < 0.4 else grass
    far = 400.0
    plane = np.array(
        [[-far, -0.02, BEHIND], [far, -0.02, BEHIND], [far, -0.02, far], [-far, -0.02, far]]
    )
    parts: Group = [Face(plane, earth)]
    edge = street.half_width
    parts.append(Face(street.strip(-edge, edge, 0.0), asphalt))
    parts += _stains(rng, street, asphalt)
    parts += _markings(rng, street, warm)
    for sign in (-1, 1):
        parts += _pavement(rng, street, sign, asphalt, warm)
    if rain:
        parts += _puddles(rng, street, asphalt)
    if rng.random() < 0.35:
        parts += _fallen_leaves(rng, street, warm)
    return parts


def _pavement(
    rng: np.random.Generator, street: Street, sign: int, asphalt: Material, warm: float
) -> Group:
    side = street.side(sign)
    edge = sign * street.half_width
    grey = rng.uniform(0.15, 0.4) * np.array([1, rng.uniform(0.9, 1), rng.uniform(0.8, 1)])
    slabs = Material(
        tuple(grey),
        heat=warm + rng.uniform(-0.5, 1),
        grain=0.12,
        grain_size=3.0,
        block=(0.6, 0.4) if rng.random() < 0.6 else (0, 0),
        emissivity=0.94,
    )
    outer = sign * (street.half_width + side.pavement + 0.05)
    parts: Group = [Face(street.strip(edge, outer, side.kerb), slabs)]
    if side.kerb:
        stone = Material(
            tuple(rng.uniform(0.25, 0.5) * np.array([1, 1, 0.96])),
            grain=0.12,
            grain_size=2.0,
            heat=warm + rng.uniform(0.5, 2),
            emissivity=0.93,
        )
        inner = edge + sign * KERB_WIDTH
        gutter = asphalt.shaded(rng.uniform(1.1, 1.8)).warmed(warm + 0.5)
        parts.append(Face(street.strip(edge - sign * 0.4, edge, 0.002), gutter))
        parts.append(
            Face(
                street.strip(edge, inner, side.kerb),
                Material(stone.colour, grain=0.12, block=(9, 0.9), heat=stone.heat),
                KERB,
            )
        )
        parts.append(
            Face(
                street.upright(edge, 0.0, side.kerb),
                stone.shaded(0.85),
                KERB,
                np.array([-float(sign), 0, 0]),
            )
        )
    return parts


def _stains(rng: np.random.Generator, street: Street, asphalt: Material) -> Group:
    """Make repaired patches, manholes and seams."""
    parts: Group = []
    for _ in range(rng.integers(0, 4)):
        z, x = rng.uniform(4, 45), rng.uniform(-0.8, 0.6) * street.half_width
        patch = street.strip(x, x + rng.uniform(0.6, 2), 0.0, z, z + rng.uniform(1, 8))
        parts.append(
            Face(
                patch,
                asphalt.shaded(rng.uniform(0.6, 1.4)).warmed(asphalt.heat + rng.uniform(-0.5, 0.8)),
            )
        )
    for _ in range(rng.integers(0, 3)):
        z, x = rng.uniform(4, 25), rng.uniform(-0.8, 0.8) * street.half_width
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        lid = street.at(x, 0.0, z) + 0.32 * np.stack(
            [np.cos(angles), 0 * angles, np.sin(angles)], axis=1
        )
        parts.append(
            Face(
                lid,
                Material(
                    (0.06, 0.055, 0.05),
                    grain=0.3,
                    grain_size=0.4,
                    heat=asphalt.heat + rng.uniform(0, 4),
                    emissivity=0.88,
                ),
            )
        )
    return parts


def _puddles(rng: np.random.Generator, street: Street, asphalt: Material) -> Group:
    water = Material((0.02, 0.02, 0.02), grain=0.02, gloss=0.25, heat=asphalt.heat - 1)
    parts: Group = []
    for _ in range(rng.integers(1, 7)):
        middle = street.at(rng.uniform(-0.9, 0.9) * street.half_width, 0.0, rng.uniform(3, 25))
        angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
        reach = rng.uniform(0.3, 1.2) * (1 + 0.25 * np.sin(2 * angles + rng.uniform(0, 6)))
        reach *= 1 + 0.15 * np.sin(5 * angles)
        rim = reach[:, None] * np.stack([np.cos(angles), 0 * angles, 2 * np.sin(angles)], axis=1)
        parts.append(Face(middle + rim, water))
    return parts


def _fallen_leaves(rng: np.random.Generator, street: Street, warm: float) -> Group:
    """Scatter leaves over road and pavement, visible in the RGB image only."""
    count = int(rng.integers(80, 500))
    along = rng.uniform(2.5, 5, count) * np.exp(rng.uniform(0, 1.6, count))
    across = rng.uniform(-1.6, 1.6, count) * street.half_width
    middles = np.array([street.at(x, 0.002, z) for x, z in zip(across, along, strict=True)])
    turn, size = rng.uniform(0, np.pi, count), rng.uniform(0.03, 0.08, count)
    long = size[:, None] * np.stack([np.cos(turn), 0 * turn, np.sin(turn)], axis=1)
    wide = 0.6 * size[:, None] * np.stack([-np.sin(turn), 0 * turn, np.cos(turn)], axis=1)
    leaves = np.stack([middles + long, middles + wide, middles - long, middles - wide], axis=1)
    brown = Material((0.25, 0.14, 0.03), heat=warm - 0.3, emissivity=0.96)
    third = count // 3
    return [
        Face(leaves[:third], brown),
        Face(leaves[third : 2 * third], brown.painted((0.4, 0.28, 0.05))),
        Face(leaves[2 * third :], brown.shaded(0.5)),
    ]


def _markings(rng: np.random.Generator, street: Street, warm: float) -> Group:
    worn = rng.uniform(0.25, 0.7)
    paint = Material(
        (worn, worn, worn * 0.97), grain=0.25, grain_size=2.0, heat=warm - 0.4, emissivity=0.93
    )
    if rng.random() < 0.15:
        paint = paint.painted((worn, worn * 0.75, worn * 0.2))
    parts: Group = []
    if street.half_width > 3.0 and rng.random() < 0.6:
        dash, gap = (60, 0) if rng.random() < 0.3 else (rng.uniform(2, 5), rng.uniform(2, 5))
        z = rng.uniform(0, 4) + BEHIND
        while z < 120:
            parts.append(Face(street.strip(-0.07, 0.07, 0.001, z, z + dash), paint))
            z += dash + gap
    if rng.random() < 0.6:
        for sign in (-1, 1):
            x = sign * (street.half_width - rng.uniform(0.3, 0.7))
            parts.append(Face(street.strip(x - 0.07, x + 0.07, 0.001), paint))
    if rng.random() < 0.35:  # zebra crossing
        z, depth = rng.uniform(6, 45), rng.uniform(2.5, 4)
        for x in np.arange(-street.half_width + 0.4, street.half_width - 0.5, 0.9):
            parts.append(Face(street.strip(x, x + 0.45, 0.001, z, z + depth), paint))
    if rng.random() < 0.2:  # hatched area
        z = rng.uniform(6, 20)
        for i in range(8):
            a, b = street.at(0.3, 0.001, z + i * 1.6), street.at(2.2, 0.001, z + 1.4 + i * 1.6)
            width = np.array([0, 0, 0.25])
            parts.append(Face(np.array([a, b, b + width, a + width]), paint))
    return parts


def bump(rng: np.random.Generator, street: Street, along: float, warm: float) -> Group:
    """Make a speed bump across the road."""
    depth, height = rng.uniform(0.45, 1.1), rng.uniform(0.04, 0.08)
    profile = height * np.sin(np.linspace(0, np.pi, 5))
    stations = along + np.linspace(0, depth, 5)
    width = 2 * street.half_width - 0.5
    stripes = int(width / rng.uniform(0.4, 0.9))
    edges = np.linspace(-width / 2, width / 2, stripes + 1)
    bright = ((0.6, 0.42, 0.03), (0.6, 0.6, 0.58), (0.4, 0.3, 0.2))[rng.integers(3)]
    dark = (0.03, 0.03, 0.03) if rng.random() < 0.7 else (0.25, 0.24, 0.22)
    rubber = Material(dark, grain=0.15, heat=warm + rng.uniform(-1, 2.5), emissivity=0.95)
    parts: Group = []
    # The far slope first: the near one hides it if the bump is steep.
    for i in (3, 2, 1, 0):
        quads = np.array(
            [
                [
                    street.at(a, profile[i], stations[i]),
                    street.at(b, profile[i], stations[i]),
                    street.at(b, profile[i + 1], stations[i + 1]),
                    street.at(a, profile[i + 1], stations[i + 1]),
                ]
                for a, b in zip(edges[:-1], edges[1:], strict=True)
            ]
        )
        tone = (1.1, 1.0, 0.9, 0.8)[i]
        parts.append(Face(quads[0::2], rubber.painted(bright).shaded(tone), BUMP))
        parts.append(Face(quads[1::2], rubber.shaded(tone), BUMP))
    return parts
