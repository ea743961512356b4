"""Image files: reading camera pictures and class maps, writing PNG."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class DataError(ValueError):
    """Data that cannot be used; the message says what was expected and what was found."""


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without endings."""
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_ENDINGS
    }


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_thermal(path: Path) -> np.ndarray:
    """(H, W) uint8 or uint16; of a grey picture saved in colour, its first channel."""
    image = _read(path, cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 0])


def read_labels(path: Path) -> np.ndarray:
    """(H, W) uint8 class ids."""
    labels = _read(path, cv2.IMREAD_UNCHANGED)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f"{path} is no class map: expected one 8-bit channel, "
            f"found {labels.shape} {labels.dtype}"
        )
    return labels


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"{path} cannot be read as an image; it is missing or damaged")
    return image


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W) uint8 or (H, W, 3) uint8 RGB; the file appears whole or not at all."""
    _, encoded = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(encoded.tobytes())
    os.replace(unfinished, path)
