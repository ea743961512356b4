"""A copy of a recording with what the model made of it added as topics."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.predictor import Prediction
from difusionseg_core.recordings.rosbag2 import Recording, RecordingError, RecordingWriter
from difusionseg_core.recordings.topic_choice import RGB

FUSED, MASK, CONFIDENCE = "fused/image", "segmentation/mask", "segmentation/confidence"


class ResultRecording:
    """Writes all messages of a recording unchanged, and between them the results as images.

    The topics are named as the node's and lie where the RGB topic does: /front/fused/image for
    /front/rgb/image. A result has the RGB image's stamp and comes right after the pair it was
    made of. Used as a context manager: `add` frames, then `finish`; the recording appears when all
    went well. Raises RecordingError where the recording has such topics already, FileExistsError
    where there is something at `path`.
    """

    def __init__(self, recording: Recording, path: Path, rgb_topic: str) -> None:
        base = rgb_topic.removesuffix("/compressed").removesuffix(RGB)
        base = base if base.endswith("/") else "/"
        self._topics = {name: base + name for name in (FUSED, MASK, CONFIDENCE)}
        taken = sorted(recording.topics.keys() & self._topics.values())
        if taken:
            raise RecordingError(f"{recording.path} has results already, on {', '.join(taken)}")
        self._source = recording
        self._writer = RecordingWriter(path, recording.storage)

    def __enter__(self) -> ResultRecording:
        with ExitStack() as stack:
            # Read through a file of its own, beside what else reads the recording.
            source = stack.enter_context(Recording(self._source.path))
            stack.enter_context(self._writer)
            self._writer.declare_topics_of(source)
            self._messages = source.messages(source.topics)
            self._next = next(self._messages, None)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def add(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Write what was made of a frame. Frames come in the order of time."""
        self._copy_until(frame.recorded_ns)
        pictures = {
            FUSED: (prediction.fused, "rgb8"),
            MASK: (prediction.labels, "mono8"),
            CONFIDENCE: (prediction.confidence, "32FC1"),
        }
        for name, (picture, encoding) in pictures.items():
            self._writer.write_image(
                self._topics[name],
                frame.stamp_ns,
                frame.frame_id,
                picture,
                encoding,
                recorded_ns=frame.recorded_ns,
            )

    def finish(self) -> None:
        """Copy what the recording holds after the last frame."""
        self._copy_until(None)

    def _copy_until(self, recorded_ns: int | None) -> None:
        while self._next is not None and (
            recorded_ns is None or self._next.recorded_ns <= recorded_ns
        ):
            self._writer.copy(self._next)
            self._next = next(self._messages, None)
