"""How the parameters and the cameras' calibrations bring both pictures into one view."""

from __future__ import annotations

import copy

from sensor_msgs.msg import CameraInfo

from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_ros.fusion.parameters import Settings


def make_alignment(
    settings: Settings, rgb: CameraInfo | None, thermal: CameraInfo | None
) -> Alignment:
    """The alignment that the parameters ask for; a camera without camera_info stays as it is.

    Raises ValueError, in one line, for a camera_info that cannot be used.
    """
    if not settings.undistort:
        return Alignment(settings.thermal_to_rgb)
    return Alignment(settings.thermal_to_rgb, _calibration(rgb), _calibration(thermal))


def rectified_info(info: CameraInfo) -> CameraInfo:
    """The camera_info of the image without distortion. Raises ValueError as `make_alignment`."""
    rectified = copy.copy(info)
    rectified.distortion_model = "plumb_bob"
    rectified.d = [0.0] * 5
    rectified.k = _calibration(info).rectified.ravel()
    rectified.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return rectified


def _calibration(info: CameraInfo | None) -> Calibration | None:
    if info is None:
        return None
    return Calibration(
        width=info.width,
        height=info.height,
        model=info.distortion_model,
        d=tuple(info.d),
        k=tuple(info.k),
        r=tuple(info.r),
        p=tuple(info.p),
    )
