"""Read the frames of a data set, and refuse inconsistent ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.boxes import Box, read_boxes
from difusionseg_core.data.folder import ImagePair
from difusionseg_core.data.image_files import (
    DataError,
    read_rgb,
    read_rgb_thermal,
    read_thermal,
)
from difusionseg_core.data.label_files import read_labels
from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.imaging.bad_image import BadImage


@dataclass(frozen=True)
class DataSetFrame:
    """The images of one frame, all of one size; None if the data set does not have them.

    `rgb` (H, W, 3) uint8 RGB, `thermal` (H, W) uint8 or uint16, `labels` (H, W) uint8 class ids
    with 255 for ignore.
    """

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    labels: np.ndarray | None
    boxes: list[Box] | None


def read_frame(pair: ImagePair, label_set: LabelSet | None) -> DataSetFrame:
    """Read the files of a pair; with `cameras`, undistort and register them.

    Labels and boxes are those of the RGB image, and are undistorted with it. Raises DataError,
    in one line, for files that cannot be read, for images of different sizes, for labels that
    `label_set` does not have, and for labels without `label_set`.
    """
    if pair.visible == pair.thermal:
        rgb, thermal = read_rgb_thermal(pair.visible)
    else:
        palette = pair.cameras.thermal.palette if pair.cameras else "auto"
        rgb, thermal = read_rgb(pair.visible), read_thermal(pair.thermal, palette)
    height, width = rgb.shape[:2]
    if pair.cameras:
        try:
            rgb, thermal = pair.cameras.prepared(rgb, thermal)
        except BadImage as error:
            raise DataError(f"{pair.thermal}: {error}") from error
    if thermal.shape != (height, width):
        raise _size_error(pair, rgb, "thermal image", thermal)
    labels = boxes = None
    if pair.labels:
        labels = read_pair_labels(pair, label_set)
        if labels.shape != (height, width):
            raise _size_error(pair, rgb, "mask", labels)
    if pair.boxes:
        boxes = read_boxes(pair.boxes, width, height)
        if pair.cameras and pair.cameras.alignment.rgb:
            boxes = _rectified(boxes, pair.cameras.alignment.rgb, width, height)
    return DataSetFrame(pair.name, rgb, thermal, labels, boxes)


def read_pair_labels(pair: ImagePair, label_set: LabelSet | None) -> np.ndarray:
    """Read the (H, W) uint8 class ids of a labelled pair. Raises DataError as `read_frame`."""
    if label_set is None:
        raise DataError(
            f"{pair.labels}: the classes of the data set are not known; describe them in a "
            "data.yaml, of which 'difusionseg check-data DIR --write-data-yaml' makes a first one"
        )
    assert pair.labels is not None
    labels = read_labels(pair.labels, label_set, pair.coding)
    return pair.cameras.alignment.align_labels(labels) if pair.cameras else labels


def _rectified(boxes: list[Box], camera: Calibration, width: int, height: int) -> list[Box]:
    """Return the boxes around the same objects in the image without distortion."""
    along = np.linspace(0, 1, 5)
    moved = []
    for box in boxes:
        columns, rows = np.meshgrid(
            box.left + along * (box.right - box.left), box.top + along * (box.bottom - box.top)
        )
        places = np.column_stack([columns.ravel(), rows.ravel()])
        places = camera.rectified_points(places, width, height)
        left, top = np.rint(places.min(axis=0)).clip(0, (width, height)).astype(int).tolist()
        right, bottom = np.rint(places.max(axis=0)).clip(0, (width, height)).astype(int).tolist()
        if right > left and bottom > top:
            moved.append(replace(box, left=left, top=top, right=right, bottom=bottom))
    return moved


def _size_error(pair: ImagePair, rgb: np.ndarray, what: str, other: np.ndarray) -> DataError:
    sizes = [f"{image.shape[0]}x{image.shape[1]}" for image in (rgb, other)]
    return DataError(
        f"{pair.name}: expected images of one size, "
        f"found RGB image {sizes[0]} and {what} {sizes[1]} (height x width)"
    )
