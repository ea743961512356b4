"""A copy of a recording with the model's results as additional topics."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.imaging.blur import blur_classes
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.predictor import Prediction
from difusionseg_core.recordings.object_messages import (
    detections_message,
    object_types,
    temperatures_message,
)
from difusionseg_core.recordings.rosbag2 import Recording, RecordingError, RecordingWriter
from difusionseg_core.recordings.topic_choice import RGB, Topics

FUSED, MASK, CONFIDENCE = "fused/image", "segmentation/mask", "segmentation/confidence"
OBJECTS, TEMPERATURES = "objects", "objects/temperature"
_RESULTS = (FUSED, MASK, CONFIDENCE, OBJECTS, TEMPERATURES)
# In names of message types that can show a person.
_VISUAL_TYPES = ("image", "video", "packet", "cloud", "scan")


class ResultRecording:
    """Writes all messages of a recording unchanged, and the results.

    The topics have the names of the node's topics, in the namespace of the RGB topic:
    /front/fused/image for /front/rgb/image. A result has the stamp of the RGB image and follows its
    pair. With `blur` (classes), the copy is de-identified: the fused image is blurred, and camera
    images, videos and point clouds, `left_out` by topic, are not copied. Used as a context manager:
    `add` frames, then `finish`; the recording appears if there was no error. Raises RecordingError
    if the recording has such topics already, and FileExistsError if `path` exists.
    """

    def __init__(
        self,
        recording: Recording,
        path: Path,
        topics: Topics,
        label_set: LabelSet,
        blur: Collection[int] = (),
    ) -> None:
        self._label_set = label_set
        self._blur = blur
        kept = (topics.mask,) if blur else recording.topics
        self.left_out = sorted(
            topic
            for topic, kind in recording.topics.items()
            if topic not in kept
            and any(word in kind.rpartition("/")[2].lower() for word in _VISUAL_TYPES)
            and not kind.endswith("CameraInfo")
        )
        rgb_topic = topics.rgb
        base = rgb_topic.removesuffix("/compressed").removesuffix(RGB)
        base = base if base.endswith("/") else "/"
        self._topics = {name: base + name for name in _RESULTS}
        taken = sorted(recording.topics.keys() & self._topics.values())
        if taken:
            raise RecordingError(f"{recording.path} has results already, on {', '.join(taken)}")
        self._source = recording
        self._writer = RecordingWriter(path, recording.storage)

    def __enter__(self) -> ResultRecording:
        with ExitStack() as stack:
            # A separate file handle, because the recording is also read elsewhere.
            source = stack.enter_context(Recording(self._source.path))
            stack.enter_context(self._writer)
            copied = source.topics.keys() - set(self.left_out)
            self._writer.declare_topics_of(source, copied)
            self._messages = source.messages(copied)
            self._next = next(self._messages, None)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def add(self, frame: RecordedFrame, prediction: Prediction, found: FrameObjects) -> None:
        """Write the results of a frame. Add frames in the order of time."""
        self._copy_until(frame.recorded_ns)
        fused = blur_classes(prediction.fused, prediction.labels, self._blur)
        images = {
            FUSED: (fused, "rgb8"),
            MASK: (prediction.labels, "mono8"),
            CONFIDENCE: (prediction.confidence, "32FC1"),
        }
        for name, (image, encoding) in images.items():
            self._writer.write_image(
                self._topics[name],
                frame.stamp_ns,
                frame.frame_id,
                image,
                encoding,
                recorded_ns=frame.recorded_ns,
            )
        header = (self._label_set, frame.stamp_ns, frame.frame_id)
        messages = {OBJECTS: detections_message(found, *header)}
        if found.temperatures is not None:
            messages[TEMPERATURES] = temperatures_message(found, *header)
        for name, message in messages.items():
            types = object_types()
            self._writer.write_message(self._topics[name], message, types, frame.recorded_ns)

    def finish(self) -> None:
        """Copy the messages after the last frame."""
        self._copy_until(None)

    def _copy_until(self, recorded_ns: int | None) -> None:
        while self._next is not None and (
            recorded_ns is None or self._next.recorded_ns <= recorded_ns
        ):
            self._writer.copy(self._next)
            self._next = next(self._messages, None)
