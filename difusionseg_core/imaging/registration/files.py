"""The files of `difusionseg register`: the node's parameters, and an image to check them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_core.imaging.calibration_files import calibration_yaml
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.imaging.drawing import contact_sheet
from difusionseg_core.imaging.registration.estimation import Registration, checkerboard

_SHOWN = 3  # frames on the image
_TILE = 640  # width of a board on the image, pixels


def node_parameters(
    found: Registration, source: str, frames: int, cameras: CameraSettings | None = None
) -> str:
    """Return a parameter file for the node (YAML); `frames` pairs of `source` were used.

    `cameras` says how their images were converted and undistorted before.
    """
    cameras = cameras or CameraSettings()
    thermal = cameras.thermal
    calibrations = ""
    if cameras.undistort:
        calibrations = _block("rgb_calibration", cameras.rgb) + _block(
            "thermal_calibration", cameras.thermal_camera
        )
    numbers = ", ".join(_as_double(f"{value:.9g}") for value in found.matrix.ravel())
    return (
        f"# Found by `difusionseg register` from {frames} pairs of {source}:\n"
        f"# {found.summary}.\n"
        "/**/fusion_node:\n"
        "  ros__parameters:\n"
        f"    thermal_to_rgb: [{numbers}]\n"
        f"    thermal_mode: {thermal.mode}\n"
        f"    thermal_low: {_as_double(f'{thermal.low:.9g}')}\n"
        f"    thermal_high: {_as_double(f'{thermal.high:.9g}')}\n"
        f"    thermal_palette: {thermal.palette}\n"
        f"    thermal_invert: {str(thermal.invert).lower()}\n"
        f"    thermal_crop: {list(thermal.crop)}\n"
        f"    undistort: {str(cameras.undistort).lower()}\n"
        f"{calibrations}"
    )


def checkerboard_sheet(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], found: Registration
) -> np.ndarray:
    """Draw (H, W, 3) uint8 RGB: alternating cells of both cameras, before and after."""
    align = Alignment(tuple(found.matrix.ravel().tolist()))
    rows = []
    for rgb, thermal in pairs[:_SHOWN]:
        before = cv2.resize(thermal, rgb.shape[1::-1])
        _, after = align(rgb, thermal)
        assert after is not None
        boards = [checkerboard(rgb, _grey(image)) for image in (before, after)]
        rows.append(boards)
    titles = ("before", f"after: {found.model}")
    return contact_sheet(rows, titles, _TILE)


def _block(name: str, calibration: Calibration | None) -> str:
    """Return a string parameter of several lines."""
    assert calibration is not None  # both cameras are undistorted, or neither
    lines = calibration_yaml(calibration).splitlines()
    return f"    {name}: |\n" + "".join(f"      {line}\n" for line in lines)


def _as_double(number: str) -> str:
    # ROS takes an array of doubles only if each of them is written as one.
    return number if any(sign in number for sign in ".e") else f"{number}.0"


def _grey(image: cv2.typing.MatLike) -> np.ndarray:
    # Equalised, so that edges are visible in the dark parts of a thermal image, too.
    return cv2.cvtColor(cv2.equalizeHist(image), cv2.COLOR_GRAY2RGB)
