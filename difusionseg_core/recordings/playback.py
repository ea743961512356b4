"""What a replay plays: a recording's messages or a data-set folder's images, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import DataError
from difusionseg_core.imaging.camera_images import COMPRESSED_IMAGE
from difusionseg_core.recordings.rosbag2 import (
    MASK,
    RGB,
    RGB_CAMERA_INFO,
    THERMAL,
    Recording,
    Topics,
)


@dataclass(frozen=True)
class Item:
    """One message to publish."""

    topic: str  # relative, such as "rgb/image" or "rgb/image/compressed"
    type: str  # such as "sensor_msgs/msg/Image"
    due: float  # seconds after the beginning of the replay
    name: str  # of the frame: its file name without ending, or its stamp
    stamp_ns: int | None  # as recorded; None: the time of publishing
    content: bytes | np.ndarray  # the serialised message, or an image for Image

    @property
    def camera(self) -> str:
        """RGB, THERMAL, MASK or RGB_CAMERA_INFO, whatever the transport."""
        return self.topic.removesuffix("/compressed")


class RecordingSource:
    """The cameras of a recording, at `speed` times the recorded pace. Topics None: by convention.

    Raises RecordingError.
    """

    def __init__(
        self,
        path: Path | str,
        speed: float = 1.0,
        rgb: str | None = None,
        thermal: str | None = None,
        mask: str | None = None,
        camera_info: str | None = None,
    ):
        self._recording = Recording(path)
        self._speed = speed
        try:
            self._topics: Topics = self._recording.choose_topics(rgb, thermal, mask, camera_info)
        except ValueError:
            self.close()
            raise
        roles = (
            (self._topics.rgb, RGB),
            (self._topics.thermal, THERMAL),
            (self._topics.mask, MASK),
            (self._topics.camera_info, RGB_CAMERA_INFO),
        )
        types = self._recording.topics
        self._names = {
            recorded: base + ("/compressed" if types[recorded] == COMPRESSED_IMAGE else "")
            for recorded, base in roles
            if recorded is not None
        }
        self.topics = {name: types[recorded] for recorded, name in self._names.items()}
        self.frames = self._recording.count(self._topics.rgb)

    def close(self) -> None:
        """Close the files of the recording."""
        self._recording.close()

    def items(self) -> Iterator[Item]:
        """One pass. Raises RecordingError where the recording is damaged."""
        begin_ns = None
        for message in self._recording.messages(self._names):
            begin_ns = message.recorded_ns if begin_ns is None else begin_ns
            stamp_ns = message.stamp_ns
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            yield Item(
                topic=self._names[message.topic],
                type=message.type,
                due=(message.recorded_ns - begin_ns) / 1e9 / self._speed,
                name=f"{seconds}.{nanoseconds:09d}",
                stamp_ns=stamp_ns,
                content=message.data,
            )


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
        """Nothing is kept open."""

    def items(self) -> Iterator[Item]:
        """One pass. Raises DataError for an image that cannot be read."""
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
    path: Path | str, rate: float = 10.0, speed: float = 1.0, **topics: str | None
) -> Source:
    """A recording or a data-set folder, whichever is at `path`.

    Args:
        path: the recording or the folder.
        rate: frames per second of a folder.
        speed: pace of a recording, 1 is as recorded.
        topics: names in the recording, as those of `Recording.choose_topics`.

    Raises RecordingError or DataError, in one line.
    """
    path = Path(path)
    if path.is_dir() and not (path / "metadata.yaml").exists():
        try:
            return FolderSource(path, rate)
        except DataError as error:
            raise DataError(f"{error}; a recording would have a metadata.yaml") from None
    return RecordingSource(path, speed, **topics)


def instants(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items in groups: all up to the one that completes a pair of RGB and thermal images.

    What has no later stamp than the pair (its mask) goes with it. What is left over after the last
    pair makes a group without a pair.
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
    return item.stamp_ns <= max(other.stamp_ns for other in group)
