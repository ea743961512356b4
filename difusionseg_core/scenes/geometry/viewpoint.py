"""The camera that looks along the street: its mounting, its motion and its projection."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Viewpoint:
    """Mounting and speed of the camera."""

    size: tuple[int, int]  # (height, width) in pixels
    focal: float  # pixels
    horizon: float  # image row
    lateral: float  # metres right of the road's middle
    height: float  # metres
    yaw: float  # radians off the street's direction
    speed: float  # m/s


@dataclass(frozen=True)
class Camera:
    """Pinhole camera in a world with x to the right, y up and z along the street, in metres.

    A shifted horizon replaces tilt. So verticals stay vertical, and the world direction of a ray
    is a sum of a part that depends on the column and a part that depends on the row.
    """

    width: int  # pixels
    height: int  # pixels
    focal: float  # pixels
    horizon: float  # image row of the horizon
    position: np.ndarray  # (3,) world
    yaw: float  # radians, positive to the right

    NEAR = 0.6  # metres; nothing nearer is painted

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return world points (..., 3) in camera axes (right, up, depth)."""
        return (points - self.position) @ self._turn

    def to_pixels(self, seen: np.ndarray) -> np.ndarray:
        """Project points in camera axes (..., 3), beyond the near plane, to pixels (..., 2)."""
        return seen[..., :2] * (self._scale / seen[..., 2:]) + self._centre

    @cached_property
    def _turn(self) -> np.ndarray:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])

    @cached_property
    def _scale(self) -> np.ndarray:
        return np.array([self.focal, -self.focal])

    @cached_property
    def _centre(self) -> np.ndarray:
        return np.array([self.width / 2, self.horizon])

    def rays(self, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the world direction of the rays of some rows, scaled to depth 1.

        Returns x (1, W), y (H, 1), z (1, W), float32.
        """
        across = ((np.arange(self.width) - self.width / 2) / self.focal)[None].astype(np.float32)
        down = np.arange(rows.start, rows.stop)[:, None]
        up = ((self.horizon - down) / self.focal).astype(np.float32)
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        return cos * across + sin, up, cos - sin * across


def clip_near(seen: np.ndarray, near: float) -> np.ndarray:
    """Return the part of a polygon (N, 3) in camera axes beyond the near plane; may be empty."""
    following = np.roll(seen, -1, axis=0)
    kept = []
    for here, there in zip(seen, following, strict=True):
        if here[2] >= near:
            kept.append(here)
        if (here[2] >= near) != (there[2] >= near):
            kept.append(here + (there - here) * (near - here[2]) / (there[2] - here[2]))
    return np.array(kept).reshape(-1, 3)
