"""Parts of scene objects: surfaces with a material, as flat faces, round hulls and tubes."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

UP = np.array([0.0, 1.0, 0.0])
Colour = tuple[float, float, float]  # linear RGB, 0..1 for a reflectance


@dataclass(frozen=True, slots=True)
class Material:
    """Appearance of a surface in the RGB and the thermal image."""

    colour: Colour
    emission: Colour = (0.0, 0.0, 0.0)  # emitted light; 1 is full daylight
    grain: float = 0.05  # relative strength of the colour noise
    grain_size: float = 1.0  # period of that noise in metres
    block: tuple[float, float] = (0.0, 0.0)  # size of bricks or slabs in metres, 0 for none
    gloss: float = 0.0  # share of mirrored skylight, 0..1
    emissivity: float = 0.95  # thermal; the rest of the radiance is mirrored sky
    heat: float = 0.0  # degrees C above the air, without the heating by the sun
    mottle: float = 0.2  # standard deviation of the temperature noise in degrees C

    def painted(self, colour: Colour) -> "Material":
        """Return the same surface in another colour."""
        return replace(self, colour=colour)

    def warmed(self, degrees: float) -> "Material":
        """Return the same surface at `degrees` C above the air."""
        return replace(self, heat=degrees)

    def glowing(self, emission: Colour) -> "Material":
        """Return the same surface, emitting light."""
        return replace(self, emission=emission)

    def shaded(self, factor: float) -> "Material":
        """Return the same surface with its colour multiplied by `factor`."""
        red, green, blue = self.colour
        return replace(self, colour=(red * factor, green * factor, blue * factor))


@dataclass(slots=True)
class Face:
    """A flat polygon (N, 3), or several polygons in one plane (M, N, 3)."""

    points: np.ndarray
    material: Material
    label: int = 0
    outward: np.ndarray | None = None  # (3,) normal; if given, painted only on this side


@dataclass(slots=True)
class Hull:
    """The convex outline of balls at (N, 3) with radii (N,): limbs, heads, bodies."""

    centres: np.ndarray
    radii: np.ndarray
    material: Material
    label: int = 0


@dataclass(slots=True)
class Foliage:
    """Leafy balls at (N, 3) with radii (N,) and brightness factors `tones` (N,)."""

    centres: np.ndarray
    radii: np.ndarray
    tones: np.ndarray
    material: Material
    label: int = 0


@dataclass(slots=True)
class Tube:
    """A thin round bar along a polyline (N, 3)."""

    points: np.ndarray
    width: float  # metres
    material: Material
    label: int = 0
    closed: bool = False


@dataclass(slots=True)
class Cover:
    """A polygon (N, 3) that sets the class but hides nothing: spokes, the gaps of a railing."""

    points: np.ndarray
    label: int


Part = Face | Hull | Foliage | Tube | Cover
Group = list[Part]  # painted in this order; the groups of an object are painted far to near


class Thing(Protocol):
    """An object with a place on the ground. Objects are painted far to near."""

    @property
    def radius(self) -> float:
        """Radius of the ground that it occupies in metres."""

    def place(self, time: float) -> np.ndarray:
        """Return the point on the ground below it (3,) at `time` [s]."""

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        """Return its parts at `time` [s], as seen from `eye` (3,)."""


@dataclass(frozen=True)
class Fixture:
    """An object that does not move."""

    parts: list[Group]
    where: np.ndarray  # (3,) point on the ground below its centre
    radius: float = 0.4  # radius of the ground that it occupies in metres

    def place(self, time: float) -> np.ndarray:
        """Return the point on the ground below it (3,), the same at any time."""
        return self.where

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        """Return its parts, the same at any time."""
        return self.parts


def heading_axes(heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the forward and right unit vectors of a heading in radians (0 is along +z)."""
    cos, sin = np.cos(heading), np.sin(heading)
    return np.array([sin, 0.0, cos]), np.array([cos, 0.0, -sin])


def box(
    centre: ArrayLike,
    size: tuple[float, float, float],
    heading: float,
    material: Material,
    label: int = 0,
) -> Group:
    """Return the five upper faces of a box: centre of the base (3,), (length, height, width)."""
    forward, right = heading_axes(heading)
    length, height, width = size
    base = np.asarray(centre, float)
    faces: Group = []
    for normal, along, reach, span in (
        (forward, right, length, width),
        (-forward, right, length, width),
        (right, forward, width, length),
        (-right, forward, width, length),
    ):
        middle = base + normal * reach / 2
        side = along * span / 2
        points = np.array(
            [middle - side, middle + side, middle + side + UP * height, middle - side + UP * height]
        )
        faces.append(Face(points, material, label, normal))
    a, b = forward * length / 2, right * width / 2
    top = base + UP * height + np.array([a + b, a - b, -a - b, -a + b])
    faces.append(Face(top, material, label, UP))
    return faces


def plank(
    a: np.ndarray, b: np.ndarray, height: float, width: float, material: Material, label: int = 0
) -> Group:
    """Return an upright box on the line from a to b (3,)."""
    run = b - a
    heading, length = float(np.arctan2(run[0], run[2])), float(np.hypot(run[0], run[2]))
    return box((a + b) / 2, (length, height, width), heading, material, label)


def disc(
    centre: ArrayLike, radius: float, axis_a: np.ndarray, axis_b: np.ndarray, corners: int = 16
) -> np.ndarray:
    """Return points (corners, 3) of a circle in the plane of two unit vectors."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return (
        np.asarray(centre)
        + radius * np.cos(angles)[:, None] * axis_a
        + radius * np.sin(angles)[:, None] * axis_b
    )


def on_quad(quad: np.ndarray, u0: float, u1: float, v0: float, v1: float) -> np.ndarray:
    """Return the part of a quad (4, 3) between u0..u1 of its first edge and v0..v1 of its second.

    All four are shares of the edge's length, 0..1.
    """
    a, b, c, d = quad

    def at(u: float, v: float) -> np.ndarray:
        return (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v

    return np.array([at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)])
