"""Label files: masks as images, in the forms that annotation programs write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE, LabelSet
from difusionseg_core.data.image_files import DataError, read_bytes, read_unchanged

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # colour types of PNG
_MOST_IDS = 1 << 16


@dataclass(frozen=True)
class LabelCoding:
    """Meaning of the ids in label files.

    `ignore` ids count nowhere; `map` gives other ids their class id, or IGNORE. Ids that are in
    neither are class ids themselves.
    """

    ignore: tuple[int, ...] = (IGNORE,)
    map: Mapping[int, int] = field(default_factory=dict)

    def table(self, num_classes: int) -> np.ndarray:
        """Return (65536,) int32: class id or IGNORE for each id in a file, -1 for unknown ids."""
        table = np.full(_MOST_IDS, -1, np.int32)
        table[:num_classes] = np.arange(num_classes)
        table[list(self.ignore)] = IGNORE
        for label, target in self.map.items():
            table[label] = target
        return table


def read_labels(
    path: Path, label_set: LabelSet | None = None, coding: LabelCoding | None = None
) -> np.ndarray:
    """Read (H, W) uint8 class ids, 255 for ignore.

    A grey image holds ids, of 1 to 16 bits; three equal channels count as one. A palette image
    (as in Pascal VOC) holds its indices. An image in colour holds the colours of the label set's
    published palette, and white for ignore. Without `label_set`, any 8-bit ids are taken.
    Raises DataError, in one line, for other images and for ids and colours without meaning.
    """
    ids = read_ids(path)
    if ids.ndim == 3:
        if label_set is None:
            raise DataError(
                f"{path} is no mask: expected one channel with class ids, found {ids.shape}"
            )
        return _ids_of_colors(path, ids, label_set)
    if label_set is None:
        if ids.size and ids.max() > IGNORE:
            raise DataError(f"{path}: expected class ids up to 255, found {ids.max()}")
        return ids.astype(np.uint8)
    table = (coding or LabelCoding()).table(label_set.num_classes)
    labels = table[ids]
    if (labels < 0).any():
        wrong = [str(one) for one in np.unique(ids[labels < 0])]
        hint = ""
        if set(wrong) <= {"255"} and len(np.unique(ids)) <= 2:
            hint = " (a mask of 0 and 255: add 'map: {255: 1}' to data.yaml)"
        raise DataError(
            f"{path}: expected labels 0 to {label_set.num_classes - 1} ({label_set.name}) or "
            f"{IGNORE}, found {', '.join(wrong[:5])}{', ...' if len(wrong) > 5 else ''}{hint}"
        )
    return labels.astype(np.uint8)


def read_ids(path: Path) -> np.ndarray:
    """Read (H, W) uint8 or uint16 ids as in the file, or (H, W, 3) uint8 RGB of a coloured mask.

    Raises DataError for images that cannot be masks.
    """
    content = read_bytes(path)
    if content.startswith(b"\xff\xd8"):
        raise DataError(
            f"{path} is no mask: JPEG changes class ids; export the masks as PNG instead"
        )
    depth, kind = _png_header(content)
    if kind == _PALETTE:
        return _palette_indices(path)
    ids = read_unchanged(path, content)
    if ids.ndim == 3:
        ids = _without_alpha(path, ids)
        if not (ids == ids[..., :1]).all():
            if ids.dtype != np.uint8:
                raise DataError(f"{path} is no mask: found {ids.dtype} colours")
            return cv2.cvtColor(ids, cv2.COLOR_BGR2RGB)
        ids = np.ascontiguousarray(ids[..., 0])
    if kind == _GREY and depth < 8:  # OpenCV stretches ids of 1, 2 or 4 bits to 8
        ids = ids // (255 // (2**depth - 1))
    if ids.dtype.kind not in "iu" or (
        ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < _MOST_IDS
    ):
        raise DataError(
            f"{path} is no mask: expected whole numbers from 0 to {_MOST_IDS - 1}, "
            f"found {ids.dtype}"
        )
    return ids if ids.dtype == np.uint8 else ids.astype(np.uint16)


def _png_header(content: bytes) -> tuple[int, int]:
    """Return bit depth and colour type; (8, -1) for other images."""
    return (content[24], content[25]) if content.startswith(_PNG) and len(content) > 25 else (8, -1)


def _palette_indices(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from None


def _without_alpha(path: Path, image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 4:
        opaque = np.iinfo(image.dtype).max if image.dtype.kind == "u" else None
        if not (image[..., 3] == opaque).all():
            raise DataError(f"{path} is no mask: it is transparent in places")
    elif image.shape[2] != 3:
        raise DataError(f"{path} is no mask: it has {image.shape[2]} channels")
    return image[..., :3]


def _ids_of_colors(path: Path, rgb: np.ndarray, label_set: LabelSet) -> np.ndarray:
    meaning: dict[tuple[int, int, int], int] = {}
    for label, color in enumerate(label_set.palette):
        if color in meaning:
            first = label_set.class_names[meaning[color]]
            raise DataError(
                f"{path} is in colours, but {first} and {label_set.class_names[label]} of "
                f"{label_set.name} have the same colour {color}"
            )
        meaning[color] = label
    meaning.setdefault((255, 255, 255), IGNORE)
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, inverse = np.unique(packed, return_inverse=True)
    colors = [(int(one) >> 16, int(one) >> 8 & 255, int(one) & 255) for one in found]
    unknown = [str(color) for color in colors if color not in meaning]
    if unknown:
        raise DataError(
            f"{path} is in colours that the palette of {label_set.name} does not have: "
            f"{', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''}; give the palette of "
            "the masks in data.yaml"
        )
    table = np.array([meaning[color] for color in colors], np.uint8)
    return table[inverse].reshape(rgb.shape[:2])
