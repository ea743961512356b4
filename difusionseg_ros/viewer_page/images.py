"""Image messages as JPEG for the page."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from difusionseg_core.imaging.codec.camera_images import BadImage, thermal_array
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_ros.common.image_messages import rgb_array

MAX_BYTES = 100_000_000
MAX_WIDTH = 1280  # pixels; a larger image is scaled down
_JPEG_QUALITY = 80

Draw = Callable[[object], np.ndarray]
"""From a message to (H, W) or (H, W, 3) uint8 RGB. Raises BadImage."""


def color_image(message: object) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of a message in any encoding of an RGB camera. Raises BadImage."""
    return rgb_array(message, MAX_BYTES)


def one_channel(message: object) -> np.ndarray:
    """Decode (H, W) uint8, uint16 or float32, thermal, mask or confidence. Raises BadImage."""
    return thermal_array(message, MAX_BYTES)


def thermal_image(message: object) -> np.ndarray:
    """Return (H, W) uint8: 8-bit images as they are, others stretched by their percentiles."""
    return to_uint8(one_channel(message))


def stretched(percent: float) -> Draw:
    """Return a function that stretches a thermal image between two percentiles."""

    def draw(message: object) -> np.ndarray:
        counts = one_channel(message).astype(np.float32)
        finite = counts[np.isfinite(counts)]
        low, high = np.percentile(finite, (percent, 100 - percent)) if finite.size else (0, 1)
        grey = (counts - low) * (255 / max(high - low, 1e-6))
        return np.nan_to_num(grey).clip(0, 255).astype(np.uint8)

    return draw


def confidence_image(message: object) -> np.ndarray:
    """Return (H, W, 3) uint8: a confidence of 0 is dark violet, of 1 yellow (viridis)."""
    grey = confidence_bytes(one_channel(message))
    return cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1]


def confidence_bytes(confidence: np.ndarray) -> np.ndarray:
    """Return confidence, float32 of 0..1 or uint8 of 0..255, as uint8 of 0..255."""
    if confidence.dtype == np.uint8:
        return confidence
    return (255 * np.nan_to_num(confidence)).clip(0, 255).round().astype(np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    """Encode an (H, W) or (H, W, 3) uint8 RGB image as JPEG, at most MAX_WIDTH wide."""
    height, width = image.shape[:2]
    if width > MAX_WIDTH:
        size = MAX_WIDTH, max(1, round(height * MAX_WIDTH / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        done, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    except cv2.error:
        done = False
    if not done:
        raise BadImage(f"JPEG cannot hold {width}x{height} pixels")
    return encoded.tobytes()
