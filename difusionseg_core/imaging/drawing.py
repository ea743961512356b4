"""Class maps and picture grids for people to look at. All images are uint8 RGB."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE, LabelSet

_TITLE_HEIGHT = 28
_GAP = 4


def colorize(labels: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Colours of a class map: (H, W) uint8 ids -> (H, W, 3) uint8. 255 (ignore) becomes white."""
    return _color_table(label_set)[labels]


def overlay(
    rgb: np.ndarray, labels: np.ndarray, label_set: LabelSet, opacity: float = 0.5
) -> np.ndarray:
    """Blend the class colours over an image; class 0 and ignored pixels stay as they are.

    `rgb` is (H, W, 3) uint8, `labels` (H, W) uint8; `opacity` 0 (image only) to 1 (colour only).
    """
    blended = cv2.addWeighted(rgb, 1.0 - opacity, colorize(labels, label_set), opacity, 0.0)
    marked = (labels != 0) & (labels != IGNORE)
    return np.where(marked[..., None], blended, rgb)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], tile_width: int = 320
) -> np.ndarray:
    """A page of pictures, one row a frame, with a title over each column.

    `rows` holds as many (H, W, 3) uint8 pictures a row as there are `titles`; each is scaled to
    `tile_width` pixels. Raises ValueError when a row has another number of pictures.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row of pictures")
    if any(len(row) != len(titles) for row in rows):
        raise ValueError(f"every row of the contact sheet needs {len(titles)} pictures")
    lines = [_title_line(titles, tile_width)]
    lines += [_join([_tile(picture, tile_width) for picture in row], axis=1) for row in rows]
    return _join(lines, axis=0)


def _color_table(label_set: LabelSet) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[: label_set.num_classes] = label_set.palette
    table[IGNORE] = 255
    return table


def _tile(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _title_line(titles: Sequence[str], width: int) -> np.ndarray:
    cells = []
    for title in titles:
        cell = np.full((_TITLE_HEIGHT, width, 3), 255, np.uint8)
        cv2.putText(
            cell, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA
        )
        cells.append(cell)
    return _join(cells, axis=1)


def _join(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    padded = []
    for index, picture in enumerate(pictures):
        if index:
            shape = list(picture.shape)
            shape[axis] = _GAP
            padded.append(np.full(shape, 255, np.uint8))
        padded.append(picture)
    return np.concatenate(padded, axis=axis)
