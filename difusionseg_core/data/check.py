"""Contents and problems of a data set."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import IGNORE, LabelSet
from difusionseg_core.data.folder import DataSet, ImagePair
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import DataError, exif_orientation

DARKEST_DAY = 62.0
"""Mean of an RGB image, 0 to 255, below which it counts as a night image.

About 2 % of the day and night images of MSRS are on the wrong side.
"""


@dataclass(frozen=True)
class FrameSummary:
    """Counts of one frame; only `problem` for a frame that cannot be used."""

    problem: str | None = None
    size: tuple[int, int] = (0, 0)  # height, width
    brightness: float = 0.0  # mean of the RGB image, 0 to 255
    pixels: np.ndarray | None = None  # (256,) pixels by label; None without labels
    boxes: Counter[int] | None = None  # boxes by class; None without a box file
    rotated: str | None = None  # an image with an EXIF orientation, which is not applied


@dataclass(frozen=True)
class ClassCount:
    """Counts of one class. `share` is the share of all labelled pixels, 0 to 1."""

    label: int
    name: str
    pixels: int
    share: float
    images: int
    boxes: int


@dataclass(frozen=True)
class DataSetReport:
    """`sizes` counts images by "HEIGHTxWIDTH"; `ignored` is the share of pixels with label 255.

    `classes` is empty and `ignored` None without labels.
    """

    folder: str
    split: str | None
    layout: str
    label_set: str | None
    pairs: int
    sizes: dict[str, int]
    day: int
    night: int
    day_night_by: str
    classes: list[ClassCount]
    ignored: float | None
    problems: list[str]
    notes: list[str]  # not errors, but possibly not intended


def summarize_frames(data_set: DataSet) -> Iterator[FrameSummary]:
    """Read all frames, several at once; results come in order."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(lambda pair: _summarize(pair, data_set.label_set), data_set.pairs)
    finally:
        pool.shutdown(cancel_futures=True)


def make_report(data_set: DataSet, summaries: Iterable[FrameSummary]) -> DataSetReport:
    """Count over all frames."""
    summaries = list(summaries)
    usable = [one for one in summaries if not one.problem]
    by_label = [one.pixels for one in usable if one.pixels is not None]
    day, night, by = _day_and_night(data_set, usable)
    return DataSetReport(
        folder=str(data_set.folder),
        split=data_set.split,
        layout=data_set.layout.name,
        label_set=data_set.label_set.name if data_set.label_set else None,
        pairs=len(data_set.pairs),
        sizes=dict(Counter(f"{one.size[0]}x{one.size[1]}" for one in usable)),
        day=day,
        night=night,
        day_night_by=by,
        classes=_count_classes(data_set.label_set, by_label, usable)
        if data_set.label_set and by_label
        else [],
        ignored=float(np.sum(by_label, axis=0)[IGNORE] / np.sum(by_label)) if by_label else None,
        problems=data_set.missing + [one.problem for one in summaries if one.problem],
        notes=_notes(data_set, usable, by_label),
    )


def _notes(data_set: DataSet, usable: list[FrameSummary], by_label: list[np.ndarray]) -> list[str]:
    notes = []
    rotated = [one.rotated for one in usable if one.rotated]
    if rotated:
        notes.append(
            f"{len(rotated)} of {len(usable)} pairs have an EXIF orientation, which is not applied "
            f"(images are used as stored): {rotated[0]}"
        )
    if by_label and data_set.label_set:
        pixels = np.sum(by_label, axis=0)
        if pixels[1 : data_set.label_set.num_classes].sum() == 0 and pixels[IGNORE]:
            notes.append(
                f"the masks hold only ids 0 and {IGNORE}: if {IGNORE} is meant as a class, add "
                "'map: {255: 1}' to data.yaml"
            )
    if data_set.label_set:
        coding, names = data_set.layout.coding, data_set.label_set.class_names
        for label in coding.ignore:
            if label < len(names) and label not in coding.map:
                notes.append(
                    f"id {label} is a class, {names[label]}, and ignored: it counts nowhere; a "
                    "model never learns it"
                )
    return notes


def _summarize(pair: ImagePair, label_set: LabelSet | None) -> FrameSummary:
    try:
        frame = read_frame(pair, label_set)
    except DataError as error:
        return FrameSummary(problem=str(error))
    return FrameSummary(
        size=frame.rgb.shape[:2],
        brightness=float(frame.rgb.mean()),
        pixels=None if frame.labels is None else np.bincount(frame.labels.ravel(), minlength=256),
        boxes=None if frame.boxes is None else Counter(box.label for box in frame.boxes),
        rotated=_rotated(pair),
    )


def _rotated(pair: ImagePair) -> str | None:
    files = (path for path in (pair.visible, pair.thermal, pair.labels) if path)
    return next((str(path) for path in files if exif_orientation(path) != 1), None)


def _count_classes(
    label_set: LabelSet, by_label: list[np.ndarray], usable: list[FrameSummary]
) -> list[ClassCount]:
    pixels = np.sum(by_label, axis=0)
    images = np.count_nonzero(by_label, axis=0)
    labelled = max(int(pixels[: label_set.num_classes].sum()), 1)
    boxes = sum((one.boxes for one in usable if one.boxes), Counter())
    return [
        ClassCount(
            label,
            name,
            int(pixels[label]),
            pixels[label] / labelled,
            int(images[label]),
            boxes[label],
        )
        for label, name in enumerate(label_set.class_names)
    ]


def _day_and_night(data_set: DataSet, usable: list[FrameSummary]) -> tuple[int, int, str]:
    """Return (day, night, how that is known); MSRS and MFNet end their names in D or N."""
    found = [re.search(r"([DN])(_flip)?$", pair.name) for pair in data_set.pairs]
    letters = [letter[1] for letter in found if letter]
    split = data_set.split or data_set.folder.name
    if len(letters) == len(found):
        by, nights = "names", [letter == "N" for letter in letters]
    elif split in ("test_day", "test_night"):
        by, nights = "split", [split == "test_night"] * len(data_set.pairs)
    else:
        by, nights = "brightness", [one.brightness < DARKEST_DAY for one in usable]
    return len(nights) - sum(nights), sum(nights), by
