"""Masks from annotations of other programs, as label files of a data set."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from difusionseg_core.classes import IGNORE, MOST_CLASSES, LabelSet
from difusionseg_core.data.annotation_files import (
    AnnotatedImage,
    Annotations,
    Region,
    names_of,
)
from difusionseg_core.data.data_yaml import DATA_YAML, read_data_yaml
from difusionseg_core.data.image_files import DataError, write_png

_BACKGROUNDS = ("background", "unlabelled", "unlabeled", "_background_")


def class_ids(
    annotations: Annotations, label_set: LabelSet | None, ignored: Sequence[str] = ()
) -> tuple[LabelSet, dict[str, int]]:
    """Return the classes, and the id of each label in the annotations; IGNORE if in `ignored`.

    With `label_set` the labels must be its classes (upper case, `_` and `-` do not matter).
    Without it, a class for each label in the order of the export, after the background. Raises
    DataError for a label that is not a class.
    """
    unknown = [name for name in ignored if name not in annotations.labels]
    if unknown:
        known = ", ".join(annotations.labels)
        raise DataError(f"there is no label '{unknown[0]}' to ignore; labels are {known}")
    labels = [name for name in annotations.labels if name not in ignored]
    if label_set is None:
        classes = [name for name in labels if name.lower() not in _BACKGROUNDS]
        if len(classes) >= MOST_CLASSES:
            raise DataError(f"expected fewer than {MOST_CLASSES} labels, found {len(classes)}")
        content: dict[str, object] = {"names": ["background", *classes]}
        colors = [annotations.labels[name] for name in classes]
        if classes and all(colors) and len({*colors, (0, 0, 0)}) == len(colors) + 1:
            content["palette"] = [(0, 0, 0), *colors]
        label_set = LabelSet.from_mapping(content, "imported")
    by_name = {_plain(name): label for label, name in enumerate(label_set.class_names)}
    ids = dict.fromkeys(ignored, IGNORE)
    for name in labels:
        if _plain(name) in by_name:
            ids[name] = by_name[_plain(name)]
        elif name.lower() in _BACKGROUNDS and label_set.background is not None:
            ids[name] = label_set.background
        else:
            raise DataError(
                f"the label '{name}' is not a class of {label_set.name} "
                f"({', '.join(label_set.class_names)}); rename it, or pass --ignore '{name}'"
            )
    return label_set, ids


def draw_mask(image: AnnotatedImage, ids: dict[str, int], background: int | None) -> np.ndarray:
    """Draw (H, W) uint8 class ids; pixels outside all regions are background, else 255.

    Raises DataError for a region that cannot be drawn.
    """
    mask = np.full(
        (image.height, image.width), IGNORE if background is None else background, np.uint8
    )
    for region in image.regions:
        try:
            mask[_covered(region, image.height, image.width)] = ids[region.label]
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise DataError(f"a region '{region.label}' of {image.name}: {error}") from None
    return mask


def _covered(region: Region, height: int, width: int) -> np.ndarray:
    """Return (height, width) bool."""
    if region.mask is not None:
        covered = np.zeros((height, width), bool)
        bottom, right = (
            region.top + region.mask.shape[0],
            region.left + region.mask.shape[1],
        )
        if region.top < 0 or region.left < 0 or bottom > height or right > width:
            raise ValueError("it reaches beyond the image")
        covered[region.top : bottom, region.left : right] = region.mask
        return covered
    from pycocotools import mask as coco_mask

    shape: list[list[float]] | dict[str, Any] = region.polygons
    if region.runs is not None:
        if list(region.runs["size"]) != [height, width]:
            raise ValueError(f"its size {region.runs['size']} is not that of the image")
        counts = region.runs["counts"]
        if isinstance(counts, list):
            if sum(counts) != height * width or min(counts) < 0:
                raise ValueError("its run lengths do not have the pixels of the image")
            shape = region.runs
        else:
            encoded = counts.encode() if isinstance(counts, str) else counts
            return coco_mask.decode({"size": [height, width], "counts": encoded}).astype(bool)
    encoded = coco_mask.frPyObjects(shape, height, width)
    merged = coco_mask.merge(encoded) if isinstance(encoded, list) else encoded
    return coco_mask.decode(merged).astype(bool)


def import_labels(
    annotations: Annotations, folder: Path, ignored: Sequence[str] = ()
) -> tuple[LabelSet, int]:
    """Write `folder`/labels/NAME.png for every image, and `folder`/data.yaml if there is none.

    Returns the classes and the number of masks. Nothing is left behind if it fails: raises
    DataError, also if a mask exists already, OSError, and ImportError without pycocotools.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise ImportError("import-labels needs pycocotools: pip install pycocotools")
    described = folder / DATA_YAML
    layout = read_data_yaml(described) if described.is_file() else None
    known = layout.label_set if layout else None
    label_set, ids = class_ids(annotations, known, ignored)
    place = folder / (layout.labels if layout and layout.labels else "labels")
    names = list(names_of(annotations.images))
    for name in names:
        if (place / f"{name}.png").exists():
            raise DataError(f"{place / f'{name}.png'} exists already; nothing was written")
    if not names:
        raise DataError("expected annotated images, found none")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".labels.", dir=folder) as drawn:
        for name, image in zip(names, annotations.images, strict=True):
            mask = draw_mask(image, ids, label_set.background)
            write_png(Path(drawn) / f"{name}.png", mask)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            (Path(drawn) / f"{name}.png").rename(place / f"{name}.png")
    if layout is None:
        content = {
            "names": list(label_set.class_names),
            "palette": [list(color) for color in label_set.palette],
            "labels": place.name,
        }
        with described.open("x", encoding="utf-8") as file:
            yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True)
    return label_set, len(names)


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()
