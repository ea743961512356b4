"""Calibrations of the cameras in a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.recordings.rosbag2 import Recording
from difusionseg_core.recordings.topic_choice import Topics


def with_recorded_calibrations(
    cameras: CameraSettings, path: Path, topics: Topics
) -> tuple[CameraSettings, list[str]]:
    """Add the missing calibrations to the settings, from the first camera_info of each camera.

    The returned lines name the reason for each camera without a calibration. Raises
    RecordingError.
    """
    found: dict[str, Any] = {}
    faults: list[str] = []
    for name, camera, topic in (
        ("rgb", "RGB", topics.camera_info),
        ("thermal_camera", "thermal", topics.thermal_camera_info),
    ):
        if getattr(cameras, name) is not None:
            continue
        try:
            found[name] = _first(path, topic)
        except ValueError as error:
            faults.append(f"{camera} camera: {error}")
    return replace(cameras, **found), faults


def _first(path: Path, topic: str | None) -> Calibration:
    if topic is not None:
        with Recording(path) as recording:
            for message in recording.messages([topic]):
                return Calibration.from_info(message.deserialize())
    raise ValueError("the recording has no camera_info beside its images")
