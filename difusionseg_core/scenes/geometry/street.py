"""The course of the street and its profile from side to side."""

from dataclasses import dataclass

import numpy as np

_FAR = 260.0  # metres; strips are drawn up to here
BEHIND = -2.0  # metres; and begin here


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

    def span(
        self, lateral: float, up: float, start: float, stop: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """World points (3,) at the two ends of something that runs along the street."""
        return self.at(lateral, up, start), self.at(lateral, up, stop)

    def heading(self, along: float) -> float:
        """Direction of the road in radians, 0 is along +z."""
        return float(np.arctan(2 * self.bend * along))

    def side(self, sign: float) -> Side:
        """Return the right side for a positive sign or lateral position, else the left one."""
        return self.right if sign > 0 else self.left

    def pavement_height(self, lateral: float) -> float:
        """Return the height [m] of the ground at a lateral position [m]."""
        return self.side(lateral).kerb if abs(lateral) > self.half_width else 0.0

    def frontage_at(self, sign: float) -> float:
        """Lateral position of the line where buildings, walls or trees begin."""
        return sign * (self.half_width + self.side(sign).pavement)

    def strip(
        self, inner: float, outer: float, up: float, start: float = BEHIND, stop: float = _FAR
    ) -> np.ndarray:
        """Outline (N, 3) of a level strip between two lateral positions."""
        stations = _stations(start, stop)
        edges = [
            [self.at(lateral, up, z) for z in zs]
            for lateral, zs in ((inner, stations), (outer, stations[::-1]))
        ]
        return np.array(edges[0] + edges[1])

    def upright(
        self, lateral: float, low: float, high: float, start: float = BEHIND, stop: float = _FAR
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
    """Choose the width, the bend and both sides of a street."""

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
