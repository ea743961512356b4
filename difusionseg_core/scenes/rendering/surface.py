"""Surface properties of every pixel, looked up from a painted canvas for both cameras."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from difusionseg_core.scenes.geometry.viewpoint import Camera
from difusionseg_core.scenes.rendering import part_table as column
from difusionseg_core.scenes.rendering import texture
from difusionseg_core.scenes.rendering.canvas import Canvas

_BAND = 48  # rows


@dataclass
class Surface:
    """Surface properties of a band of rows; arrays (H, W) float32 unless noted."""

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
    sunlit: np.ndarray = field(init=False)  # 0..1, cosine of the sun's incidence, 0 in shadow
    shadow: np.ndarray = field(init=False)  # 0..1, share of the light that nearby objects block
    labels: np.ndarray = field(init=False)  # uint8


def surfaces(canvas: Canvas) -> Iterator[tuple[slice, Surface]]:
    """Yield the surfaces of all pixels in bands of rows (small arrays stay in the cache)."""
    table = canvas.table.values()
    labels = np.array(canvas.table.labels, np.uint8)
    sun = canvas.sun.astype(np.float32)
    facing = np.clip(table[:, column.NORMAL] @ sun, 0, None)
    shadow = cv2.GaussianBlur(canvas.shadow, (0, 0), 2.0)
    for top in range(0, canvas.camera.height, _BAND):
        rows = slice(top, min(top + _BAND, canvas.camera.height))
        index = canvas.index[rows].astype(np.intp)
        surface = _look_up(canvas.camera, rows, index, table)
        surface.labels = labels.take(index)
        surface.sunlit = facing.take(index)
        _round_off(surface, table, index, sun)
        surface.shadow = shadow[rows] * np.float32(1 / 255)
        surface.shadow *= (surface.normal[1] > 0.95) & (surface.position[1] < 0.3)
        surface.sunlit *= 1 - surface.shadow
        yield rows, surface


def _look_up(camera: Camera, rows: slice, index: np.ndarray, table: np.ndarray) -> Surface:
    """Return the surfaces of some rows, with each part flat and in full sun."""

    def look_up(number: int) -> np.ndarray:
        return table[:, number].take(index)

    normal = table[:, column.NORMAL].T.take(index, axis=1)
    ray_x, ray_y, ray_z = camera.rays(rows)
    along = normal[0] * ray_x
    along += normal[1] * ray_y
    along += normal[2] * ray_z
    # The depth of a plane seen edge-on is undefined: keep the division away from zero.
    depth = look_up(column.OFFSET) / np.minimum(along, np.float32(-1e-3))
    np.clip(depth, camera.NEAR / 2, 1e4, out=depth)
    eye_x, eye_y, eye_z = camera.position.tolist()
    position = np.stack([depth * ray_x + eye_x, depth * ray_y + eye_y, depth * ray_z + eye_z])
    level = normal[1] > 0.7
    u, v = _texture_axes(normal, position, level)
    u -= look_up(column.ANCHOR_U)
    v -= look_up(column.ANCHOR_V)
    # The camera sees the ground at a small angle: a pixel covers more ground than wall.
    footprint = depth * np.float32(1 / camera.focal)
    footprint *= np.where(level, depth * np.float32(1 / max(eye_y, 0.3)), np.float32(1))
    grain_size = look_up(column.GRAIN_SIZE)
    fine = np.clip(1.5 - 30 * footprint / grain_size, 0, 1)
    grain = 0.7 * texture.noise(u, v, grain_size)
    grain += 0.5 * fine * texture.noise(u, v, grain_size * np.float32(1 / 9))
    heat = look_up(column.HEAT)
    heat += look_up(column.MOTTLE) * grain
    grain *= look_up(column.GRAIN)
    tone = 1 + np.clip(grain, -0.8, 1.5)
    block_width = look_up(column.BLOCK_WIDTH)
    laid = np.nonzero(block_width)
    if len(laid[0]):
        sizes = block_width[laid], look_up(column.BLOCK_HEIGHT)[laid]
        tone[laid] *= texture.blocks(u[laid], v[laid], *sizes, footprint[laid])
    return Surface(
        rays=(ray_x, ray_y, ray_z),
        sky=index == 0,
        albedo=table[:, column.COLOUR].T.take(index, axis=1) * tone,
        emission=table[:, column.EMISSION].T.take(index, axis=1),
        gloss=look_up(column.GLOSS),
        emissivity=look_up(column.EMISSIVITY),
        heat=heat,
        normal=normal,
        position=position,
        depth=depth,
    )


def _round_off(surface: Surface, table: np.ndarray, index: np.ndarray, sun: np.ndarray) -> None:
    """Curve rounded parts away from the camera towards their edges, in place."""
    spots = np.flatnonzero(table[:, column.CURVATURE].take(index))
    if len(spots) == 0:
        return
    parts = table[index.ravel()[spots]].T
    across = parts[column.ACROSS]
    aside = (across * surface.position.reshape(3, -1)[:, spots]).sum(axis=0)
    aside = np.clip((aside - parts[column.MIDDLE]) * parts[column.CURVATURE], -0.98, 0.98)
    ahead = np.sqrt(1 - aside * aside)
    turned = parts[column.NORMAL] * ahead + across * aside
    surface.normal.reshape(3, -1)[:, spots] = turned
    surface.sunlit.ravel()[spots] = np.clip(sun @ turned, 0, None)
    # Edges are colder: clothes are loose there, and they face the cold surroundings.
    surface.heat.ravel()[spots] *= 0.6 + 0.4 * ahead


def _texture_axes(
    normal: np.ndarray, position: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return texture coordinates in metres: the ground plan, or along and up."""
    along = normal[2] * position[0]
    along -= normal[0] * position[2]
    return np.where(level, position[0], along), np.where(level, position[2], position[1])
