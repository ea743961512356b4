"""The canvas: parts are painted far to near as numbers, which both cameras look up afterwards.

One integer image holds the part that each pixel shows. Colour, temperature, class and geometry
are properties of parts, so the RGB image, the thermal image and the mask agree in every pixel.
"""

from collections.abc import Collection
from typing import Any

import cv2
import numpy as np

from difusionseg_core.data.boxes import Box
from difusionseg_core.scenes.geometry.parts import (
    Cover,
    Face,
    Foliage,
    Group,
    Hull,
    Material,
    Part,
    Tube,
)
from difusionseg_core.scenes.geometry.viewpoint import Camera, clip_near
from difusionseg_core.scenes.rendering.part_table import EMISSION, PartTable, round_about_axis

_SUBPIXEL = 4  # binary digits of a pixel's fraction that OpenCV's drawing keeps
_FARTHEST = 15000 << _SUBPIXEL  # OpenCV's fixed-point drawing overflows beyond
_SHADES = 8  # of foliage, per unit of brightness
_SMALLEST_BOX = 4  # pixels
_ANGLES = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_RIM = np.linspace(0, 2 * np.pi, 56, endpoint=False)
# Four leafy outlines around a ball of radius 1: (4, 56, 2).
_LEAVES = np.stack([np.cos(_RIM), np.sin(_RIM)], axis=1) * (
    1 + 0.11 * np.random.default_rng(1).standard_normal((4, 56, 1))
)


class Canvas:
    """Paints parts as one camera sees them. `sun` (3,) is the direction to the sun."""

    def __init__(self, camera: Camera, sun: np.ndarray):
        shape = (camera.height, camera.width)
        self.camera = camera
        self.sun = sun
        self.table = PartTable(camera.position)
        self.index = np.zeros(shape, np.int32)  # row in the table of the part that a pixel shows
        self.shadow = np.zeros(shape, np.uint8)  # 0..255, share of the light kept off the ground
        self._thing = 0
        self._anchor = (0.0, 0.0, 0.0)

    def paint(self, group: Group, anchor: np.ndarray | None = None, thing: int = 0) -> None:
        """Paint parts in their order.

        Args:
            group: the parts.
            anchor: (3,) origin of their texture, which moves with the object.
            thing: number of the object that they belong to, 0 for none.
        """
        self._thing = thing
        self._anchor = (0.0, 0.0, 0.0) if anchor is None else tuple(anchor.tolist())
        for part in group:
            self._paint_part(part)

    def _paint_part(self, part: Part) -> None:
        if isinstance(part, Hull):
            self._paint_hull(part)
        elif isinstance(part, Tube):
            self._paint_tube(part)
        elif isinstance(part, Face):
            self._paint_face(part)
        elif isinstance(part, Foliage):
            self._paint_foliage(part)
        else:
            self._paint_cover(part)

    def _paint_hull(self, hull: Hull) -> None:
        camera = self.camera
        seen = camera.view(hull.centres)
        if seen[:, 2].min() < camera.NEAR:
            return
        reach = camera.focal * hull.radii / seen[:, 2]
        if reach.max() < 0.3:  # pixels
            return
        pixels = camera.to_pixels(seen)
        widest = reach.max()
        if (pixels[:, 0].max() + widest < 0) or (pixels[:, 0].min() - widest > camera.width):
            return
        rim = pixels[:, None] + reach[:, None, None] * _CIRCLE
        outline = cv2.convexHull(rim.reshape(-1, 2).astype(np.float32))[:, 0]
        towards = camera.position - hull.centres[0]
        towards = towards / np.sqrt(towards @ towards)
        rounding = round_about_axis(hull, towards)
        row = self._add_row(hull.material, towards, hull.centres[0], hull.label, rounding=rounding)
        cv2.fillPoly(self.index, [_fixed(outline)], row, shift=_SUBPIXEL)

    def _paint_foliage(self, foliage: Foliage) -> None:
        camera = self.camera
        seen = camera.view(foliage.centres)
        if seen[:, 2].min() < camera.NEAR:
            return
        reach = camera.focal * foliage.radii / seen[:, 2]
        pixels = camera.to_pixels(seen)
        outside = (pixels[:, 0] + 1.5 * reach < 0) | (pixels[:, 0] - 1.5 * reach > camera.width)
        shapes = _LEAVES[np.arange(len(reach)) % len(_LEAVES)]
        outlines = _fixed(pixels[:, None] + reach[:, None, None] * shapes)
        middle = foliage.centres[0]
        towards = camera.position - middle
        towards = towards / np.sqrt(towards @ towards)
        shades = np.round(foliage.tones * _SHADES).astype(int)
        rows: dict[int, int] = {}
        for number in np.argsort(-seen[:, 2]):
            if outside[number]:
                continue
            shade = shades[number]
            if shade not in rows:
                rows[shade] = self._add_row(
                    foliage.material, towards, middle, foliage.label, tone=shade / _SHADES
                )
            cv2.fillPoly(self.index, [outlines[number]], rows[shade], shift=_SUBPIXEL)

    def _paint_tube(self, tube: Tube) -> None:
        camera = self.camera
        seen = camera.view(tube.points)
        if seen[:, 2].min() < camera.NEAR:
            return
        width = tube.width * camera.focal / float(seen[0, 2])
        if width < 0.3:  # pixels
            return
        middle = tube.points[len(tube.points) // 2]
        towards = camera.position - middle
        towards = towards / np.sqrt(towards @ towards)
        row = self._add_row(tube.material, towards, middle, tube.label)
        cv2.polylines(
            self.index,
            [_fixed(camera.to_pixels(seen))],
            tube.closed,
            row,
            max(1, round(width)),
            shift=_SUBPIXEL,
        )

    def _paint_face(self, face: Face) -> None:
        camera = self.camera
        polygons = face.points if face.points.ndim == 3 else face.points[None]
        if face.outward is not None and face.outward @ (polygons[0, 0] - camera.position) >= 0:
            return
        outlines = self._project(polygons)
        if outlines:
            normal = _normal(polygons[0], camera)
            row = self._add_row(face.material, normal, polygons[0, 0], face.label)
            cv2.fillPoly(self.index, outlines, row, shift=_SUBPIXEL)

    def _paint_cover(self, cover: Cover) -> None:
        """Give the cover's class to the parts that are visible through its polygon."""
        outlines = self._project(cover.points[None])
        if not outlines:
            return
        left, top, width, height = cv2.boundingRect(outlines[0] >> _SUBPIXEL)
        rows = slice(max(top - 1, 0), max(top + height + 1, 0))
        columns = slice(max(left - 1, 0), max(left + width + 1, 0))
        window = self.index[rows, columns]
        if window.size == 0:
            return
        inside = np.zeros(window.shape, np.uint8)
        origin = (columns.start << _SUBPIXEL, rows.start << _SUBPIXEL)
        cv2.fillPoly(inside, [outlines[0] - origin], 1, shift=_SUBPIXEL)
        inside = inside.astype(bool)
        behind, number = np.unique(window[inside], return_inverse=True)
        # The sky is recognized by its number, so a copy would not be sky: keep it unlabelled.
        copies = [row and self.table.copy(row, cover.label, self._thing) for row in behind.tolist()]
        window[inside] = np.array(copies, np.int32)[number]

    def _project(self, polygons: np.ndarray) -> list[np.ndarray]:
        """Project world polygons (M, N, 3) to fixed-point pixels, clipped at the near plane."""
        camera = self.camera
        seen = camera.view(polygons)
        if seen[..., 2].min() >= camera.NEAR:
            return list(_fixed(camera.to_pixels(seen)))
        clipped = (clip_near(polygon, camera.NEAR) for polygon in seen)
        return [_fixed(camera.to_pixels(polygon)) for polygon in clipped if len(polygon) >= 3]

    def cast_shadow(self, group: Group) -> None:
        """Cast the shadow of parts on the ground (y = 0)."""
        slope = self.sun / max(self.sun[1], 0.15)
        across = np.array([self.sun[2], 0.0, -self.sun[0]])
        for part in group:
            if isinstance(part, Foliage):
                polygons = part.centres[:, None] + part.radii[:, None, None] * (
                    across * _CIRCLE[:, :1] + np.array([0, 1.0, 0]) * _CIRCLE[:, 1:]
                )
            elif isinstance(part, Hull):
                sides = part.radii[:, None] * across
                points = np.concatenate([part.centres + sides, part.centres - sides])
                polygons = points[None]
            elif isinstance(part, Face):
                polygons = part.points if part.points.ndim == 3 else part.points[None]
            else:
                continue
            for outline in self._project(polygons - slope * polygons[..., 1:2]):
                if isinstance(part, Hull):
                    outline = cv2.convexHull(outline)
                cv2.fillPoly(self.shadow, [outline], 255, shift=_SUBPIXEL)

    def darken_ground(self, outline: np.ndarray, share: float) -> None:
        """Darken a polygon (N, 3) on the ground by a share (0..1) of the light."""
        for fixed in self._project(outline[None]):
            cv2.fillPoly(self.shadow, [fixed], int(255 * share), shift=_SUBPIXEL)

    def _add_row(
        self, material: Material, normal: np.ndarray, point: np.ndarray, label: int, **more: Any
    ) -> int:
        return self.table.add(material, normal, point, label, self._thing, self._anchor, **more)

    def emission(self) -> np.ndarray:
        """Return the light that each pixel's surface emits, (H, W, 3) float32."""
        return self.table.values()[:, EMISSION].take(self.index, axis=0)

    def boxes(self, labels: Collection[int]) -> list[Box]:
        """Return boxes around the visible parts of these classes, one for each object.

        Parts with fewer than 4 visible pixels have no box.
        """
        classes, things = np.array(self.table.labels), np.array(self.table.things)
        code = np.where(np.isin(classes, list(labels)) & (things > 0), 256 * things + classes, 0)
        seen = code.astype(np.int32).take(self.index)
        ys, xs = np.nonzero(seen)
        codes, number = np.unique(seen[ys, xs], return_inverse=True)
        reach = np.full((4, len(codes)), max(seen.shape))
        for extreme, ends in zip(reach, (xs, ys, -1 - xs, -1 - ys), strict=True):
            np.minimum.at(extreme, number, ends)
        left, top, right, bottom = reach * np.array([[1], [1], [-1], [-1]])
        large = (right - left >= _SMALLEST_BOX) & (bottom - top >= _SMALLEST_BOX)
        edges = np.stack([codes % 256, left, top, right, bottom, codes // 256], axis=1)[
            large
        ].tolist()
        return [Box(*box) for box in edges]


def _fixed(pixels: np.ndarray) -> np.ndarray:
    """Return pixels as OpenCV's fixed-point integers."""
    scaled = pixels * (1 << _SUBPIXEL)
    return np.minimum(np.maximum(scaled, -_FARTHEST), _FARTHEST).astype(np.int32)


def _normal(polygon: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the unit normal of a polygon (N, 3) on the side that the camera sees."""
    (ax, ay, az), (bx, by, bz) = (polygon[1:3] - polygon[0]).tolist()
    normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    normal /= max(np.sqrt(normal @ normal), 1e-12)
    return -normal if normal @ (polygon[0] - camera.position) > 0 else normal
