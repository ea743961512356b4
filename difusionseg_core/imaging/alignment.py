"""Align the images of both cameras to the RGB camera's view, before the network.

Lens distortion is removed with the cameras' calibration (camera_info in ROS; OpenCV's models), and
a homography maps the thermal image. Both are one table of source pixels, computed once per pair of
image sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, overload

import cv2
import numpy as np

DISTORTION_MODELS = ("plumb_bob", "rational_polynomial", "equidistant")
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Calibration:
    """A camera's lens, as sensor_msgs/CameraInfo has it: for images of `width` x `height` pixels.

    `k` (9) and `r` (9) are row-major 3x3 matrices, `d` the coefficients of `model`, `p` (12) the
    3x4 projection of the rectified image. Raises ValueError, in one line, for what OpenCV does not
    know and for a camera that was not calibrated (focal length 0).
    """

    width: int
    height: int
    model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in DISTORTION_MODELS:
            raise ValueError(
                f"distortion model '{self.model}' is unknown; "
                f"known are {', '.join(DISTORTION_MODELS)}"
            )
        if not (self.k[0] and self.k[4] and self.width and self.height):
            raise ValueError("the camera_info holds no calibration: focal length or size is 0")

    @classmethod
    def from_info(cls, info: Any) -> Calibration:
        """Read a sensor_msgs/CameraInfo, from ROS or from rosbags. Raises ValueError."""
        return cls(
            width=info.width,
            height=info.height,
            model=info.distortion_model,
            d=tuple(map(float, info.d)),
            k=tuple(map(float, info.k)),
            r=tuple(map(float, info.r)),
            p=tuple(map(float, info.p)),
        )

    @property
    def rectified(self) -> np.ndarray:
        """(3, 3) camera matrix of the image without distortion."""
        projection = np.reshape(self.p, (3, 4))[:, :3]
        return projection if projection[0, 0] else np.reshape(self.k, (3, 3))

    @property
    def is_rectified(self) -> bool:
        """Whether undistortion would change nothing."""
        rotation = np.reshape(self.r, (3, 3)) if any(self.r) else np.eye(3)
        return (
            not any(self.d)
            and np.allclose(rotation, np.eye(3))
            and np.allclose(self.rectified, np.reshape(self.k, (3, 3)))
            and self.model != "equidistant"
        )

    def undistortion(self, width: int, height: int) -> np.ndarray:
        """Return (height, width, 2) float32: where each rectified pixel comes from, x first.

        For an image of another size than was calibrated, of the same view.
        """
        camera, coefficients, rotation, target = self._scaled(width, height)
        if self.model == "equidistant":
            maps = cv2.fisheye.initUndistortRectifyMap(
                camera, coefficients[:4], rotation, target, (width, height), cv2.CV_32FC1
            )
        else:
            maps = cv2.initUndistortRectifyMap(
                camera, coefficients, rotation, target, (width, height), cv2.CV_32FC1
            )
        return np.dstack(maps)

    def rectified_points(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Map (N, 2) pixels (x, y) of a distorted image of this size to undistorted pixels."""
        camera, coefficients, rotation, target = self._scaled(width, height)
        places = np.asarray(points, np.float64).reshape(-1, 1, 2)
        if self.model == "equidistant":
            found = cv2.fisheye.undistortPoints(
                places, camera, coefficients[:4], R=rotation, P=target
            )
        else:
            found = cv2.undistortPoints(places, camera, coefficients, R=rotation, P=target)
        return found[:, 0]

    def _scaled(self, width: int, height: int) -> tuple[np.ndarray, ...]:
        """Return camera matrix, coefficients, rotation and target matrix for this image size."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        rotation = np.reshape(self.r, (3, 3)) if any(self.r) else np.eye(3)
        coefficients = np.array(self.d, np.float64)
        camera = scale @ np.reshape(self.k, (3, 3))
        return camera, coefficients, rotation, scale @ self.rectified


@dataclass(frozen=True)
class Alignment:
    """Alignment of both images to the RGB camera's view, without its distortion.

    `thermal_to_rgb` (9 numbers, row-major) maps thermal pixels to RGB pixels, in images without
    distortion if a calibration is given. The calibrations are None for cameras whose images are
    used as they are.
    """

    thermal_to_rgb: tuple[float, ...] = IDENTITY
    rgb: Calibration | None = None
    thermal: Calibration | None = None

    @overload
    def __call__(self, rgb: np.ndarray, thermal: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray | None]: ...
    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Map (H, W, 3) RGB and (h, w) thermal to the same with the thermal image (H, W).

        Pixels outside the thermal camera's view are black. Without an RGB image, the thermal image
        stays in its own view. If there is nothing to do, the arrays are returned unchanged, in any
        size.
        """
        if thermal is not None:
            thermal = self.align_thermal(thermal, None if rgb is None else rgb.shape[1::-1])
        if rgb is not None and self.rgb is not None:
            rgb = cv2.remap(rgb, *_rgb_table(self.rgb, rgb.shape[1::-1]), cv2.INTER_LINEAR)
        return rgb, thermal

    def undistorted(self, rgb: np.ndarray, thermal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both images without distortion, each in its own camera's view and size."""
        own_view = self.align_thermal(thermal, None)
        aligned, _ = self(rgb, None)
        assert aligned is not None
        return aligned, own_view

    def align_labels(self, labels: np.ndarray) -> np.ndarray:
        """Align (H, W) uint8 class ids of the RGB image with it; 255 outside."""
        if self.rgb is None:
            return labels
        columns, rows = cv2.split(self.rgb.undistortion(*labels.shape[1::-1]))
        return cv2.remap(labels, columns, rows, cv2.INTER_NEAREST, borderValue=255)

    def align_thermal(
        self, thermal: np.ndarray, rgb_size: tuple[int, int] | None, outside: float = 0.0
    ) -> np.ndarray:
        """Map (h, w) thermal values to the RGB camera's view of `rgb_size` (width, height).

        None keeps the thermal camera's own view. `outside` is the value of pixels outside its view.
        """
        if self.thermal is None and self.thermal_to_rgb == IDENTITY:
            return thermal
        size = thermal.shape[1::-1]
        view = (IDENTITY, size) if rgb_size is None else (self.thermal_to_rgb, rgb_size)
        table = _thermal_table(self.thermal, size, *view)
        return cv2.remap(thermal, *table, cv2.INTER_LINEAR, borderValue=outside)


@lru_cache(maxsize=4)
def _rgb_table(calibration: Calibration, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return _table(calibration.undistortion(*size))


@lru_cache(maxsize=4)
def _thermal_table(
    calibration: Calibration | None,
    thermal_size: tuple[int, int],
    thermal_to_rgb: tuple[float, ...],
    rgb_size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    width, height = thermal_size
    if calibration is None:
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        sources = np.dstack([columns, rows]).astype(np.float32)
    else:
        sources = calibration.undistortion(width, height)
    outside = (-10.0, -10.0)  # left of and above every image: read as black
    return _table(
        cv2.warpPerspective(
            sources, np.reshape(thermal_to_rgb, (3, 3)), rgb_size, borderValue=outside
        )
    )


def _table(sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Fixed point: twice as fast to read as float32.
    columns, rows = cv2.split(sources)
    return cv2.convertMaps(columns, rows, cv2.CV_16SC2)
