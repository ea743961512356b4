"""Falling rain: bright streaks in the RGB image."""

import cv2
import numpy as np


def falling_rain(radiance: np.ndarray, ambient: float, rng: np.random.Generator) -> np.ndarray:
    """Add streaks of rain to a radiance (H, W, 3) float32.

    The rain is out of focus and lit by the sky (`ambient`, in units of an overcast day) and by
    what shines around it.
    """
    height, width = radiance.shape[:2]
    count = int(rng.integers(150, 700))
    slant, length = rng.normal(0, 0.12), rng.uniform(0.02, 0.08, count) * height
    feet = rng.uniform(0, 1, (count, 2)) * [width, height * 1.1]
    heads = feet - np.stack([slant * length, length], axis=1)
    streaks = np.zeros((height, width), np.uint8)
    lines = np.round(np.stack([feet, heads], axis=1)).astype(np.int32)
    cv2.polylines(streaks, list(lines), False, 255)
    share = cv2.GaussianBlur(streaks, (0, 0), 0.9 * width / 640).astype(np.float32)
    share *= np.float32(rng.uniform(0.3, 0.9) / 255)
    shining = cv2.resize(radiance, (width // 16, height // 16), interpolation=cv2.INTER_AREA)
    shining = cv2.resize(np.minimum(shining, 4), (width, height))
    shining = shining + np.float32(0.5 * ambient)
    return radiance + shining * cv2.merge([share] * 3)
