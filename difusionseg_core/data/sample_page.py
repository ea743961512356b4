"""A page of a data set's frames, for checking them by eye."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.frames import DataSetFrame
from difusionseg_core.imaging.drawing import caption, contact_sheet, overlay
from difusionseg_core.imaging.thermal.normalizer import to_uint8

_TILE = 320  # width of an image on the page, pixels


def sample_page(frames: Sequence[DataSetFrame], label_set: LabelSet | None) -> np.ndarray:
    """Draw (H, W, 3) uint8 RGB: a row per frame with RGB, thermal, and labels over the RGB.

    A legend of the classes is below; if no frame has labels, that column is left out. Frames with
    labels need `label_set`.
    """
    labelled = any(frame.labels is not None for frame in frames)
    rows = []
    for frame in frames:
        thermal = cv2.cvtColor(to_uint8(frame.thermal), cv2.COLOR_GRAY2RGB)
        rows.append([_captioned(frame.rgb, frame.name), thermal])
        if frame.labels is not None and label_set is not None:
            rows[-1].append(overlay(frame.rgb, frame.labels, label_set))
        elif labelled:
            rows[-1].append(np.full_like(frame.rgb, 255))
    if not labelled:
        return contact_sheet(rows, ("RGB", "thermal"), _TILE)
    return contact_sheet(rows, ("RGB", "thermal", "labels"), _TILE, label_set)


def _captioned(image: np.ndarray, name: str) -> np.ndarray:
    """Return the image at the page's size, with a name in its corner."""
    height = max(1, round(image.shape[0] * _TILE / image.shape[1]))
    return caption(cv2.resize(image, (_TILE, height), interpolation=cv2.INTER_AREA), name)
