"""Geometry of the street: its course and its cross-section."""

from dataclasses import dataclass

import numpy as np

_FAR = 260.0  # metres; the street ends here
BEHIND = -2.0  # metres; the street begins here, behind the camera


@dataclass(frozen=True)
class Side:
    """One side of the street, from the road outwards."""

    kerb: float  # height in metres, 0 for none
    pavement: float  # width in metres
    frontage: str  # what borders the pavement: buildings | wall | hedge | trees


@dataclass(frozen=True)
class Street:
    """A slightly curved road along z; `left` and `right` as the camera sees them."""

    half_width: float  # metres from the centre line of the road to its edge
    bend: float  # 1/m; the centre line is x = bend * z^2
    left: Side
    right: Side

    def at(self, lateral: float, up: float, along: float) -> np.ndarray:
        """Return the world point (3,) at `lateral` metres to the right of the centre line."""
        return np.array([lateral + self.bend * along**2, up, along])

    def span(
        self, lateral: float, up: float, start: float, stop: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the world points (3,) at both ends of a line along the street."""
        return self.at(lateral, up, start), self.at(lateral, up, stop)

    def heading(self, along: float) -> float:
        """Return the direction of the road in radians, 0 is along +z."""
        return float(np.arctan(2 * self.bend * along))

    def side(self, sign: float) -> Side:
        """Return the right side if `sign` (or a lateral position) is positive, else the left."""
        return self.right if sign > 0 else self.left

    def pavement_height(self, lateral: float) -> float:
        """Return the height [m] of the ground at a lateral position [m]."""
        return self.side(lateral).kerb if abs(lateral) > self.half_width else 0.0

    def frontage_at(self, sign: float) -> float:
        """Return the lateral position where buildings, walls or trees begin."""
        return sign * (self.half_width + self.side(sign).pavement)

    def strip(
        self, inner: float, outer: float, up: float, start: float = BEHIND, stop: float = _FAR
    ) -> np.ndarray:
        """Return the outline (N, 3) of a level strip between two lateral positions."""
        stations = _stations(start, stop)
        edges = [
            [self.at(lateral, up, z) for z in zs]
            for lateral, zs in ((inner, stations), (outer, stations[::-1]))
        ]
        return np.array(edges[0] + edges[1])

    def upright(
        self, lateral: float, low: float, high: float, start: float = BEHIND, stop: float = _FAR
    ) -> np.ndarray:
        """Return the outlines (M, 4, 3) of a vertical face along the street."""
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
    """Return the distances of the corners of a curved edge, denser near the camera."""
    count = int(3 + 4 * np.log1p((stop - start) / 10))
    return start + (stop - start) * np.linspace(0, 1, count) ** 2


def random_street(rng: np.random.Generator) -> Street:
    """Return a street with random width, curvature and sides."""

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
