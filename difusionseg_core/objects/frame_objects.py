"""The objects of a frame with their tracks and temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.objects.detection import DetectedObject
from difusionseg_core.objects.instances import instance_map, objects_from_mask
from difusionseg_core.objects.object_drawing import caption
from difusionseg_core.objects.object_temperature import ObjectTemperature, object_temperatures
from difusionseg_core.objects.tracking import Tracker


@dataclass(frozen=True)
class FrameObjects:
    """The objects of a frame, and for each its track id and temperature, None if unknown."""

    objects: Sequence[DetectedObject] = ()
    ids: Sequence[int | None] = ()
    temperatures: Sequence[ObjectTemperature] | None = None

    def captions(self, label_set: LabelSet) -> list[str]:
        """Return class, id and mean temperature of each object as text."""
        means = [one.mean for one in self.temperatures] if self.temperatures is not None else None
        return [
            caption(label_set.class_names[found.label], track, means[index] if means else None)
            for index, (found, track) in enumerate(zip(self.objects, self.ids, strict=True))
        ]

    def id_texts(self) -> list[str]:
        """Return the track ids as messages carry them: "" if there is none."""
        return ["" if track is None else str(track) for track in self.ids]

    def temperature_fields(self, label_set: LabelSet) -> list[dict[str, Any]]:
        """Return the fields of ObjectTemperature.msg for each object; needs temperatures."""
        rows = zip(self.objects, self.id_texts(), self.temperatures or (), strict=True)
        return [
            {
                "id": text,
                "class_name": label_set.class_names[one.label],
                "pixels": warm.pixels,
                "mean": warm.mean,
                "maximum": warm.maximum,
                "x": warm.x,
                "y": warm.y,
            }
            for one, text, warm in rows
        ]


class ObjectFinder:
    """Follows the objects of one camera pair from frame to frame; their ids start at `first_id`."""

    def __init__(self, first_id: int = 1) -> None:
        self._tracker = Tracker(first_id=first_id)

    def find(
        self,
        seconds: float,
        candidates: Sequence[DetectedObject] | None,
        labels: np.ndarray,
        confidence: np.ndarray,
        image: np.ndarray,
        degrees: np.ndarray | None,
        least_score: float,
    ) -> FrameObjects:
        """Return the objects with scores from `least_score` at the time `seconds`.

        `candidates` are those of the object head; None: regions of the mask are taken. `labels`
        (H, W) uint8, `confidence` (H, W) float32 and `image` (H, W, 3) uint8 show the frame,
        `degrees` (H, W) float32 [degrees Celsius] its temperatures, None if unknown.
        """
        if candidates is None:
            candidates = objects_from_mask(labels, confidence)
        ids = self._tracker.update(seconds, candidates, image)
        kept = [i for i, one in enumerate(candidates) if one.score >= least_score]
        objects = [candidates[i] for i in kept]
        temperatures = None
        if degrees is not None and degrees.shape == labels.shape:
            instances = instance_map(labels, objects)
            temperatures = object_temperatures(instances, degrees, len(objects))
        return FrameObjects(objects, [ids[i] for i in kept], temperatures)
