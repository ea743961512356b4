"""objects.json and objects.csv of a recording, and the figures about them."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from pathlib import Path

from difusionseg_core.classes import LabelSet
from difusionseg_core.objects import OBJECT_CLASSES
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.objects.object_file import OBJECTS_FILE, tracked_entries

OBJECTS_TABLE = "objects.csv"
_COLUMNS = ("stamp", "id", "class", "score", "x", "y", "width", "height")
_WARMTH = ("mean", "maximum", "hottest_x", "hottest_y")


class RecordedObjects:
    """Writes the objects of each frame to both files in `folder` as they come.

    Images are named by the frame's stamp, temperatures are in degrees Celsius. Used as a context
    manager.
    """

    def __init__(self, folder: Path, label_set: LabelSet) -> None:
        self._folder = folder
        self._label_set = label_set
        names = [label_set.class_names[label] for label in OBJECT_CLASSES]
        self._counts = dict.fromkeys(names, 0)
        self._tracks: dict[str, set[int]] = {name: set() for name in names}
        self._means: dict[str, list[float]] = {name: [] for name in names}
        self._maxima: dict[str, list[float]] = {name: [] for name in names}

    def __enter__(self) -> RecordedObjects:
        with ExitStack() as stack:
            self._list = stack.enter_context((self._folder / OBJECTS_FILE).open("w"))
            self._list.write("[")
            table = stack.enter_context((self._folder / OBJECTS_TABLE).open("w", newline=""))
            self._table = csv.DictWriter(table, _COLUMNS + _WARMTH)
            self._table.writeheader()
            self._separator = "\n"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._list.write("\n]\n")
        self._stack.close()

    def add(self, stamp: str, found: FrameObjects) -> None:
        """Take the objects of a frame."""
        entries = tracked_entries(stamp, found, self._label_set)
        for index, (entry, one, track) in enumerate(
            zip(entries, found.objects, found.ids, strict=True)
        ):
            self._list.write(self._separator + json.dumps(entry))
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
