"""Data-set folders in the layout of MSRS: `vi`, `ir` and, with truth, `Segmentation_labels`.

Files belong together by name, whatever their endings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

VISIBLE, THERMAL, LABELS, BOXES = "vi", "ir", "Segmentation_labels", "boxes"
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class DataError(ValueError):
    """A data set that cannot be used; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Pair:
    """The files of one frame; `name` is their common name without ending."""

    name: str
    visible: Path
    thermal: Path
    labels: Path | None


def list_pairs(root: Path | str) -> list[Pair]:
    """All frames of a folder, by name. Raises DataError for missing folders and partner files."""
    root = Path(root)
    for part in (VISIBLE, THERMAL):
        if not (root / part).is_dir():
            raise DataError(
                f"{root} has no folder '{part}'; expected '{VISIBLE}' and '{THERMAL}' in it"
            )
    visible, thermal = images_by_name(root / VISIBLE), images_by_name(root / THERMAL)
    if not visible:
        raise DataError(f"{root / VISIBLE} holds no images ({', '.join(IMAGE_ENDINGS)})")
    _check_partners(root, visible, thermal, THERMAL)
    _check_partners(root, thermal, visible, VISIBLE)
    labels = images_by_name(root / LABELS) if (root / LABELS).is_dir() else {}
    if labels:
        _check_partners(root, visible, labels, LABELS)
    return [Pair(name, visible[name], thermal[name], labels.get(name)) for name in sorted(visible)]


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without endings."""
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_ENDINGS
    }


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    return _read(path, cv2.IMREAD_COLOR)[..., ::-1]


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


def _check_partners(
    root: Path, names: dict[str, Path], others: dict[str, Path], part: str
) -> None:
    missing = sorted(set(names) - set(others))
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(f"{root / part} lacks {', '.join(missing[:3])}{more}")
