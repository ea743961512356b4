"""From camera images to the network's input; in NumPy, so that it needs no PyTorch."""

from __future__ import annotations

import numpy as np

IMAGE_MEAN = (123.675, 116.28, 103.53, 104.0)
"""Mean of red, green, blue (ImageNet's) and thermal, on a scale of 0..255."""
IMAGE_STD = (58.395, 57.12, 57.375, 43.0)

SIZE_MULTIPLE = 4
"""Height and width of the network's input are multiples of this."""

_MEAN = np.array(IMAGE_MEAN, np.float32)
_SCALE = 1.0 / np.array(IMAGE_STD, np.float64)


def normalize(rgb: np.ndarray, thermal: np.ndarray) -> np.ndarray:
    """Map (H, W, 3) uint8 RGB and (H, W) uint8 thermal to (4, H', W') float32 for the network.

    H' and W' are H and W rounded up to multiples of 4; the added rows and columns repeat the edge.
    """
    height, width = thermal.shape
    image = np.empty((4, _round_up(height), _round_up(width)), np.float32)
    for channel in range(4):
        plane = rgb[..., channel] if channel < 3 else thermal
        target = image[channel, :height, :width]
        np.subtract(plane, _MEAN[channel], out=target)
        np.multiply(target, np.float32(_SCALE[channel]), out=target)
    image[:, height:, :width] = image[:, height - 1 : height, :width]
    image[:, :, width:] = image[:, :, width - 1 : width]
    return image


def stack(images: list[np.ndarray]) -> np.ndarray:
    """Join images to a batch (B, ...); one image is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)


def pad(image: np.ndarray) -> np.ndarray:
    """Repeat edge rows and columns of an image (H, W, ...) up to multiples of 4, if needed."""
    height, width = image.shape[:2]
    added = _round_up(height) - height, _round_up(width) - width
    if added == (0, 0):
        return image
    return np.pad(image, [(0, added[0]), (0, added[1])] + [(0, 0)] * (image.ndim - 2), "edge")


def _round_up(length: int) -> int:
    return -(-length // SIZE_MULTIPLE) * SIZE_MULTIPLE
