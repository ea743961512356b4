"""The second pass over a recording: the images of its pairs, ready for the network."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.evaluation.recordings.header_scan import PlacedPair
from difusionseg_core.evaluation.statistics import Faults
from difusionseg_core.imaging.alignment import Alignment
from difusionseg_core.imaging.camera_images import (
    BadImage,
    mask_array,
    rgb_array,
    thermal_pixels,
)
from difusionseg_core.imaging.thermal_conversion import ThermalConversion, ThermalOptions
from difusionseg_core.recordings.rosbag2 import RecordedMessage, Recording, RecordingError
from difusionseg_core.recordings.topic_choice import Topics


@dataclass(frozen=True)
class RecordedFrame:
    """A pair as the network takes it.

    `rgb` (H, W, 3) uint8 RGB, `thermal` (H, W) uint8, `labels` (H, W) uint8 class ids or None.
    `stamp_ns` and `frame_id` are the RGB image's; `recorded_ns` is when the later of the two was
    recorded. `seconds` is what reading and conversion took.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    labels: np.ndarray | None
    stamp_ns: int
    offset_ns: int
    recorded_ns: int
    frame_id: str
    seconds: float


class FrameReader:
    """Reads pairs in rising order, as the node converts them with its default parameters.

    `alignment` brings the thermal image into the view of the RGB image. A class map with ids of
    `num_classes` or more is a fault, but for 255. Used as a context manager. Keeps one message of
    each topic at a time: each is read through a file of its own.
    """

    def __init__(
        self,
        recording: Recording,
        topics: Topics,
        alignment: Alignment,
        num_classes: int,
        faults: Faults,
    ) -> None:
        self._recording = recording
        self._topics = topics
        self._align = alignment
        self._num_classes = num_classes
        self._faults = faults
        self._thermal_grey = ThermalConversion(ThermalOptions())

    def __enter__(self) -> FrameReader:
        with ExitStack() as stack:
            self._streams = {
                topic: stack.enter_context(_Stream(self._recording, topic))
                for topic in (self._topics.rgb, self._topics.thermal, self._topics.mask)
                if topic is not None
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def read(self, pair: PlacedPair) -> RecordedFrame | None:
        """None where an image turns out bad, which is counted and named.

        Raises RecordingError where the recording is damaged.
        """
        begin = perf_counter()
        rgb_message = self._streams[self._topics.rgb].message(pair.rgb)
        thermal_message = self._streams[self._topics.thermal].message(pair.thermal)
        header = rgb_message.deserialize().header
        topic = self._topics.rgb
        try:
            rgb = rgb_array(rgb_message.deserialize())
            topic = self._topics.thermal
            thermal = self._thermal_grey(thermal_pixels(thermal_message.deserialize()))
            rgb, thermal = self._align(rgb, thermal)
            if thermal.shape != rgb.shape[:2]:
                raise BadImage(
                    f"it has {thermal.shape[1]}x{thermal.shape[0]} pixels, the RGB image "
                    f"{rgb.shape[1]}x{rgb.shape[0]}; both must show the same view in one size, or "
                    "thermal_to_rgb say how they differ (difusionseg register)"
                )
        except BadImage as error:
            self._faults.add(topic, error)
            return None
        return RecordedFrame(
            rgb=rgb,
            thermal=thermal,
            labels=self._labels(pair.truth, rgb.shape[:2]),
            stamp_ns=rgb_message.stamp_ns,
            offset_ns=pair.offset_ns,
            recorded_ns=max(rgb_message.recorded_ns, thermal_message.recorded_ns),
            frame_id=header.frame_id,
            seconds=perf_counter() - begin,
        )

    def _labels(self, place: int | None, size: tuple[int, int]) -> np.ndarray | None:
        if place is None:
            return None
        try:
            labels = mask_array(self._streams[self._topics.mask].message(place).deserialize())
            if labels.shape != size:
                raise BadImage(
                    f"it has {labels.shape[1]}x{labels.shape[0]} pixels, the RGB image "
                    f"{size[1]}x{size[0]}"
                )
            unknown = labels[(labels >= self._num_classes) & (labels != IGNORE)]
            if unknown.size:
                raise BadImage(
                    f"it holds class id {unknown.max()}; the model's are 0 to "
                    f"{self._num_classes - 1}"
                )
        except BadImage as error:
            self._faults.add(self._topics.mask, error)
            return None
        return labels


class _Stream:
    """The messages of one topic by their place among them, asked for in rising order."""

    def __init__(self, recording: Recording, topic: str) -> None:
        self._recording = Recording(recording.path)
        self._messages = enumerate(self._recording.messages([topic]))

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._recording.close()

    def message(self, place: int) -> RecordedMessage:
        for number, message in self._messages:
            if number == place:
                return message
        raise RecordingError(f"{self._recording.path} was changed while it was read")
