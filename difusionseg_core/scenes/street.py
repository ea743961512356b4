"""The street itself: its course, road, kerbs, pavements, markings and bumps."""

from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.parts import Face, Group, Material
from difusionseg_core.scenes.thermal import Climate

KERB = MSRS.class_names.index("curve")
BUMP = MSRS.class_names.index("bump")
KERB_WIDTH = 0.18  # metres
_FAR = 260.0  # metres; the ground is drawn up to here
_BEHIND = -2.0
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Side:
    """One side of the street, from the road outwards."""

    kerb: float  # metres high, 0 for none
    pavement: float  # metres wide
    frontage: str  # buildings | wall | hedge | trees


@dataclass(frozen=True)
class Street:
    """A road along z that bends gently; `left` and `right` as the camera sees them."""

    half_width: float  # metres from the middle of the road to its edge
    bend: float  # 1/m; the middle lies at x = bend * z^2
    left: Side
    right: Side

    def at(self, lateral: float, up: float, along: float) -> np.ndarray:
        """World point (3,) at a distance to the right of the road's middle."""
        return np.array([lateral + self.bend * along**2, up, along])

    def heading(self, along: float) -> float:
        """Direction of the road in radians, 0 is along +z."""
        return float(np.arctan(2 * self.bend * along))

    def side(self, sign: float) -> Side:
        return self.right if sign > 0 else self.left

    def pavement_height(self, lateral: float) -> float:
        return self.side(lateral).kerb if abs(lateral) > self.half_width else 0.0

    def frontage_at(self, sign: float) -> float:
        """Lateral position of the line where buildings, walls or trees begin."""
        return sign * (self.half_width + self.side(sign).pavement)

    def strip(
        self, inner: float, outer: float, up: float, start: float = _BEHIND, stop: float = _FAR
    ) -> np.ndarray:
        """Outline (N, 3) of a level strip between two lateral positions."""
        stations = _stations(start, stop)
        edges = [
            [self.at(lateral, up, z) for z in zs]
            for lateral, zs in ((inner, stations), (outer, stations[::-1]))
        ]
        return np.array(edges[0] + edges[1])

    def upright(
        self, lateral: float, low: float, high: float, start: float = _BEHIND, stop: float = _FAR
    ) -> np.ndarray:
        """Outlines (M, 4, 3) of an upright face along the street."""
        stations = _stations(start, stop)
        return np.array(
            [
                [
                    self.at(lateral, low, a),
                    self.at(lateral, low, b),
                    self.at(lateral, high, b),
                    self.at(lateral, high, a),
                ]
                for a, b in zip(stations[:-1], stations[1:], strict=True)
            ]
        )


def _stations(start: float, stop: float) -> np.ndarray:
    """Distances at which a bending edge has its corners, closer together near the camera."""
    count = int(3 + 4 * np.log1p((stop - start) / 10))
    return start + (stop - start) * np.linspace(0, 1, count) ** 2


def draw_street(rng: np.random.Generator) -> Street:
    def side() -> Side:
        frontage = rng.choice(["buildings", "wall", "hedge", "trees"], p=[0.4, 0.15, 0.2, 0.25])
        kerb = rng.uniform(0.1, 0.2) if rng.random() < 0.6 else 0.0
        return Side(kerb, rng.uniform(1.5, 4.5), str(frontage))

    return Street(
        half_width=rng.uniform(2.6, 5.5),
        bend=float(rng.normal(0, 0.0012)),
        left=side(),
        right=side(),
    )


def ground(rng: np.random.Generator, street: Street, climate: Climate) -> list[Group]:
    """Everything level, in the order of painting."""
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
        [[-far, -0.02, _BEHIND], [far, -0.02, _BEHIND], [far, -0.02, far], [-far, -0.02, far]]
    )
    parts: Group = [Face(plane, earth)]
    edge = street.half_width
    parts.append(Face(street.strip(-edge, edge, 0.0), asphalt))
    parts += _stains(rng, street, asphalt)
    parts += _markings(rng, street, warm)
    for sign in (-1, 1):
        parts += _pavement(rng, street, sign, asphalt, warm)
    return [parts]


def _pavement(rng, street: Street, sign: int, asphalt: Material, warm: float) -> Group:
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


def _stains(rng, street: Street, asphalt: Material) -> Group:
    """Mended patches, manholes and seams."""
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


def _markings(rng, street: Street, warm: float) -> Group:
    worn = rng.uniform(0.25, 0.7)
    paint = Material(
        (worn, worn, worn * 0.97), grain=0.25, grain_size=2.0, heat=warm - 0.4, emissivity=0.93
    )
    if rng.random() < 0.15:
        paint = paint.painted((worn, worn * 0.75, worn * 0.2))
    parts: Group = []
    if street.half_width > 3.0 and rng.random() < 0.6:
        dash, gap = (60, 0) if rng.random() < 0.3 else (rng.uniform(2, 5), rng.uniform(2, 5))
        z = rng.uniform(0, 4) + _BEHIND
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
    """A speed bump across the road."""
    depth, height = rng.uniform(0.45, 1.1), rng.uniform(0.04, 0.08)
    profile = height * np.sin(np.linspace(0, np.pi, 5))
    stations = along + np.linspace(0, depth, 5)
    width = 2 * street.half_width - 0.5
    stripes = int(width / rng.uniform(0.4, 0.9))
    edges = np.linspace(-width / 2, width / 2, stripes + 1)
    bright = ((0.6, 0.42, 0.03), (0.6, 0.6, 0.58), (0.4, 0.3, 0.2))[rng.integers(3)]
    dark = (0.03, 0.03, 0.03) if rng.random() < 0.7 else (0.25, 0.24, 0.22)
    rubber = Material(dark, grain=0.15, heat=warm + rng.uniform(0.5, 3), emissivity=0.95)
    parts: Group = []
    # Far slope first: the near one hides it where the bump is steep.
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
