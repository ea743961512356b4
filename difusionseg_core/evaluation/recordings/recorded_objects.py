"""The objects of a recording as objects.json, COCO data set and table, and figures about them.

A recording with known identities (`ground_truth/objects`, as synthetic ones have) also gives the
number of ID switches.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from difusionseg_core.classes import LabelSet
from difusionseg_core.metrics.tracking import IdentifiedBox, TrackingScores
from difusionseg_core.objects import OBJECT_CLASSES, DetectedObject
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.objects.object_file import OBJECTS_FILE, tracked_entries
from difusionseg_core.recordings.object_messages import object_types
from difusionseg_core.recordings.rosbag2 import Recording

OBJECTS_TABLE, COCO_FILE = "objects.csv", "objects_coco.json"
_COLUMNS = ("stamp", "id", "class", "score", "x", "y", "width", "height")
_WARMTH = ("mean", "maximum", "hottest_x", "hottest_y")


class KnownObjects:
    """The objects with known identity of a recording's `topic`, requested by rising stamps.

    Reads through a separate file handle. Used as a context manager.
    """

    def __init__(self, recording: Path, topic: str, label_set: LabelSet) -> None:
        self._recording = Recording(recording)
        self._topic = topic
        self._labels = {name: label for label, name in enumerate(label_set.class_names)}

    def __enter__(self) -> KnownObjects:
        self._messages = self._recording.messages([self._topic])
        self._next = next(self._messages, None)
        return self

    def __exit__(self, *exception: object) -> None:
        self._recording.close()

    def at(self, stamp_ns: int) -> list[IdentifiedBox] | None:
        """Return the objects with this stamp, None if there is no message of it.

        Objects of classes that the model does not have are left out. Raises RecordingError for a
        damaged message.
        """
        while self._next is not None and self._next.stamp_ns < stamp_ns:
            self._next = next(self._messages, None)
        if self._next is None or self._next.stamp_ns != stamp_ns:
            return None
        message = self._next.deserialize(object_types())
        return [
            IdentifiedBox(
                self._labels[one.results[0].hypothesis.class_id],
                one.id,
                one.bbox.center.position.x - one.bbox.size_x / 2,
                one.bbox.center.position.y - one.bbox.size_y / 2,
                one.bbox.size_x,
                one.bbox.size_y,
            )
            for one in message.detections
            if one.results and one.results[0].hypothesis.class_id in self._labels
        ]


class RecordedObjects:
    """Writes the objects of each frame to three files in `folder` as they come.

    Images are named by the frame's stamp, temperatures are in degrees Celsius. objects_coco.json is
    a COCO data set whose annotations also have `score`, `track_id` and temperatures. Used as a
    context manager.
    """

    def __init__(self, folder: Path, label_set: LabelSet) -> None:
        self._folder = folder
        self._label_set = label_set
        names = [label_set.class_names[label] for label in OBJECT_CLASSES]
        self._counts = dict.fromkeys(names, 0)
        self._tracks: dict[str, set[int]] = {name: set() for name in names}
        self._means: dict[str, list[float]] = {name: [] for name in names}
        self._maxima: dict[str, list[float]] = {name: [] for name in names}
        self._identities = TrackingScores()

    def __enter__(self) -> RecordedObjects:
        with ExitStack() as stack:
            self._list = stack.enter_context((self._folder / OBJECTS_FILE).open("w"))
            self._list.write("[")
            self._coco = stack.enter_context((self._folder / COCO_FILE).open("w"))
            self._coco.write('{"annotations": [')
            self._images: list[dict[str, object]] = []
            self._annotations = 0
            table = stack.enter_context((self._folder / OBJECTS_TABLE).open("w", newline=""))
            self._table = csv.DictWriter(table, _COLUMNS + _WARMTH)
            self._table.writeheader()
            self._separator = "\n"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._list.write("\n]\n")
        categories = [
            {"id": label, "name": self._label_set.class_names[label]} for label in OBJECT_CLASSES
        ]
        rest = {"images": self._images, "categories": categories}
        self._coco.write("\n], " + json.dumps(rest).removeprefix("{") + "\n")
        self._stack.close()

    def add(
        self,
        stamp: str,
        size: tuple[int, ...],
        found: FrameObjects,
        known: Sequence[IdentifiedBox] | None = None,
    ) -> None:
        """Take the objects of a frame of (height, width), and those that are known to be in it."""
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": stamp, "width": size[1], "height": size[0]})
        if known is not None:
            boxes = zip(found.objects, found.id_texts(), strict=True)
            self._identities.add(
                [IdentifiedBox(one.label, text, *one[2:]) for one, text in boxes], known
            )
        entries = tracked_entries(stamp, found, self._label_set)
        for index, (entry, one, track) in enumerate(
            zip(entries, found.objects, found.ids, strict=True)
        ):
            self._list.write(self._separator + json.dumps(entry))
            self._coco.write(self._separator + json.dumps(self._annotation(entry, one)))
            self._separator = ",\n"
            x, y, width, height = (round(float(value), 2) for value in one[2:])
            row = {"stamp": stamp, "id": track, "class": entry["class"], "score": entry["score"]}
            row |= {"x": x, "y": y, "width": width, "height": height}
            name = self._label_set.class_names[one.label]
            self._counts[name] += 1
            if track is not None:
                self._tracks[name].add(track)
            if found.temperatures is not None and found.temperatures[index].pixels:
                warm = found.temperatures[index]
                row |= {"mean": round(warm.mean, 2), "maximum": round(warm.maximum, 2)}
                row |= {"hottest_x": warm.x, "hottest_y": warm.y}
                self._means[name].append(warm.mean)
                self._maxima[name].append(warm.maximum)
            self._table.writerow(row)

    def _annotation(self, entry: dict[str, Any], one: DetectedObject) -> dict[str, object]:
        """The entry of objects.json as an annotation of COCO."""
        self._annotations += 1
        names = {"score": "score", "id": "track_id", "mean": "mean", "maximum": "maximum"}
        others = {names[key]: value for key, value in entry.items() if key in names}
        return {
            "id": self._annotations,
            "image_id": len(self._images),
            "category_id": one.label,
            "bbox": entry["bbox"],
            "area": round(float(one.width * one.height), 2),
            "iscrowd": 0,
            **others,
        }

    def identities(self) -> dict[str, dict[str, int]]:
        """Known objects, their boxes, the found ones and ID switches by class."""
        return self._identities.report(self._label_set.class_names)

    def report(self) -> dict[str, dict[str, float]]:
        """Return detections, tracks and, if known, temperatures [degrees Celsius] by class."""
        report: dict[str, dict[str, float]] = {}
        for name, count in self._counts.items():
            report[name] = {"detections": count, "tracks": len(self._tracks[name])}
            if self._means[name]:
                mean = sum(self._means[name]) / len(self._means[name])
                report[name] |= {
                    "mean": round(mean, 2),
                    "maximum": round(max(self._maxima[name]), 2),
                }
        return report
