"""objects.json: the objects of many images as boxes, one entry per object.

    [{"image": "00001D", "class": "person", "score": 0.93, "bbox": [x, y, width, height]}, ...]

`bbox` is in pixels, from the left upper corner. Recordings add `id` (of the track) and `mean`,
`maximum`, `hottest` (temperatures in degrees Celsius and [column, row]), if they are known. Such
additions are ignored when the file is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from difusionseg_core.classes import LabelSet
from difusionseg_core.files import write_file
from difusionseg_core.objects.detection import DetectedObject
from difusionseg_core.objects.frame_objects import FrameObjects

OBJECTS_FILE = "objects.json"


def object_entries(
    image: str, objects: Sequence[DetectedObject], label_set: LabelSet
) -> list[dict[str, object]]:
    """Return the entries of one image."""
    return [
        {
            "image": image,
            "class": label_set.class_names[one.label],
            "score": round(float(one.score), 4),
            "bbox": [round(float(value), 2) for value in (one.x, one.y, one.width, one.height)],
        }
        for one in objects
    ]


def tracked_entries(
    image: str, found: FrameObjects, label_set: LabelSet
) -> list[dict[str, object]]:
    """Return the entries of one image, with track ids and temperatures."""
    entries = object_entries(image, found.objects, label_set)
    for index, (entry, track) in enumerate(zip(entries, found.ids, strict=True)):
        if track is not None:
            entry["id"] = track
        if found.temperatures is not None and found.temperatures[index].pixels:
            warm = found.temperatures[index]
            entry |= {"mean": round(warm.mean, 2), "maximum": round(warm.maximum, 2)}
            entry["hottest"] = [warm.x, warm.y]
    return entries


def write_objects(path: Path, entries: Sequence[Mapping[str, object]]) -> None:
    """Write entries, one per line; an existing file is replaced."""
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    write_file(path, f"[\n{lines}\n]\n" if lines else "[]\n")


def read_objects(path: Path, label_set: LabelSet) -> dict[str, list[DetectedObject]]:
    """Return objects by image name. Raises ValueError, in one line, for a file of another form."""
    labels = {name: label for label, name in enumerate(label_set.class_names)}
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise ValueError(f"{path} must be a list of objects, not {type(entries).__name__}")
    objects: dict[str, list[DetectedObject]] = {}
    for number, entry in enumerate(entries):
        try:
            x, y, width, height = (float(value) for value in entry["bbox"])
            image, name, score = str(entry["image"]), entry["class"], float(entry["score"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"{path}, entry {number + 1}: expected image, class, score and bbox [x, y, width, "
                f"height], found {json.dumps(entry)[:100]}"
            ) from None
        if name not in labels:
            raise ValueError(
                f"{path}, entry {number + 1}: class '{name}' is unknown; the classes are "
                f"{', '.join(labels)}"
            )
        found = DetectedObject(labels[name], score, x, y, width, height)
        objects.setdefault(image, []).append(found)
    return objects
