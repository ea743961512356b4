"""Render a street scene to the images of both cameras and the mask."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from difusionseg_core.data.boxes import BOX_CLASSES, Box
from difusionseg_core.scenes.geometry.parts import Group, Thing
from difusionseg_core.scenes.geometry.viewpoint import Camera
from difusionseg_core.scenes.placement.street_scene import StreetScene
from difusionseg_core.scenes.rendering.canvas import Canvas
from difusionseg_core.scenes.rendering.colour_camera import photograph
from difusionseg_core.scenes.rendering.lighting import Lamp, shade, wet_streaks
from difusionseg_core.scenes.rendering.rain import falling_rain
from difusionseg_core.scenes.rendering.surface import surfaces
from difusionseg_core.scenes.rendering.thermal_camera import apparent_temperature, thermograph

T = TypeVar("T", bound=Thing)

_LAMPS = 8  # render the brightest lamps only; more take time and change little


class RenderedFrame(NamedTuple):
    """The images of a scene at one time."""

    rgb: np.ndarray  # (H, W, 3) uint8
    thermal: np.ndarray  # (H, W) uint8
    labels: np.ndarray  # (H, W) uint8, class ids of `difusionseg_core.classes.MSRS`
    boxes: list[Box]  # around the visible part of each person, bike and car, with `thing`
    degrees: np.ndarray  # (H, W) float32, degrees C that a radiometric thermal camera measures


def render(scene: StreetScene, time: float, seed: int) -> RenderedFrame:
    """Render the scene at `time` [s]; `seed` is the seed of the cameras' noise."""
    canvas, lamps = _painted(scene, time)
    camera = canvas.camera

    def glare(lamp: Lamp) -> float:
        return float(lamp.power.sum() / (np.sum((lamp.position - camera.position) ** 2) + 30))

    light = replace(scene.light, lamps=sorted(lamps, key=glare, reverse=True)[:_LAMPS])
    sun_strength = min(float(light.sun_colour.mean()), 1.0)
    size = canvas.index.shape
    radiance = np.empty((*size, 3), np.float32)
    warmth = np.empty(size, np.float32)
    labels = np.empty(size, np.uint8)
    streaks = wet_streaks(canvas.emission()) if light.rain else None
    for rows, surface in surfaces(canvas):
        labels[rows] = surface.labels
        warmth[rows] = apparent_temperature(surface, scene.climate, sun_strength)
        radiance[rows] = shade(surface, light, streaks[rows] if streaks is not None else None)
    noise = np.random.default_rng([seed, round(time * 1000)])
    if light.rain:
        radiance = falling_rain(radiance, float(light.ambient.mean()), noise)
    rgb = photograph(radiance, scene.colour_camera, noise)
    thermal, degrees = thermograph(warmth, scene.climate, np.random.default_rng(seed), noise)
    return RenderedFrame(rgb, thermal, labels, canvas.boxes(BOX_CLASSES.values()), degrees)


def temperatures(scene: StreetScene, time: float) -> np.ndarray:
    """Return what the thermal camera measures at `time` [s]: (H, W) float32, degrees C."""
    canvas, _ = _painted(scene, time)
    sun_strength = min(float(scene.light.sun_colour.mean()), 1.0)
    warmth = np.empty(canvas.index.shape, np.float32)
    for rows, surface in surfaces(canvas):
        warmth[rows] = apparent_temperature(surface, scene.climate, sun_strength)
    return warmth


def _painted(scene: StreetScene, time: float) -> tuple[Canvas, list[Lamp]]:
    """Return the painted canvas and all lamps."""
    canvas = Canvas(scene.camera(time), scene.light.sun)
    _paint_setting(canvas, scene, time)
    return canvas, scene.light.lamps + _paint_things(canvas, scene, time)


def _paint_setting(canvas: Canvas, scene: StreetScene, time: float) -> None:
    """Paint the background, the ground and the buildings."""
    canvas.paint(scene.backdrop)
    canvas.paint(scene.ground)
    for fixture in _far_to_near(scene.buildings, time, canvas.camera):
        for group in fixture.parts:
            canvas.paint(group)
            if _is_sunny(scene):
                canvas.cast_shadow(group[:3])  # its walls


def _paint_things(canvas: Canvas, scene: StreetScene, time: float) -> list[Lamp]:
    """Paint the objects far to near, with their shadows; return their lamps."""
    camera = canvas.camera
    lamps: list[Lamp] = []
    numbers = {id(thing): number for number, thing in enumerate(scene.things, start=1)}
    visible = [thing for thing in scene.things if _in_view(thing, time, camera)]
    for thing in _far_to_near(visible, time, camera):
        here = thing.place(time)
        groups = thing.groups(time, camera.position)
        for group in _far_groups_first(groups, camera):
            canvas.paint(group, here, numbers[id(thing)])
        if _is_sunny(scene):
            for group in groups:
                canvas.cast_shadow(group)
        elif hasattr(thing, "footprint"):
            canvas.darken_ground(thing.footprint(time), 0.85)
        elif thing.radius:
            canvas.darken_ground(_circle(here, thing.radius), 0.4)
        if hasattr(thing, "lamps"):
            lamps += thing.lamps(time)
    return lamps


def _is_sunny(scene: StreetScene) -> bool:
    """Whether the sun casts shadows."""
    return float(scene.light.sun_colour.mean()) > 0.05


def _in_view(thing: Thing, time: float, camera: Camera) -> bool:
    right, _, depth = camera.view(thing.place(time))
    reach = thing.radius + 7.0  # metres; the crown of a tree or the length of a wall
    return depth > -reach and abs(right) < reach + max(depth, 0) * camera.width / 2 / camera.focal


def _far_to_near(things: Iterable[T], time: float, camera: Camera) -> list[T]:
    return sorted(things, key=lambda t: -float(np.sum((t.place(time) - camera.position) ** 2)))


def _far_groups_first(groups: list[Group], camera: Camera) -> list[Group]:
    if len(groups) == 1:
        return groups

    def distance(group: Group) -> float:
        part = group[0]
        points = part.centres if hasattr(part, "centres") else part.points.reshape(-1, 3)
        return float(np.linalg.norm(points.mean(axis=0) - camera.position))

    return sorted(groups, key=distance, reverse=True)


def _circle(centre: np.ndarray, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return centre * [1, 0, 1] + radius * np.stack(
        [np.cos(angles), 0 * angles, np.sin(angles)], axis=1
    )
