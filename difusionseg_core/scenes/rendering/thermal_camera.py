"""The thermal camera: from surface temperatures to an 8-bit image.

The thermal image is computed from temperature and emissivity, never from the colour image: a black
and a white coat look the same, a window mirrors the cold sky, a parked car is cold.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from difusionseg_core.scenes.rendering import noise, texture
from difusionseg_core.scenes.rendering.surface import Surface

_COLD = 12.0  # grey levels
SKIN = 32.0  # degrees C of a face, indoors; cooler in the cold


@dataclass(frozen=True)
class Climate:
    """Temperatures in degrees C, and settings of the thermal camera."""

    air: float
    sky: float  # apparent temperature of the clear sky overhead
    sun: float  # degrees that full sun adds to a black surface facing it
    ground: float  # degrees of the ground above the air
    walls: float  # degrees of walls above the air
    coldest: float  # temperature that is black in the image
    per_degree: float  # grey levels per degree C
    pedestal: float  # grey level of the coldest sky
    noise: float  # grey levels, standard deviation
    softness: float  # pixels at 640 wide, standard deviation of the optics' blur

    def skin(self) -> float:
        """Return the temperature of bare skin, in degrees C above the air."""
        return max(0.75 * (SKIN - self.air), 2.0)

    def clothes(self, thickness: float) -> float:
        """Return the temperature of clothing, from 0 (thin) to 1 (winter coat), above the air."""
        return max((0.65 - 0.47 * thickness) * (SKIN - self.air), 1.0)


def random_climate(rng: np.random.Generator, condition: str, rain: bool) -> Climate:
    """Return random temperatures for the time of day, and random camera settings."""
    air = rng.uniform(4, 26) if condition == "day" else rng.uniform(0, 22)
    sky = air - (rng.uniform(6, 14) if rain else rng.uniform(15, 35))
    ground = {"day": rng.uniform(-3, 2), "dusk": rng.uniform(-1, 4), "night": rng.uniform(-2.5, 2)}[
        condition
    ]
    skin = air + 0.75 * (SKIN - air)
    # Automatic gain: skin is bright, the background between nearly black and a third of the range.
    background = rng.uniform(8, 24) + rng.exponential(6)
    per_degree = (rng.uniform(150, 260) - background) / max(skin - air, 5.0)
    return Climate(
        air=air,
        sky=sky,
        sun=0.0 if rain else rng.uniform(1, 9),
        ground=ground,
        walls=rng.uniform(-0.5, 4),
        coldest=air - background / per_degree,
        per_degree=per_degree,
        pedestal=float(rng.uniform(0, 9)),
        noise=float(np.exp(rng.uniform(np.log(0.4), np.log(1.8)))),
        softness=rng.uniform(0.6, 1.3),
    )


def apparent_temperature(surface: Surface, climate: Climate, sun_strength: float) -> np.ndarray:
    """Return the temperature of a black body of the same radiance, (H, W) float32, degrees C.

    `sun_strength`: direct sun, 0 (none) to 1 (full).
    """
    own = surface.heat + climate.air
    if sun_strength > 0:
        red, green, blue = surface.albedo
        dark = np.clip(1 - (red + green + blue) * (1 / 3), 0, 1)
        own += climate.sun * sun_strength * surface.sunlit * dark
    # The low part of a vertical face mirrors the street, the high part the sky.
    mirrors_sky = np.clip(0.15 + 0.85 * surface.normal[1] + 0.04 * surface.position[1], 0.05, 1)
    mirrored = climate.air + mirrors_sky * (climate.sky - climate.air)
    seen = surface.emissivity * own + (1 - surface.emissivity) * mirrored
    seen += (climate.air - seen) * (1 - cv2.exp(surface.depth * np.float32(-1 / 600)))
    rows, columns = np.nonzero(surface.sky)
    if len(rows):
        seen[rows, columns] = _sky_temperature(climate, surface.rays, rows, columns)
    return seen


def _sky_temperature(
    climate: Climate, rays: tuple, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    ray_x, ray_y, ray_z = np.broadcast_arrays(*rays)
    up = ray_y[rows, columns]
    share = np.clip(0.35 + up * 2, 0, 1)
    clouds = texture.clouds(ray_x[rows, columns] / ray_z[rows, columns], up)
    return climate.air + share * (climate.sky - climate.air) + 1.5 * np.clip(clouds, 0, 2)


def thermograph(
    temperature: np.ndarray,
    climate: Climate,
    fixed_pattern: np.random.Generator,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the thermal camera's image (H, W) uint8 of temperatures in degrees C.

    The second image is what a radiometric camera with the same optics and noise measures, (H, W)
    float32 degrees C. Its range begins at the temperature that is black in the first image: a clear
    sky, which is far colder, would otherwise leave little contrast for everything else.

    Pass a new generator with the same seed as `fixed_pattern` for each frame of a sequence.
    """
    height, width = temperature.shape
    seen = cv2.GaussianBlur(temperature, (0, 0), climate.softness * width / 640 + 0.1)
    image = (seen - climate.coldest) * climate.per_degree
    # Such cameras compress temperatures far above or below the scene's range.
    hot = image > 200
    image[hot] = 200 + 55 * np.tanh((image[hot] - 200) / 90)
    cold = image < _COLD
    above = _COLD - climate.pedestal
    image[cold] = climate.pedestal + above * np.exp((image[cold] - _COLD) / above)
    columns = 0.5 * climate.noise * noise.normal(fixed_pattern, (width,))
    grain = climate.noise * noise.normal(rng, (height, width))
    image += columns
    image += grain
    degrees = np.maximum(seen, climate.coldest) + (columns + grain) / climate.per_degree
    return np.clip(image, 0, 255).astype(np.uint8), degrees.astype(np.float32)
