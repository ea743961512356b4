"""Sources of a replay: the messages of a recording, or the images of a data-set folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import DataError
from difusionseg_core.imaging.codec.camera_images import COMPRESSED_IMAGE
from difusionseg_core.recordings.rosbag2 import Recording, is_recording
from difusionseg_core.recordings.time_span import time_span
from difusionseg_core.recordings.topic_choice import (
    MASK,
    RGB,
    RGB_CAMERA_INFO,
    THERMAL,
    THERMAL_CAMERA_INFO,
    base_of,
    transport_ending,
)

LONGEST_PAUSE = 3.0
"""Longest pause of a replay [s]; longer pauses of a recording are shortened to it."""


def _ignore(line: str) -> None:
    """Ignore a line."""


@dataclass(frozen=True)
class Item:
    """One message to publish."""

    topic: str  # relative, such as "rgb/image" or "rgb/image/compressed"
    type: str  # such as "sensor_msgs/msg/Image"
    due: float  # seconds after the beginning of the replay
    name: str  # of the frame: its file name without ending, or its stamp
    stamp_ns: int | None  # as recorded; None: the time of publishing
    content: bytes | np.ndarray  # the serialised message, or an image for Image
    recorded_ns: int | None = None  # when it was recorded; None for files

    @property
    def camera(self) -> str:
        """RGB, THERMAL, MASK or a camera_info, for any transport."""
        return base_of(self.topic)


class RecordingSource:
    """The cameras of a recording, at `speed` times the recorded pace.

    A pause of more than `longest_pause` seconds, or a jump of the clock, is shortened to that
    pause, and `notice` gets a line about it, and about what is missing or damaged. `names`
    are those of `topic_choice.choose_topics`. Raises RecordingError.
    """

    def __init__(
        self,
        path: Path | str,
        speed: float = 1.0,
        longest_pause: float = LONGEST_PAUSE,
        notice: Callable[[str], object] = _ignore,
        **names: str | None,
    ):
        self._recording = Recording(path, notice)
        self.speed = speed
        self._longest_pause_ns = round(longest_pause * 1e9)
        self._notice = notice
        try:
            chosen = self._recording.choose_topics(**names)
        except ValueError:
            self.close()
            raise
        roles = (
            (chosen.rgb, RGB),
            (chosen.thermal, THERMAL),
            (chosen.mask, MASK),
            (chosen.camera_info, RGB_CAMERA_INFO),
            (chosen.thermal_camera_info, THERMAL_CAMERA_INFO),
        )
        types = self._recording.topics
        # One camera_info may serve both cameras.
        self._names: dict[str, list[str]] = {}
        for recorded, base in roles:
            if recorded is not None:
                ending = _ending(recorded, types[recorded])
                self._names.setdefault(recorded, []).append(base + ending)
        self.topics = {
            name: types[recorded] for recorded, names in self._names.items() for name in names
        }
        self.frames = self._recording.count(chosen.rgb)

    def close(self) -> None:
        """Close the recording."""
        self._recording.close()

    def items(self) -> Iterator[Item]:
        """Yield the items of one pass. Raises RecordingError if the recording is damaged."""
        due_ns, before_ns = 0, None
        for message in self._recording.messages(self._names):
            if before_ns is not None:
                due_ns += self._step(message.recorded_ns - before_ns, due_ns)
            before_ns = message.recorded_ns
            stamp_ns = message.stamp_ns
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            for name in self._names[message.topic]:
                yield Item(
                    topic=name,
                    type=message.type,
                    due=due_ns / 1e9 / self.speed,
                    name=f"{seconds}.{nanoseconds:09d}",
                    stamp_ns=stamp_ns,
                    content=message.data,
                    recorded_ns=message.recorded_ns,
                )

    def _step(self, step_ns: int, played_ns: int) -> int:
        """Return the time between two messages in the replay, from that in the recording."""
        if 0 <= step_ns <= self._longest_pause_ns:
            return step_ns
        kind = (
            "the clock jumps back" if step_ns < 0 else "the recording pauses, or its clock jumps,"
        )
        shown_ns = 0 if step_ns < 0 else self._longest_pause_ns
        self._notice(
            f"{kind} by {time_span(abs(step_ns) / 1e9)} after {played_ns / 1e9:.1f} s; "
            f"playing on after {shown_ns / 1e9:g} s"
        )
        return shown_ns


class FolderSource:
    """The frames of a data-set folder of any layout that `data.folder` knows, at `rate` Hz.

    Raises DataError.
    """

    def __init__(self, path: Path | str, rate: float = 10.0):
        self._data_set = open_data_set(path)
        self._rate = rate
        pairs = self._data_set.pairs
        cameras = [RGB, THERMAL] + ([MASK] if pairs[0].labels else [])
        self.topics = dict.fromkeys(cameras, "sensor_msgs/msg/Image")
        self.frames = len(pairs)

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def items(self) -> Iterator[Item]:
        """Yield the items of one pass. Raises DataError for an image that cannot be read."""
        for number, pair in enumerate(self._data_set.pairs):
            frame = read_frame(pair, self._data_set.label_set)
            images = {RGB: frame.rgb, THERMAL: frame.thermal, MASK: frame.labels}
            for topic, image in images.items():
                if image is None:
                    continue
                yield Item(
                    topic, "sensor_msgs/msg/Image", number / self._rate, pair.name, None, image
                )


Source = RecordingSource | FolderSource


def open_source(
    path: Path | str,
    rate: float = 10.0,
    speed: float = 1.0,
    longest_pause: float = LONGEST_PAUSE,
    notice: Callable[[str], object] = _ignore,
    **topics: str | None,
) -> Source:
    """Return a recording or a data-set folder, whichever is at `path`.

    Args:
        path: the recording or folder.
        rate: frames per second of a folder.
        speed: pace of a recording, 1 is as recorded.
        longest_pause: seconds, see `RecordingSource`.
        notice: gets a line about each pause that is shortened, and about what is damaged.
        topics: names in the recording, as those of `topic_choice.choose_topics`.

    Raises RecordingError or DataError, in one line.
    """
    path = Path(path)
    if path.is_dir() and not is_recording(path):
        try:
            return FolderSource(path, rate)
        except DataError as error:
            raise DataError(f"{error}; a recording would have .mcap or .db3 files") from None
    return RecordingSource(path, speed, longest_pause, notice, **topics)


def _ending(topic: str, kind: str) -> str:
    """Return the ending that a topic of compressed images has in the replay."""
    return (transport_ending(topic) or "/compressed") if kind == COMPRESSED_IMAGE else ""


def instants(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items in groups: all up to the one that completes a pair of RGB and thermal images.

    Messages with a stamp not later than the pair's (its mask) belong to the group. Messages after
    the last pair form a group without a pair.
    """
    group: list[Item] = []
    for item in items:
        if _has_pair(group) and not _belongs(item, group):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _has_pair(group: list[Item]) -> bool:
    return {RGB, THERMAL} <= {item.camera for item in group}


def _belongs(item: Item, group: list[Item]) -> bool:
    if any(item.topic == other.topic for other in group) and item.camera in (RGB, THERMAL):
        return False
    if item.stamp_ns is None:
        return item.name == group[-1].name
    return item.stamp_ns <= max(other.stamp_ns for other in group if other.stamp_ns is not None)
