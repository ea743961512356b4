"""The colour camera: from radiance to an 8-bit image, with glare, blur, tone curve and noise."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from difusionseg_core.scenes.rendering import noise

_STEPS = 4096  # of the tone curve
_GREY = np.full((3, 3), 1 / 3)


@dataclass(frozen=True)
class ColourCamera:
    """Settings of a camera. Lengths in pixels refer to an image 640 pixels wide."""

    exposure: float
    colours: np.ndarray  # (3, 3) float32: white balance and saturation
    contrast: float  # 0..1, strength of the S shape of the tone curve
    black: float  # 0..1, brightness that becomes black
    noise: float  # standard deviation at mid-grey; 1 is the full range
    softness: float  # pixels, standard deviation of the optics' blur
    drift: float  # horizontal motion blur in pixels
    glare: float  # share of a bright lamp's light that the lens scatters


def random_colour_camera(rng: np.random.Generator, condition: str) -> ColourCamera:
    """Return a random camera with an exposure for this light."""
    exposure, grain, drift = {
        "day": (rng.uniform(0.5, 1.3), 0.004, 1.0),
        "dusk": (rng.uniform(1.5, 3.5), 0.004, 1.5),
        "night": (np.exp(rng.uniform(np.log(1.5), np.log(10.0))), 0.0025, 3.0),
    }[condition]
    # Cheap colour cameras have a green cast in the dark.
    cast = np.array([0.96, 1.02, 0.94]) if condition != "night" else np.array([0.82, 1.0, 0.68])
    balance = cast * np.exp(rng.normal(0, 0.06, 3))
    saturation = rng.uniform(1.0, 1.8 if condition == "day" else 1.4)
    colours = _GREY + saturation * (np.eye(3) - _GREY)
    return ColourCamera(
        exposure=float(exposure),
        colours=(colours * balance).astype(np.float32),
        contrast=float(rng.uniform(0.2, 1.0) * (0.5 if condition == "night" else 1.0)),
        black=float(rng.uniform(0.0, 0.04 if condition == "night" else 0.12)),
        noise=float(grain * np.exp(rng.normal(0, 0.7))),
        softness=float(rng.uniform(0.4, 1.0)),
        drift=float(rng.exponential(drift) if rng.random() < 0.4 else 0.0),
        glare=float(rng.uniform(0.3, 0.9)),
    )


def photograph(radiance: np.ndarray, camera: ColourCamera, rng: np.random.Generator) -> np.ndarray:
    """Return the image (H, W, 3) uint8 of a radiance (H, W, 3) float32."""
    height, width = radiance.shape[:2]
    scale = width / 640
    small = cv2.resize(radiance, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    bright = np.clip(small - 1.2, 0, 12)
    halo = cv2.GaussianBlur(bright, (0, 0), 2 * scale)
    halo += 0.5 * cv2.GaussianBlur(bright, (0, 0), 9 * scale)
    image = cv2.GaussianBlur(radiance, (0, 0), camera.softness * scale + 0.1)
    image += camera.glare * cv2.resize(halo, (width, height))
    smear = round(camera.drift * scale)
    if smear > 1:
        image = cv2.blur(image, (smear, 1))
    image = cv2.transform(image, camera.exposure * camera.colours)
    image *= _vignette(height, width)
    image = 1 - cv2.exp(-np.clip(image, 0, 8, out=image))
    grain = _grain(rng, height, width)
    grain *= cv2.sqrt(image) * camera.noise + 0.3 * camera.noise
    image += grain
    steps = np.clip(image * (_STEPS - 1), 0, _STEPS - 1).astype(np.uint16)
    return _tone_curve(camera).take(steps)


def _tone_curve(camera: ColourCamera) -> np.ndarray:
    """Return the brightness, uint8, of exposures 0..1 in equal steps."""
    tone = np.linspace(0, 1, _STEPS) ** (1 / 2.2)
    tone += camera.contrast * (tone * tone * (3 - 2 * tone) - tone)
    return (255 * np.clip((tone - camera.black) / (1 - camera.black), 0, 1)).astype(np.uint8)


def _grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return noise (H, W, 3) with a standard deviation of about 1, after the camera's smoothing.

    It has blotches of colour and a little fine grain in brightness.
    """
    coarse = noise.normal(rng, (height // 2 + 1, width // 2 + 1, 3))
    grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    fine = 0.6 * noise.normal(rng, (height, width))
    return grain + cv2.merge([fine, fine, fine])


@lru_cache(maxsize=2)
def _vignette(height: int, width: int) -> np.ndarray:
    """Return the share of the light (H, W, 3) that reaches the sensor, less in the corners."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    share = (1 - 0.12 * (x * x + y * y)).astype(np.float32)
    return cv2.merge([share, share, share])
