"""The canvas: parts are painted far to near as numbers, and looked up for both cameras afterwards.

One integer image says which part each pixel shows. Colour, temperature, class and geometry are
properties of parts, so the RGB image, the thermal image and the mask agree to the pixel.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from difusionseg_core.data.boxes import Box
from difusionseg_core.scenes import texture
from difusionseg_core.scenes.camera import Camera, clip_near
from difusionseg_core.scenes.parts import Cover, Face, Foliage, Group, Hull, Material, Part, Tube

_SUBPIXEL = 4  # binary digits of a pixel's fraction that OpenCV's drawing keeps
_FARTHEST = 15000 << _SUBPIXEL  # OpenCV's fixed-point drawing overflows beyond
_SHADES = 8  # of foliage, per unit of brightness
_SMALLEST_BOX = 4  # pixels
_ANGLES = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_BAND = 48  # rows
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_RIM = np.linspace(0, 2 * np.pi, 56, endpoint=False)
# Four leafy outlines around a ball of radius 1: (4, 56, 2).
_LEAVES = np.stack([np.cos(_RIM), np.sin(_RIM)], axis=1) * (
    1 + 0.11 * np.random.default_rng(1).standard_normal((4, 56, 1))
)

# Columns of the table of painted parts. A rounded part turns away from the camera to both sides
# of its middle line: `_ACROSS` is the direction of that turn, `_MIDDLE` where the line lies in it,
# `_CURVATURE` one over half the part's width, 0 for a flat part.
_COLOUR, _EMISSION, _NORMAL, _ACROSS = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
(
    _OFFSET,
    _GRAIN,
    _GRAIN_SIZE,
    _BLOCK_WIDTH,
    _BLOCK_HEIGHT,
    _GLOSS,
    _EMISSIVITY,
    _HEAT,
    _MOTTLE,
    _ANCHOR_U,
    _ANCHOR_V,
    _MIDDLE,
    _CURVATURE,
) = range(12, 25)
_FLAT = (0.0, 0.0, 0.0), 0.0, 0.0


@dataclass
class Surface:
    """What the pixels of a band of rows show; arrays (H, W) float32 unless said otherwise."""

    rays: tuple[np.ndarray, np.ndarray, np.ndarray]  # as those of `Camera.rays`
    sky: np.ndarray  # bool
    albedo: np.ndarray  # (3, H, W), texture included
    emission: np.ndarray  # (3, H, W)
    gloss: np.ndarray
    emissivity: np.ndarray
    heat: np.ndarray  # degrees C above the air
    normal: np.ndarray  # (3, H, W) unit vectors, towards the camera
    position: np.ndarray  # (3, H, W) world, metres
    depth: np.ndarray  # metres
    sunlit: np.ndarray  # 0..1, cosine of the sun on the surface, 0 where it is blocked
    shadow: np.ndarray  # 0..1, share of the sky's and the sun's light that things nearby block
    labels: np.ndarray  # uint8


class Canvas:
    """Paints parts seen by one camera. `sun` (3,) points to the light that casts shadows."""

    def __init__(self, camera: Camera, sun: np.ndarray):
        shape = (camera.height, camera.width)
        self.camera = camera
        self._sun = sun
        self._index = np.zeros(shape, np.int32)  # 0 is the sky
        self._shadow = np.zeros(shape, np.uint8)
        self._rows: list[tuple] = []
        self._row_labels: list[int] = []
        self._row_things: list[int] = []
        self._thing = 0
        self._anchor = np.zeros(3)
        far = Material((0, 0, 0), grain=0)
        self._add_row(far, np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1e4]), 0)

    def paint(self, group: Group, anchor: np.ndarray | None = None, thing: int = 0) -> None:
        """Paint parts in their order.

        anchor: (3,) what their texture moves with; thing: the number of the thing that they
        belong to, 0 for none.
        """
        self._thing = thing
        self._anchor = np.zeros(3) if anchor is None else anchor
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
        rounding = _rounding(hull, towards)
        row = self._add_row(hull.material, towards, hull.centres[0], hull.label, rounding=rounding)
        cv2.fillPoly(self._index, [_fixed(outline)], row, shift=_SUBPIXEL)

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
            cv2.fillPoly(self._index, [outlines[number]], rows[shade], shift=_SUBPIXEL)

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
            self._index,
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
            cv2.fillPoly(self._index, outlines, row, shift=_SUBPIXEL)

    def _paint_cover(self, cover: Cover) -> None:
        """Give what is seen through the polygon the cover's class: the same parts, relabelled."""
        outlines = self._project(cover.points[None])
        if not outlines:
            return
        left, top, width, height = cv2.boundingRect(outlines[0] >> _SUBPIXEL)
        rows = slice(max(top - 1, 0), max(top + height + 1, 0))
        columns = slice(max(left - 1, 0), max(left + width + 1, 0))
        window = self._index[rows, columns]
        if window.size == 0:
            return
        inside = np.zeros(window.shape, np.uint8)
        origin = (columns.start << _SUBPIXEL, rows.start << _SUBPIXEL)
        cv2.fillPoly(inside, [outlines[0] - origin], 1, shift=_SUBPIXEL)
        inside = inside.astype(bool)
        behind, number = np.unique(window[inside], return_inverse=True)
        first = len(self._rows)
        self._rows += [self._rows[row] for row in behind]
        self._row_labels += [cover.label] * len(behind)
        self._row_things += [self._thing] * len(behind)
        # The sky is told by its number, so its clone would not be sky: leave it unlabelled.
        window[inside] = np.where(behind[number] == 0, 0, first + number)

    def _project(self, polygons: np.ndarray) -> list[np.ndarray]:
        """World polygons (M, N, 3) as fixed-point pixels, without what is behind the camera."""
        camera = self.camera
        seen = camera.view(polygons)
        if seen[..., 2].min() >= camera.NEAR:
            return list(_fixed(camera.to_pixels(seen)))
        clipped = (clip_near(polygon, camera.NEAR) for polygon in seen)
        return [_fixed(camera.to_pixels(polygon)) for polygon in clipped if len(polygon) >= 3]

    def cast_shadow(self, group: Group) -> None:
        """Let parts block the sun from the ground (y = 0)."""
        slope = self._sun / max(self._sun[1], 0.15)
        across = np.array([self._sun[2], 0.0, -self._sun[0]])
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
                cv2.fillPoly(self._shadow, [outline], 255, shift=_SUBPIXEL)

    def darken_ground(self, outline: np.ndarray, share: float) -> None:
        """Block a share (0..1) of the light from a polygon (N, 3) on the ground."""
        for fixed in self._project(outline[None]):
            cv2.fillPoly(self._shadow, [fixed], int(255 * share), shift=_SUBPIXEL)

    def _add_row(
        self,
        material: Material,
        normal: np.ndarray,
        point: np.ndarray,
        label: int,
        tone: float = 1.0,
        rounding: tuple = _FLAT,
    ) -> int:
        nx, ny, nz = normal.tolist()
        px, py, pz = (point - self.camera.position).tolist()
        ax, ay, az = self._anchor.tolist()
        # Texture axes as in `_texture_axes`, for the anchor.
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
        self._row_labels.append(label)
        self._row_things.append(self._thing)
        return len(self._rows) - 1

    def emission(self) -> np.ndarray:
        """Light given off by every pixel's surface, (H, W, 3) float32."""
        table = np.array([row[_EMISSION] for row in self._rows], np.float32)
        return table.take(self._index, axis=0)

    def boxes(self, labels: Collection[int]) -> list[Box]:
        """What is seen of each thing's parts of the given classes; not if under 4 pixels."""
        classes, things = np.array(self._row_labels), np.array(self._row_things)
        code = np.where(np.isin(classes, list(labels)) & (things > 0), 256 * things + classes, 0)
        seen = code.astype(np.int32).take(self._index)
        ys, xs = np.nonzero(seen)
        codes, number = np.unique(seen[ys, xs], return_inverse=True)
        reach = np.full((4, len(codes)), max(seen.shape))
        for extreme, ends in zip(reach, (xs, ys, -1 - xs, -1 - ys), strict=True):
            np.minimum.at(extreme, number, ends)
        left, top, right, bottom = reach * np.array([[1], [1], [-1], [-1]])
        large = (right - left >= _SMALLEST_BOX) & (bottom - top >= _SMALLEST_BOX)
        edges = np.stack([codes % 256, left, top, right, bottom], axis=1)[large].tolist()
        return [Box(*box) for box in edges]

    def surfaces(self) -> Iterator[tuple[slice, Surface]]:
        """Look up what every pixel shows, in bands of rows (small arrays stay in the cache)."""
        table = np.array(self._rows, np.float32)
        labels = np.array(self._row_labels, np.uint8)
        facing = np.clip(table[:, _NORMAL] @ self._sun.astype(np.float32), 0, None)
        blurred = cv2.GaussianBlur(self._shadow, (0, 0), 2.0)
        for top in range(0, self.camera.height, _BAND):
            rows = slice(top, min(top + _BAND, self.camera.height))
            yield rows, self._surface(rows, table, labels, facing, blurred[rows])

    def _surface(
        self,
        rows: slice,
        table: np.ndarray,
        labels: np.ndarray,
        facing: np.ndarray,
        blurred: np.ndarray,
    ) -> Surface:
        index = self._index[rows].astype(np.intp)

        def look_up(column: int) -> np.ndarray:
            return table[:, column].take(index)

        normal = table[:, _NORMAL].T.take(index, axis=1)
        ray_x, ray_y, ray_z = self.camera.rays(rows)
        along = normal[0] * ray_x
        along += normal[1] * ray_y
        along += normal[2] * ray_z
        # A plane seen edge-on has no depth of its own: keep the division away from zero.
        depth = look_up(_OFFSET) / np.minimum(along, np.float32(-1e-3))
        np.clip(depth, self.camera.NEAR / 2, 1e4, out=depth)
        camera = self.camera.position.tolist()
        position = np.stack(
            [depth * ray_x + camera[0], depth * ray_y + camera[1], depth * ray_z + camera[2]]
        )
        level = normal[1] > 0.7
        u, v = _texture_axes(normal, position, level)
        u -= look_up(_ANCHOR_U)
        v -= look_up(_ANCHOR_V)
        # The ground is seen at a slant: a pixel covers more of it than of an upright face.
        footprint = depth * np.float32(1 / self.camera.focal)
        footprint *= np.where(level, depth * np.float32(1 / max(camera[1], 0.3)), np.float32(1))
        grain_size = look_up(_GRAIN_SIZE)
        fine = np.clip(1.5 - 30 * footprint / grain_size, 0, 1)
        grain = 0.7 * texture.noise(u, v, grain_size)
        grain += 0.5 * fine * texture.noise(u, v, grain_size * np.float32(1 / 9))
        heat = look_up(_HEAT)
        heat += look_up(_MOTTLE) * grain
        grain *= look_up(_GRAIN)
        tone = 1 + np.clip(grain, -0.8, 1.5)
        block_width = look_up(_BLOCK_WIDTH)
        laid = np.nonzero(block_width)
        if len(laid[0]):
            sizes = block_width[laid], look_up(_BLOCK_HEIGHT)[laid]
            tone[laid] *= texture.blocks(u[laid], v[laid], *sizes, footprint[laid])
        sunlit = facing.take(index)
        self._round_off(table, index, position, normal, sunlit, heat)
        shadow = blurred * np.float32(1 / 255)
        shadow *= (normal[1] > 0.95) & (position[1] < 0.3)
        return Surface(
            rays=(ray_x, ray_y, ray_z),
            sky=index == 0,
            albedo=table[:, _COLOUR].T.take(index, axis=1) * tone,
            emission=table[:, _EMISSION].T.take(index, axis=1),
            gloss=look_up(_GLOSS),
            emissivity=look_up(_EMISSIVITY),
            heat=heat,
            normal=normal,
            position=position,
            depth=depth,
            sunlit=sunlit * (1 - shadow),
            shadow=shadow,
            labels=labels.take(index),
        )

    def _round_off(self, table, index, position, normal, sunlit, heat) -> None:
        """Turn the surface of rounded parts away from the camera towards their flanks, in place."""
        spots = np.flatnonzero(table[:, _CURVATURE].take(index))
        if len(spots) == 0:
            return
        parts = table[index.ravel()[spots]].T
        across = parts[_ACROSS]
        aside = (across * position.reshape(3, -1)[:, spots]).sum(axis=0) - parts[_MIDDLE]
        aside = np.clip(aside * parts[_CURVATURE], -0.98, 0.98)
        ahead = np.sqrt(1 - aside * aside)
        turned = parts[_NORMAL] * ahead + across * aside
        normal.reshape(3, -1)[:, spots] = turned
        sunlit.ravel()[spots] = np.clip(self._sun.astype(np.float32) @ turned, 0, None)
        # Flanks lose heat: cloth hangs loose there, and they face the cold surroundings.
        heat.ravel()[spots] *= 0.6 + 0.4 * ahead


def _fixed(pixels: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV's fixed-point integers."""
    scaled = pixels * (1 << _SUBPIXEL)
    return np.minimum(np.maximum(scaled, -_FARTHEST), _FARTHEST).astype(np.int32)


def _rounding(hull: Hull, towards: np.ndarray) -> tuple[tuple, float, float]:
    """How a hull is rounded about its axis, as (across, middle, curvature) of a table row."""
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


def _normal(polygon: np.ndarray, camera: Camera) -> np.ndarray:
    """Unit normal of a polygon (N, 3) on the side that the camera sees."""
    (ax, ay, az), (bx, by, bz) = (polygon[1:3] - polygon[0]).tolist()
    normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    normal /= max(np.sqrt(normal @ normal), 1e-12)
    return -normal if normal @ (polygon[0] - camera.position) > 0 else normal


def _texture_axes(normal: np.ndarray, position: np.ndarray, level: np.ndarray):
    """Coordinates in metres in which a surface's texture is laid: ground plan, or along and up."""
    along = normal[2] * position[0]
    along -= normal[0] * position[2]
    return np.where(level, position[0], along), np.where(level, position[2], position[1])
