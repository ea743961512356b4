"""Annotations of other programs: COCO, labelme, and CVAT for images, as regions of classes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np

from difusionseg_core.data.file_names import read_text
from difusionseg_core.data.image_files import DataError

FORMATS = ("coco", "labelme", "cvat")
_LEAST_NUMBERS = 6  # of a polygon: three points (x, y)
_MOST_PIXELS = 1 << 28  # of an image; a larger size is a damaged file


@dataclass(frozen=True)
class Region:
    """The pixels of an object, in one of three forms.

    `polygons` [x1, y1, x2, y2, ...] in pixels, whose union counts; or `runs`, run lengths as
    pycocotools reads them; or a `mask` (h, w) bool whose upper left corner is at (left, top).
    """

    label: str
    polygons: list[list[float]] = field(default_factory=list)
    runs: dict[str, Any] | None = None
    mask: np.ndarray | None = None
    left: int = 0
    top: int = 0


@dataclass(frozen=True)
class AnnotatedImage:
    """An image's regions; later ones are drawn on top. `name` is the image's without ending."""

    name: str
    height: int
    width: int
    regions: list[Region]


@dataclass(frozen=True)
class Annotations:
    """All images of an export. `labels` are the classes in their order, with colours if known.

    `skipped` lists, one line each, what cannot be part of a mask.
    """

    images: list[AnnotatedImage]
    labels: dict[str, tuple[int, int, int] | None]
    skipped: list[str]


def read_annotations(path: Path, format: str | None = None) -> Annotations:
    """Read a COCO file, a CVAT file, or a labelme file or folder of them.

    Without `format` it is recognized by its content. Raises DataError, in one line.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.json") if not file.name.startswith("."))
        if format in ("coco", "cvat") or not files:
            raise DataError(f"{path} is a folder without labelme files (.json); name the file")
        return _labelme(files)
    if path.suffix.lower() == ".xml":
        return _cvat(path)
    content = _json(path)
    if format == "labelme" or (format is None and "shapes" in content):
        return _labelme([path])
    if format == "cvat":
        raise DataError(f"{path} is not a file of 'CVAT for images 1.1' (.xml)")
    return _coco(path, content)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object with annotations, found a list or value")
    return content


def _coco(path: Path, content: dict[str, Any]) -> Annotations:
    """Return regions of COCO's instances; small ones are drawn on top of large ones."""
    missing = [key for key in ("images", "annotations", "categories") if key not in content]
    if missing:
        raise DataError(
            f"{path} is neither COCO, which has {', '.join(missing)}, nor labelme, which has shapes"
        )
    try:
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        regions: dict[Any, list[tuple[float, Region]]] = {
            one["id"]: [] for one in content["images"]
        }
        skipped = []
        for one in content["annotations"]:
            where = f"annotation {one.get('id', '?')} of image {one['image_id']}"
            shape = one.get("segmentation")
            if isinstance(shape, list):  # what has no three points covers no pixel
                shape = [part for part in shape if len(part) >= _LEAST_NUMBERS]
            if not shape:
                skipped.append(f"{where} has no region")
                continue
            region = Region(names[one["category_id"]], **_coco_shape(shape))
            regions[one["image_id"]].append((float(one.get("area", 0)), region))
        images = [
            AnnotatedImage(
                _stem(one["file_name"]),
                *_size(path, one["height"], one["width"]),
                [region for _, region in sorted(regions[one["id"]], key=lambda pair: -pair[0])],
            )
            for one in content["images"]
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not valid COCO: {_reason(error)}") from None
    return Annotations(images, dict.fromkeys(names[key] for key in sorted(names)), skipped)


def _coco_shape(shape: Any) -> dict[str, Any]:
    if isinstance(shape, dict):
        return {"runs": {"size": shape["size"], "counts": shape["counts"]}}
    return {"polygons": [_points(part) for part in shape]}


def _labelme(paths: list[Path]) -> Annotations:
    """Return regions of labelme; lines and points have none."""
    images, skipped = [], []
    labels: dict[str, tuple[int, int, int] | None] = {}
    for path in paths:
        content = _json(path)
        if "shapes" not in content:
            raise DataError(f"{path} is not a labelme file: it has no 'shapes'")
        try:
            name = _stem(content.get("imagePath") or path.name)
            size = _size(path, content["imageHeight"], content["imageWidth"])
            regions = []
            for shape in content["shapes"]:
                region = _labelme_region(shape)
                if region is None:
                    skipped.append(f"{path.name}: a {shape.get('shape_type')} has no region")
                else:
                    regions.append(region)
                    labels.setdefault(region.label, None)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} is not a valid labelme file: {_reason(error)}") from None
        images.append(AnnotatedImage(name, *size, regions))
    return Annotations(images, labels, skipped)


def _labelme_region(shape: dict[str, Any]) -> Region | None:
    label, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if kind == "polygon":
        corners = [value for point in points for value in point]
        return Region(label, [_points(corners)]) if len(corners) >= _LEAST_NUMBERS else None
    if kind == "rectangle":
        (x1, y1), (x2, y2) = points
        return Region(label, [[x1, y1, x2, y1, x2, y2, x1, y2]])
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = float(np.hypot(edge_x - x, edge_y - y))
        turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)
        return Region(label, [circle.ravel().tolist()])
    if kind == "mask":
        try:
            encoded = np.frombuffer(base64.b64decode(shape["mask"]), np.uint8)
            mask = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        except (binascii.Error, cv2.error):
            mask = None
        if mask is None:
            raise ValueError(f"the mask of a '{label}' cannot be read")
        left, top = (round(value) for value in points[0])
        return Region(label, mask=mask > 0, left=left, top=top)
    return None


def _cvat(path: Path) -> Annotations:
    """Return regions of CVAT's images; those of greater z_order are drawn on top."""
    try:
        root = ElementTree.fromstring(read_text(path))  # noqa: S314 (expat limits expansion)
    except (ElementTree.ParseError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not valid XML: {error}") from None
    if root.tag != "annotations" or root.find("track") is not None:
        raise DataError(
            f"{path} is not 'CVAT for images 1.1'; export the annotations in that format"
        )
    labels: dict[str, tuple[int, int, int] | None] = {}
    for label in root.iterfind("meta//label"):
        labels[label.findtext("name", "").strip()] = _color(label.findtext("color", ""))
    labels.pop("", None)
    images, skipped = [], []
    try:
        for image in root.iterfind("image"):
            ordered = []
            for shape in image:
                region = _cvat_region(shape)
                if region is not None:
                    ordered.append((int(shape.get("z_order", 0)), region))
                    labels.setdefault(region.label, None)
                elif shape.tag != "tag":
                    skipped.append(f"{image.get('name')}: a {shape.tag} has no region")
            ordered.sort(key=lambda pair: pair[0])
            size = _size(path, image.attrib["height"], image.attrib["width"])
            regions = [region for _, region in ordered]
            images.append(AnnotatedImage(_stem(image.attrib["name"]), *size, regions))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not valid: {_reason(error)}") from None
    return Annotations(images, labels, skipped)


def _cvat_region(shape: ElementTree.Element) -> Region | None:
    label = shape.get("label", "")
    if shape.tag == "polygon":
        points = [float(v) for pair in shape.attrib["points"].split(";") for v in pair.split(",")]
        return Region(label, [_points(points)]) if len(points) >= _LEAST_NUMBERS else None
    if shape.tag in ("box", "ellipse"):
        return Region(label, [_cvat_outline(shape)])
    if shape.tag == "mask":
        left, top, width, height = (
            int(float(shape.attrib[key])) for key in ("left", "top", "width", "height")
        )
        runs = [int(one) for one in shape.attrib["rle"].split(",")]
        if min(runs) < 0 or sum(runs) != width * height:
            raise ValueError(f"the mask of a '{label}' does not have {width}x{height} pixels")
        mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        return Region(label, mask=mask, left=left, top=top)
    return None


def _cvat_outline(shape: ElementTree.Element) -> list[float]:
    if shape.tag == "box":
        left, top, right, bottom = (float(shape.attrib[k]) for k in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    else:
        cx, cy, rx, ry = (float(shape.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        corners = np.stack([cx + rx * np.cos(turns), cy + ry * np.sin(turns)], axis=1)
    angle = np.deg2rad(float(shape.get("rotation", 0)))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return _points(((corners - centre) @ turn + centre).ravel().tolist())


def _points(values: Any) -> list[float]:
    points = [float(value) for value in values]
    if len(points) < _LEAST_NUMBERS or len(points) % 2 or not np.isfinite(points).all():
        raise ValueError(
            f"a polygon needs three points (x, y) or more, found {len(points)} numbers"
        )
    return points


def _size(path: Path, height: int | str, width: int | str) -> tuple[int, int]:
    size = int(height), int(width)
    if min(size) < 1 or size[0] * size[1] > _MOST_PIXELS:
        raise DataError(f"{path}: {width}x{height} is not an image size")
    return size


def _stem(name: object) -> str:
    return PurePosixPath(str(name).replace("\\", "/")).stem


def _color(text: str) -> tuple[int, int, int] | None:
    try:
        red, green, blue = bytes.fromhex(text.strip().removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _reason(error: Exception) -> str:
    return f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)


def names_of(images: list[AnnotatedImage]) -> Iterator[str]:
    """Yield the names of images, in order. Raises DataError if two have the same."""
    seen = set()
    for image in images:
        if image.name in seen:
            raise DataError(f"two images are named '{image.name}'; masks would replace each other")
        seen.add(image.name)
        yield image.name
