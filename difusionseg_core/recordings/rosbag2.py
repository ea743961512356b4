"""rosbag2 recordings (MCAP or sqlite3), read and written with rosbags, without ROS.

with Recording("drive") as recording:
    topics = recording.choose_topics()
    for message in recording.messages([topics.rgb, topics.thermal]):
        print(message.topic, message.stamp_ns, message.image().shape)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from difusionseg_core.files import new_output
from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.imaging.codec import camera_images
from difusionseg_core.imaging.codec.camera_images import COMPRESSED_IMAGE, IMAGE
from difusionseg_core.recordings import topic_choice
from difusionseg_core.recordings.salvage import SalvagedReader, storage_files
from difusionseg_core.recordings.topic_choice import CAMERA_INFO, Topics

STORAGES = ("mcap", "sqlite3")
# ROS writes this hash for a type that it does not know.
_UNSET_HASH = "RIHS00_" + 64 * "0"


def is_recording(path: Path) -> bool:
    """Return whether `path` looks like a recording rather than a data-set folder."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or bool(storage_files(path))
    return path.is_file()


class RecordingError(ValueError):
    """A recording cannot be used; the message is one line with the reason."""


@cache
def _types() -> Any:
    # The image messages are the same from Humble to Kilted.
    return get_typestore(Stores.ROS2_HUMBLE)


@dataclass(frozen=True)
class RecordedMessage:
    """A message with a header, as stored in the recording."""

    topic: str
    type: str  # such as "sensor_msgs/msg/Image"
    recorded_ns: int  # when it was recorded
    data: bytes  # serialised, CDR

    @property
    def stamp_ns(self) -> int:
        """The header's stamp in nanoseconds. Raises RecordingError for damaged bytes."""
        # CDR: four bytes with the byte order, then the header, which is the first field.
        order = "<" if self.data[1:2] == b"\x01" else ">"
        try:
            seconds, nanoseconds = struct.unpack_from(f"{order}iI", self.data, 4)
        except struct.error as error:
            raise RecordingError(f"a message on {self.topic} is damaged: {error}") from error
        return seconds * 1_000_000_000 + nanoseconds

    def deserialize(self, types: Any = None) -> Any:
        """Return the message as a rosbags dataclass. Raises RecordingError for damaged bytes.

        `types` is the rosbags type store that knows the type; None: that of ROS 2's own messages.
        """
        try:
            return (types or _types()).deserialize_cdr(self.data, self.type)
        except Exception as error:  # rosbags raises many kinds on damaged bytes
            raise RecordingError(f"a message on {self.topic} is damaged: {error}") from error

    def image(self) -> np.ndarray:
        """Return (H, W) or (H, W, 3) RGB, see `camera_images.decode`. Raises BadImage."""
        return camera_images.decode(self.deserialize())


class Recording:
    """An open recording: a folder with .mcap or .db3 files, or one such file (.zstd as well).

    If metadata.yaml, files or parts of them are missing or damaged, the readable part is read, and
    `warnings` has one line for each fault; `notice` gets each line when the fault is found, on
    opening or while messages are read. Raises RecordingError if nothing is readable.
    """

    def __init__(self, path: Path | str, notice: Callable[[str], object] = lambda line: None):
        self.path = Path(path)
        self.warnings: list[str] = []
        self._notice = notice
        if not self.path.exists():
            raise RecordingError(f"{self.path} does not exist")
        if self.path.is_dir() and not is_recording(self.path):
            raise RecordingError(
                f"{self.path} is not a recording: it has no metadata.yaml and no .mcap or .db3 file"
            )
        self._damaged_reader: SalvagedReader | None = None  # opened if reading fails
        self._reader: Any
        try:
            self._reader = Reader(self.path)
            self._reader.open()
        except Exception as error:  # rosbags raises many kinds on damaged files
            self._reader = self._salvaged(error)
        if not self._reader.message_count:
            self.close()
            raise RecordingError(f"{self.path} holds no messages")

    def _salvaged(self, error: Exception) -> SalvagedReader:
        if isinstance(error, PermissionError):
            raise RecordingError(f"{self.path} cannot be read: permission denied") from error
        try:
            reader = SalvagedReader(self.path)
        except (ValueError, OSError) as reason:
            raise RecordingError(self._damage(reason)) from error
        self._warn(reader.warnings)
        return reader

    def _warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self.warnings:
                self.warnings.append(line)
                self._notice(line)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        if self._damaged_reader is not None:
            self._damaged_reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """Message types by topic, such as {"/rgb/image": "sensor_msgs/msg/Image"}."""
        return {item.topic: item.msgtype for item in self._reader.connections}

    @property
    def storage(self) -> str:
        """How it is stored, one of STORAGES."""
        files = self.path.iterdir() if self.path.is_dir() else [self.path]
        return "sqlite3" if any(".db3" in file.suffixes for file in files) else "mcap"

    @property
    def connections(self) -> list[Any]:
        """The topics as rosbags describes them, for a RecordingWriter."""
        return self._reader.connections

    def count(self, topic: str) -> int:
        """Return the number of messages on a topic."""
        return sum(item.msgcount for item in self._reader.connections if item.topic == topic)

    def choose_topics(self, **names: str | None) -> Topics:
        """Choose the cameras' topics; arguments are those of `topic_choice.choose_topics`.

        Raises RecordingError, which lists what there is, for a camera that is not found.
        """
        types = {topic: kind for topic, kind in self.topics.items() if self.count(topic)}
        try:
            return topic_choice.choose_topics(types, **names)
        except topic_choice.TopicError as error:
            raise RecordingError(f"{self.path} has {error}") from error

    def messages(self, topics: Iterable[str]) -> Iterator[RecordedMessage]:
        """Yield messages on these topics in recorded order, without those in damaged parts.

        Raises RecordingError where nothing after a damaged part is readable.
        """
        wanted = set(topics)
        if not wanted & self.topics.keys():  # rosbags would read all topics
            return
        reader, latest_ns, passed = self._reader, -1, 0
        messages = reader.messages([item for item in reader.connections if item.topic in wanted])
        while True:
            try:
                connection, recorded_ns, data = next(messages)
            except StopIteration:
                return
            except Exception as error:  # rosbags raises many kinds on damaged files
                messages = self._beyond_damage(wanted, latest_ns, passed, error)
                continue
            # How many messages have the latest time, to continue with those after them.
            passed = passed + 1 if recorded_ns == latest_ns else 1
            latest_ns = recorded_ns
            yield RecordedMessage(connection.topic, connection.msgtype, recorded_ns, bytes(data))

    def _beyond_damage(
        self, topics: set[str], latest_ns: int, passed: int, error: Exception
    ) -> Iterator[tuple[Any, int, bytes]]:
        """What is readable after `passed` messages of time `latest_ns`, where reading failed."""
        if self._damaged_reader is not None:  # it has left out the damaged parts already
            raise RecordingError(self._damage(error)) from error
        try:
            reader = SalvagedReader(self.path, damaged=True)
        except (ValueError, OSError, ImportError) as reason:
            raise RecordingError(self._damage(reason)) from error
        self._damaged_reader = reader
        self._warn(reader.warnings)
        return _after(
            reader.messages([item for item in reader.connections if item.topic in topics]),
            latest_ns,
            passed,
        )

    def _damage(self, error: Exception) -> str:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return (
            f"{self.path} cannot be read: damaged, truncated, or not a rosbag2 recording ({reason})"
        )


def _after(
    messages: Iterator[tuple[Any, int, bytes]], latest_ns: int, passed: int
) -> Iterator[tuple[Any, int, bytes]]:
    """The messages later than `latest_ns`, and those of that time after the first `passed`."""
    for message in messages:
        if message[1] == latest_ns and passed:
            passed -= 1
        elif message[1] >= latest_ns:
            yield message


class RecordingWriter:
    """Writes a new recording, which appears when the writer is closed without an error.

    Used as a context manager. Raises FileExistsError if there is something at `path`, ValueError
    for an unknown storage.
    """

    def __init__(self, path: Path | str, storage: str = "mcap"):
        if storage not in STORAGES:
            raise ValueError(f"storage is {storage!r}; it must be one of {', '.join(STORAGES)}")
        self._path = Path(path)
        self._plugin = StoragePlugin[storage.upper()]

    def __enter__(self) -> RecordingWriter:
        with ExitStack() as stack:
            stage = stack.enter_context(new_output(self._path))
            # Version 8 of the metadata: Humble reads it, 9 it does not.
            writer = Writer(stage, version=8, storage_plugin=self._plugin)
            self._writer = stack.enter_context(writer)
            self._connections: dict[str, Any] = {}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def declare_topics_of(self, recording: Recording, topics: Collection[str]) -> None:
        """Take over names, types and QoS of these topics of a recording, for `copy`."""
        for item in recording.connections:
            # It is declared already if another publisher sent on the topic.
            if item.topic in self._connections or item.topic not in topics:
                continue
            described = {"typestore": _types()}
            if item.msgtype not in _types().types:
                described = {"msgdef": item.msgdef.data, "rihs01": item.digest or _UNSET_HASH}
            self._connections[item.topic] = self._writer.add_connection(
                item.topic,
                item.msgtype,
                serialization_format=item.ext.serialization_format,
                offered_qos_profiles=item.ext.offered_qos_profiles,
                **described,
            )

    def copy(self, message: RecordedMessage) -> None:
        """Write a message of a recording, whose topics were declared, as it is."""
        connection = self._connections[message.topic]
        self._writer.write(connection, message.recorded_ns, message.data)

    def write_message(self, topic: str, message: Any, types: Any, recorded_ns: int) -> None:
        """Write a rosbags message of a type that the type store `types` knows."""
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=types)
        data = types.serialize_cdr(message, kind)
        self._writer.write(self._connections[topic], recorded_ns, data)

    def write_image(
        self,
        topic: str,
        stamp_ns: int,
        frame_id: str,
        image: np.ndarray,
        encoding: str,
        recorded_ns: int | None = None,
    ) -> None:
        """Write an (H, W) or (H, W, C) array as sensor_msgs/Image of a matching encoding.

        `recorded_ns` is the time of recording; None: the time of the stamp.
        """
        fields = camera_images.raw_fields(image, encoding)
        self._write(topic, IMAGE, stamp_ns, frame_id, fields, recorded_ns)

    def write_compressed(
        self, topic: str, stamp_ns: int, frame_id: str, data: bytes, format: str
    ) -> None:
        """Write file bytes as sensor_msgs/CompressedImage; see `camera_images.compress`."""
        fields = {"format": format, "data": np.frombuffer(data, np.uint8)}
        self._write(topic, COMPRESSED_IMAGE, stamp_ns, frame_id, fields)

    def write_camera_info(
        self,
        topic: str,
        stamp_ns: int,
        frame_id: str,
        width: int,
        height: int,
        calibration: Calibration | None = None,
    ) -> None:
        """Write a sensor_msgs/CameraInfo; without a calibration, that of an uncalibrated camera."""
        region = _types().types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        fields = {
            "width": width,
            "height": height,
            "distortion_model": calibration.model if calibration else "",
            "d": np.array(calibration.d if calibration else (), np.float64),
            "k": np.array(calibration.k if calibration else 9 * (0.0,), np.float64),
            "r": np.array(calibration.r if calibration else 9 * (0.0,), np.float64),
            "p": np.array(calibration.p if calibration else 12 * (0.0,), np.float64),
            "binning_x": 0,
            "binning_y": 0,
            "roi": region,
        }
        self._write(topic, CAMERA_INFO, stamp_ns, frame_id, fields)

    def _write(
        self,
        topic: str,
        kind: str,
        stamp_ns: int,
        frame_id: str,
        fields: dict,
        recorded_ns: int | None = None,
    ) -> None:
        types = _types()
        time = types.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
        header = types.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)
        message = types.types[kind](header=header, **fields)
        recorded_ns = stamp_ns if recorded_ns is None else recorded_ns
        self.write_message(topic, message, types, recorded_ns)
