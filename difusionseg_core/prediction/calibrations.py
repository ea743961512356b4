"""The lenses of the cameras of a recording."""

from __future__ import annotations

from pathlib import Path

from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.recordings.rosbag2 import Recording, RecordingError


def recorded_calibrations(
    path: Path, rgb_topic: str | None = None, thermal_topic: str | None = None
) -> tuple[Calibration | None, Calibration | None]:
    """The RGB and the thermal camera's, from the first camera_info of each; None without one.

    Raises RecordingError if there is none at all, and ValueError for one that cannot be used.
    """
    with Recording(path) as recording:
        topics = recording.choose_topics(rgb=rgb_topic, thermal=thermal_topic)
        found = [
            _first(recording, topic) if topic is not None else None
            for topic in (topics.camera_info, topics.thermal_camera_info)
        ]
    if found == [None, None]:
        raise RecordingError(f"{path} has no camera_info; it cannot be undistorted")
    return found[0], found[1]


def _first(recording: Recording, topic: str) -> Calibration | None:
    for message in recording.messages([topic]):
        return Calibration.from_info(message.deserialize())
    return None
