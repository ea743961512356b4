"""The second pass over a recording: the images of its pairs, ready for the network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.evaluation.recordings.header_scan import PlacedPair
from difusionseg_core.evaluation.statistics import Faults
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.imaging.codec.camera_images import (
    BadImage,
    mask_array,
    rgb_array,
    thermal_pixels,
)
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, cropped
from difusionseg_core.imaging.thermal.temperature import UnitGuess
from difusionseg_core.recordings.calibrations import with_recorded_calibrations
from difusionseg_core.recordings.rosbag2 import RecordedMessage, Recording, RecordingError
from difusionseg_core.recordings.topic_choice import Topics


@dataclass(frozen=True)
class RecordedFrame:
    """A pair, ready for the network.

    `rgb` (H, W, 3) uint8 RGB, `thermal` (H, W) uint8, `labels` (H, W) uint8 class ids or None.
    `degrees` (H, W) float32 [degrees Celsius], NaN outside the thermal image, or None if unknown.
    `stamp_ns` is the time of the RGB image by which it was paired, `frame_id` its frame;
    `recorded_ns` is when the later of the two was recorded. `seconds` is the time for reading and
    conversion.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    labels: np.ndarray | None
    degrees: np.ndarray | None
    stamp_ns: int
    offset_ns: int
    recorded_ns: int
    frame_id: str
    seconds: float


class FrameReader:
    """Reads pairs in rising order, and converts them as the node does with the same parameters.

    Images are undistorted if `cameras.undistort` is set and both cameras have a calibration, in
    `cameras` or as camera_info in the recording; `warnings` says if one has not. A ground
    truth, undistorted with the RGB image, with ids of `num_classes` or more, other than 255, is a
    fault. Used as a context manager. Keeps one message
    of each topic at a time, each read through a separate file handle.
    """

    def __init__(
        self,
        recording: Recording,
        topics: Topics,
        cameras: CameraSettings,
        num_classes: int,
        faults: Faults,
    ) -> None:
        self._recording = recording
        self._topics = topics
        self._cameras = cameras
        self.warnings: list[str] = []
        if cameras.undistort:
            cameras, faults_found = with_recorded_calibrations(cameras, recording.path, topics)
            self.warnings += [f"no image is undistorted: {line}" for line in faults_found]
        self._align = cameras.alignment
        self._num_classes = num_classes
        self._faults = faults
        self._thermal_grey = ThermalConversion(replace(cameras.thermal, crop=(0, 0, 0, 0)))
        self._unit_guess = UnitGuess()

    def __enter__(self) -> FrameReader:
        with ExitStack() as stack:
            self._streams = {
                topic: stack.enter_context(_TopicReader(self._recording, topic))
                for topic in (self._topics.rgb, self._topics.thermal, self._topics.mask)
                if topic is not None
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def read(self, pair: PlacedPair) -> RecordedFrame | None:
        """Read the images of a pair; None if one is invalid, which is counted and named.

        Raises RecordingError if the recording is damaged.
        """
        begin = perf_counter()
        rgb_message = self._streams[self._topics.rgb].message(pair.rgb)
        thermal_message = self._streams[self._topics.thermal].message(pair.thermal)
        header = rgb_message.deserialize().header
        camera_rgb = self._converted(self._topics.rgb, rgb_message, self._rgb)
        counts = self._converted(self._topics.thermal, thermal_message, self._thermal)
        if camera_rgb is None or counts is None:
            return None
        degrees = self._degrees(counts)
        if degrees is not None:
            degrees = self._align.align_thermal(degrees, camera_rgb.shape[1::-1], outside=np.nan)
        rgb, thermal = self._align(camera_rgb, self._thermal_grey(counts))
        if thermal.shape != rgb.shape[:2]:
            self._faults.add(
                self._topics.thermal,
                f"it has {thermal.shape[1]}x{thermal.shape[0]} pixels, the RGB image "
                f"{rgb.shape[1]}x{rgb.shape[0]}; both must show the same view in one size, or "
                "thermal_to_rgb must say how they differ (difusionseg register)",
            )
            return None
        return RecordedFrame(
            rgb=rgb,
            thermal=thermal,
            labels=self._labels(pair.truth, rgb.shape[:2]),
            degrees=degrees,
            stamp_ns=pair.stamp_ns,
            offset_ns=pair.offset_ns,
            recorded_ns=max(rgb_message.recorded_ns, thermal_message.recorded_ns),
            frame_id=header.frame_id,
            seconds=perf_counter() - begin,
        )

    def _converted(
        self, topic: str, message: RecordedMessage, convert: Callable[[Any], np.ndarray]
    ) -> np.ndarray | None:
        try:
            return convert(message.deserialize())
        except BadImage as error:
            self._faults.add(topic, error)
            return None

    def _rgb(self, message: Any) -> np.ndarray:
        return rgb_array(message, self._cameras.max_image_bytes, self._cameras.rgb_bits)

    def _thermal(self, message: Any) -> np.ndarray:
        counts = thermal_pixels(message, self._cameras.max_image_bytes)
        return cropped(counts, self._cameras.thermal.crop)

    def _degrees(self, counts: np.ndarray) -> np.ndarray | None:
        if counts.ndim != 2:  # colours have no temperature
            return None
        scale = self._cameras.temperature
        if scale.unit == "auto":
            scale = replace(scale, unit=self._unit_guess(counts))
        return scale.celsius(counts)

    def _labels(self, place: int | None, size: tuple[int, int]) -> np.ndarray | None:
        topic = self._topics.mask
        if place is None or topic is None:
            return None
        try:
            labels = mask_array(self._streams[topic].message(place).deserialize())
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
            self._faults.add(topic, error)
            return None
        return self._align.align_labels(labels)


class _TopicReader:
    """The messages of one topic by index, requested in rising order."""

    def __init__(self, recording: Recording, topic: str) -> None:
        self._recording = Recording(recording.path)
        self._messages = enumerate(self._recording.messages([topic]))

    def __enter__(self) -> _TopicReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._recording.close()

    def message(self, place: int) -> RecordedMessage:
        for number, message in self._messages:
            if number == place:
                return message
        raise RecordingError(f"{self._recording.path} was changed while it was read")
