"""The table of painted parts: one row holds the properties of one part."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import Hull, Material

# Columns of the table of painted parts. A rounded part curves away from the camera on both sides
# of its centre line: `ACROSS` is the direction at right angles to that line, `MIDDLE` the line's
# position in that direction, `CURVATURE` 1 / half the part's width, 0 for a flat part.
COLOUR, EMISSION, NORMAL, ACROSS = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
(
    OFFSET,
    GRAIN,
    GRAIN_SIZE,
    BLOCK_WIDTH,
    BLOCK_HEIGHT,
    GLOSS,
    EMISSIVITY,
    HEAT,
    MOTTLE,
    ANCHOR_U,
    ANCHOR_V,
    MIDDLE,
    CURVATURE,
) = range(12, 25)
_FLAT = (0.0, 0.0, 0.0), 0.0, 0.0


class PartTable:
    """Rows of parts; row 0 is the sky. `eye` (3,) is the camera's position."""

    def __init__(self, eye: np.ndarray):
        self.labels: list[int] = []
        self.things: list[int] = []
        self._eye = eye
        self._rows: list[tuple] = []
        far = Material((0, 0, 0), grain=0)
        self.add(far, np.array([0.0, 0.0, -1.0]), eye + np.array([0.0, 0.0, 1e4]), 0)

    def add(
        self,
        material: Material,
        normal: np.ndarray,
        point: np.ndarray,
        label: int,
        thing: int = 0,
        anchor: tuple[float, float, float] = (0.0, 0.0, 0.0),
        tone: float = 1.0,
        rounding: tuple = _FLAT,
    ) -> int:
        """Add a part in the plane through `point` (3,) with the unit vector `normal` (3,).

        thing: number of the object that it belongs to; anchor: origin of its texture; tone: factor
        on its colour; rounding: from `round_about_axis`. Returns the number of the row.
        """
        nx, ny, nz = normal.tolist()
        px, py, pz = (point - self._eye).tolist()
        ax, ay, az = anchor
        # Texture axes as in `surface._texture_axes`, for the anchor.
        anchor_u, anchor_v = (ax, az) if ny > 0.7 else (nz * ax - nx * az, ay)
        red, green, blue = material.colour
        across, middle, curvature = rounding
        self._rows.append(
            (
                red * tone,
                green * tone,
                blue * tone,
                *material.emission,
                nx,
                ny,
                nz,
                *across,
                nx * px + ny * py + nz * pz,
                material.grain,
                material.grain_size,
                *material.block,
                material.gloss,
                material.emissivity,
                material.heat,
                material.mottle,
                anchor_u,
                anchor_v,
                middle,
                curvature,
            )
        )
        self.labels.append(label)
        self.things.append(thing)
        return len(self._rows) - 1

    def copy(self, row: int, label: int, thing: int) -> int:
        """Add a copy of a row with another class and object; return its number."""
        self._rows.append(self._rows[row])
        self.labels.append(label)
        self.things.append(thing)
        return len(self._rows) - 1

    def values(self) -> np.ndarray:
        """Return all rows, (N, columns) float32."""
        return np.array(self._rows, np.float32)


def round_about_axis(hull: Hull, towards: np.ndarray) -> tuple[tuple, float, float]:
    """Return the rounding of a hull about its axis: (across, middle, curvature) of a row."""
    centres = hull.centres
    axis = centres[1] - centres[0] if len(centres) == 2 else np.array([0.0, 1.0, 0.0])
    (ax, ay, az), (tx, ty, tz) = axis.tolist(), towards.tolist()
    across = np.array([ay * tz - az * ty, az * tx - ax * tz, ax * ty - ay * tx])
    length = np.sqrt(across @ across)
    if length < 1e-6:  # seen along its axis
        return _FLAT
    across /= length
    aside = centres @ across
    low, high = (aside - hull.radii).min(), (aside + hull.radii).max()
    return tuple(across.tolist()), float(low + high) / 2, 2 / float(high - low)
