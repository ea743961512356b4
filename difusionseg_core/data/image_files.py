"""Image files: reading camera pictures and class maps, writing PNG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.files import write_file

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class DataError(ValueError):
    """Data that cannot be used; the message says what was expected and what was found."""


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without endings."""
    return {
        path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_ENDINGS
    }


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_thermal(path: Path) -> np.ndarray:
    """(H, W) uint8 or uint16.

    Of a grey picture saved in colour, its first channel; of RGB and thermal in one picture (as in
    MFNet's data set), the fourth. A fourth channel that is opaque all over is no thermal image.
    """
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return image
    fourth = image.shape[2] == 4 and image[..., 3].min() < np.iinfo(image.dtype).max
    return np.ascontiguousarray(image[..., 3 if fourth else 0])


def read_rgb_thermal(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 RGB and (H, W) uint8 thermal of one picture with four channels."""
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise DataError(
            f"{path}: expected four 8-bit channels, RGB and thermal; "
            f"found {image.shape} {image.dtype}"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), np.ascontiguousarray(image[..., 3])


def read_labels(path: Path) -> np.ndarray:
    """(H, W) uint8 class ids; three equal channels are taken for one."""
    labels = _read(path, cv2.IMREAD_UNCHANGED)
    if labels.ndim == 3 and (labels[..., :3] == labels[..., :1]).all():
        labels = np.ascontiguousarray(labels[..., 0])
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
    write_file(path, encoded.tobytes())
