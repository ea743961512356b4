"""Visible light: sky, sun, lamps, and the light that surfaces reflect."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from difusionseg_core.scenes.rendering import texture
from difusionseg_core.scenes.rendering.surface import Surface

CONDITIONS = ("day", "dusk", "night")


@dataclass(frozen=True)
class Lamp:
    """A point light."""

    position: np.ndarray  # (3,) world, metres
    power: np.ndarray  # (3,) linear RGB; 1 lights a white wall like full daylight from 1 m
    beam: np.ndarray | None = None  # (3,) where it points, if it is a spotlight


@dataclass(frozen=True)
class Light:
    """The light of a scene; 1 is the light of an overcast day."""

    condition: str  # one of CONDITIONS
    rain: bool
    sun: np.ndarray  # (3,) unit vector towards the sun (or moon)
    sun_colour: np.ndarray  # (3,) linear RGB
    ambient: np.ndarray  # (3,) light from the whole sky
    zenith: np.ndarray  # (3,) colour of the sky overhead
    horizon: np.ndarray  # (3,) and above the horizon
    cloud: float  # 0..1 strength of clouds
    visibility: float  # metres after which haze has taken 63 % of the contrast
    lamps: list[Lamp] = field(default_factory=list)


def random_light(rng: np.random.Generator, condition: str, rain: bool) -> Light:
    """Return the random light of a scene, without lamps."""
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = rng.uniform(0.35, 1.1) if condition == "day" else rng.uniform(0.12, 0.3)
    sun = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    overcast = rain or rng.random() < 0.5
    grey = np.ones(3)
    if condition == "day":
        sunny = 0.0 if overcast else rng.uniform(0.5, 1.5)
        sun_colour = sunny * np.array([1.0, 0.93, 0.8])
        ambient = rng.uniform(0.45, 0.75) * np.array([0.95, 1.0, 1.08])
        blue = np.array([0.25, 0.45, 0.95]) * rng.uniform(0.7, 1.4)
        white = grey * rng.uniform(1.2, 2.6)
        zenith, horizon = (0.8 * white, white) if overcast else (blue, 0.6 * white + 0.4 * blue)
    elif condition == "dusk":
        sun_colour = np.array([0.5, 0.28, 0.12]) * rng.uniform(0, 0.5)
        ambient = rng.uniform(0.12, 0.25) * np.array([0.85, 0.95, 1.2])
        zenith = np.array([0.12, 0.18, 0.36]) * rng.uniform(0.6, 1.4)
        horizon = np.array([0.9, 0.55, 0.35]) * rng.uniform(0.3, 1.1)
        if overcast:
            horizon = grey * horizon.mean()
    else:
        sun_colour = np.zeros(3)
        ambient = np.exp(rng.uniform(-8.0, -5.0)) * np.array([0.9, 1.0, 1.1])
        zenith = np.exp(rng.uniform(-9.0, -6.0)) * np.array([0.8, 0.9, 1.2])
        horizon = zenith + np.exp(rng.uniform(-9.0, -4.8)) * np.array([1.2, 1.0, 0.8])
    visibility = rng.uniform(150, 600) if rain else np.exp(rng.uniform(7.0, 9.5))
    return Light(
        condition,
        rain,
        sun,
        sun_colour,
        ambient,
        zenith,
        horizon,
        float(rng.uniform(0, 0.5)),
        visibility,
    )


def shade(surface: Surface, light: Light, streaks: np.ndarray | None) -> np.ndarray:
    """Return the radiance (H, W, 3) float32 at the camera; `streaks`: reflections if it rains."""
    upward = surface.normal[1]
    level = upward > 0.9
    open_sky = (0.72 + 0.28 * upward) * (1 - 0.65 * surface.shadow)
    reaches = [_lamp_light(surface, lamp) for lamp in light.lamps]
    # A vertical pane mirrors the other side of the street below and the sky above: a soft ramp.
    ramp = np.where(level, np.float32(0.5), np.clip(0.25 + 0.12 * surface.position[1], 0, 1))
    gloss = surface.gloss
    if light.rain:
        gloss = np.clip(gloss + np.where(level, np.float32(0.12), np.float32(0.03)), 0, 0.6)
        wet = np.where(level, np.float32(0.65), np.float32(1))
        puddles = np.float32(0.5) * level
    mirror = gloss * ramp * np.float32(0.5)
    clear = cv2.exp(surface.depth * np.float32(-1 / light.visibility))
    channels = []
    for channel in range(3):
        lit = float(light.ambient[channel]) * open_sky
        if light.sun_colour[channel] > 0:
            lit += float(light.sun_colour[channel]) * surface.sunlit
        for lamp, reach in zip(light.lamps, reaches, strict=True):
            lit += float(lamp.power[channel]) * reach
        if light.rain:
            lit *= wet
        lit *= surface.albedo[channel]
        lit += mirror * float(light.zenith[channel] + light.horizon[channel])
        lit += surface.emission[channel]
        if light.rain and streaks is not None:
            lit += streaks[..., channel] * puddles
        haze = float(light.horizon[channel])
        lit -= haze
        lit *= clear
        lit += haze
        channels.append(lit)
    radiance = cv2.merge(channels)
    rows, columns = np.nonzero(surface.sky)
    if len(rows):
        radiance[rows, columns] = _sky(light, surface.rays, rows, columns)
    return radiance


def _lamp_light(surface: Surface, lamp: Lamp) -> np.ndarray:
    """Return the share (H, W) of a lamp's power that reaches each pixel's surface."""
    to_lamp = [float(lamp.position[i]) - surface.position[i] for i in range(3)]
    square = to_lamp[0] * to_lamp[0]
    square += to_lamp[1] * to_lamp[1]
    square += to_lamp[2] * to_lamp[2]
    inverse = 1 / np.sqrt(square + 0.05)
    cosine = to_lamp[0] * surface.normal[0]
    cosine += to_lamp[1] * surface.normal[1]
    cosine += to_lamp[2] * surface.normal[2]
    cosine *= inverse
    # Faces turned away from the lamp get some light from the surroundings.
    reach = np.maximum(0.85 * cosine + 0.15, 0)
    reach /= square + 1
    if lamp.beam is not None:
        away = [-float(axis) for axis in lamp.beam]
        along = away[0] * to_lamp[0] + away[1] * to_lamp[1] + away[2] * to_lamp[2]
        reach *= np.clip(along * inverse * 5 - 4, 0, 1) ** 2  # from 37 degrees off to the middle
    return reach


def wet_streaks(emission: np.ndarray) -> np.ndarray:
    """Return the reflections of lights on a wet road, (H, W, 3) float32, from the emission."""
    height, width = emission.shape[:2]
    small = cv2.resize(emission, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    reach = height // 16
    kernel = np.zeros((2 * reach + 1, 1), np.float32)
    kernel[: reach + 1, 0] = np.linspace(0, 1, reach + 1)
    streaks = cv2.filter2D(small, -1, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)
    return cv2.resize(streaks, (width, height))


def _sky(light: Light, rays: tuple, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    ray_x, ray_y, ray_z = np.broadcast_arrays(*rays)
    up = ray_y[rows, columns]
    rise = np.clip(up * 2.2, 0, 1)[:, None]
    colour = light.horizon * (1 - rise) + light.zenith * rise
    clouds = texture.clouds(ray_x[rows, columns] / ray_z[rows, columns], up)
    return (colour * (1 + light.cloud * np.clip(clouds, -1, 1)[:, None] * 0.6)).astype(np.float32)
