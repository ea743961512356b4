"""The alignment of both images from the parameters and the cameras' calibrations."""

from __future__ import annotations

import copy

from sensor_msgs.msg import CameraInfo

from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_ros.fusion.parameters import Settings


class Undistortion:
    """Undistorts the images of both cameras, or of neither.

    `thermal_to_rgb` maps undistorted pixels to undistorted ones, so a pair with one undistorted
    image would not match. `faults` holds, for "rgb" and "thermal", why that camera's images cannot
    be undistorted; empty if they can. `waiting` names the topics of calibrations that may still
    arrive; until then, frames would be distorted, and are left out.
    """

    def __init__(self) -> None:
        self.faults = {"rgb": "", "thermal": ""}
        self.waiting: list[str] = []
        self._waiting_since: float | None = None

    def alignment(
        self, settings: Settings, rgb: CameraInfo | None, thermal: CameraInfo | None, now: float
    ) -> Alignment:
        """Return the alignment of a frame at the time `now` [s], and the `faults` that it found.

        Calibrations in the parameters have priority over those of camera_info. A camera_info may
        arrive after the first images: it is a fault if it is missing for `camera_timeout`.
        """
        self.faults = {"rgb": "", "thermal": ""}
        self.waiting = []
        if not settings.undistort:
            self._waiting_since = None
            return Alignment(settings.thermal_to_rgb)
        if self._waiting_since is None:
            self._waiting_since = now
        late = now - self._waiting_since > settings.camera_timeout
        calibrations = []
        for camera, info in (("rgb", rgb), ("thermal", thermal)):
            try:
                given = settings.calibration(f"{camera}_calibration")
                if given is not None:
                    calibrations.append(given)
                elif info is not None:
                    calibrations.append(Calibration.from_info(info))
                elif late:
                    self.faults[camera] = f"no message has arrived on {camera}/camera_info"
                else:
                    self.waiting.append(f"{camera}/camera_info")
            except ValueError as error:
                self.faults[camera] = f"{camera}/camera_info: {error}"
        if any(self.faults.values()):
            self.waiting = []  # in vain: both cameras are needed
        if len(calibrations) < 2:
            return Alignment(settings.thermal_to_rgb)
        return Alignment(settings.thermal_to_rgb, *calibrations)


def rectified_info(info: CameraInfo, calibration: Calibration) -> CameraInfo:
    """Return the camera_info of the image that `calibration` undistorted."""
    rectified = copy.copy(info)
    rectified.width, rectified.height = calibration.width, calibration.height
    rectified.distortion_model = "plumb_bob"
    rectified.d = [0.0] * 5
    rectified.k = calibration.rectified.ravel()
    rectified.p = calibration.p
    rectified.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return rectified
