"""A page of a data set's frames for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.frames import Frame
from difusionseg_core.imaging.drawing import contact_sheet, overlay
from difusionseg_core.imaging.thermal import to_uint8

_TILE = 320  # width of a picture on the page, pixels
_LINE = 24  # height of a line of text, pixels


def sample_page(frames: Sequence[Frame], label_set: LabelSet) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a row a frame with RGB image, thermal image, and labels over the RGB.

    The names of classes stand in their colours below; without any labels that column is left out.
    """
    labelled = any(frame.labels is not None for frame in frames)
    rows = []
    for frame in frames:
        thermal = cv2.cvtColor(to_uint8(frame.thermal), cv2.COLOR_GRAY2RGB)
        rows.append([_captioned(frame.rgb, frame.name), thermal])
        if labelled and frame.labels is None:
            rows[-1].append(np.full_like(frame.rgb, 255))
        elif labelled:
            rows[-1].append(overlay(frame.rgb, frame.labels, label_set))
    if not labelled:
        return contact_sheet(rows, ("RGB", "thermal"), _TILE)
    return contact_sheet([*rows, _legend(label_set)], ("RGB", "thermal", "labels"), _TILE)


def _captioned(picture: np.ndarray, name: str) -> np.ndarray:
    """The picture at the page's size with a name in its corner, readable on any ground."""
    height = max(1, round(picture.shape[0] * _TILE / picture.shape[1]))
    picture = cv2.resize(picture, (_TILE, height), interpolation=cv2.INTER_AREA)
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        _write(picture, name, (6, 16), color, thickness)
    return picture


def _legend(label_set: LabelSet) -> list[np.ndarray]:
    """Three cells with a square and a name for each class but the unlabelled one."""
    lines = -(-(label_set.num_classes - 1) // 3)
    cells = [np.full((lines * _LINE, _TILE, 3), 255, np.uint8) for _ in range(3)]
    for label in range(1, label_set.num_classes):
        column, line = divmod(label - 1, lines)
        cell, top = cells[column], line * _LINE
        cell[top + 4 : top + _LINE - 4, 6:22] = label_set.palette[label]
        _write(cell, label_set.class_names[label], (30, top + 17), (30, 30, 30), 1)
    return cells


def _write(
    picture: np.ndarray, text: str, corner: tuple[int, int], color: tuple, thickness: int
) -> None:
    cv2.putText(
        picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, thickness, cv2.LINE_AA
    )
