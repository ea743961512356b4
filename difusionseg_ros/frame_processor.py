"""From the messages of a frame to everything that is published about it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.clock import Clock
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from difusionseg_core.predictor import Predictor
from difusionseg_core.thermal import ThermalNormalizer
from difusionseg_ros.camera_input import CameraInput
from difusionseg_ros.images import BadImage
from difusionseg_ros.msg import FrameStatus, StageLatency
from difusionseg_ros.outputs import Outputs
from difusionseg_ros.parameters import Settings


@dataclass(frozen=True)
class Frame:
    """Images on their way to the network: a pair, or one alone and None for the other.

    `arrived` is when the later one came in, on the monotonic clock of Python's `time` [s].
    `camera_info` is the RGB camera's, if it sends one. `time_offset` is the corrected thermal stamp
    minus the RGB stamp [s].
    """

    rgb: Image | CompressedImage | None
    thermal: Image | CompressedImage | None
    arrived: float
    camera_info: CameraInfo | None
    time_offset: float = math.nan


class FrameProcessor:
    """Converts, predicts and publishes, one frame at a time."""

    def __init__(
        self,
        rgb: CameraInput,
        thermal: CameraInput,
        predictor: Predictor,
        outputs: Outputs,
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._rgb = rgb
        self._thermal = thermal
        self._predictor = predictor
        self._outputs = outputs
        self._settings = settings
        self._clock = clock
        self._normalizer: ThermalNormalizer | None = None
        self._normalization: tuple[str, float, float] | None = None

    def process(self, frame: Frame) -> FrameStatus | None:
        """Publish the pictures of a frame; return its status, the totals not yet filled in.

        An image that turns out bad is counted and named, and counts as missing. Returns None where
        too few are left for the parameter `on_missing_camera`. Whatever the network raises goes to
        the caller.
        """
        began = time.monotonic()
        settings = self._settings()
        rgb, thermal = self._aligned(*self._arrays(frame))
        missing = (rgb is None) + (thermal is None)
        allowed = 1 if settings.on_missing_camera == "degrade" else 0
        if missing > allowed:
            return None
        grey = None if thermal is None else self._grey(thermal, settings)
        converted = time.monotonic()
        self._predictor.steps = settings.steps
        result = self._predictor(rgb, grey)
        predicted = time.monotonic()
        header = frame.thermal.header if rgb is None else frame.rgb.header
        self._outputs.publish_pictures(header, result, settings.overlay_opacity, frame.camera_info)
        published = time.monotonic()
        age = self._clock.now() - Time.from_msg(header.stamp)
        latency = StageLatency(
            waiting=began - frame.arrived,
            conversion=converted - began,
            publish=published - predicted,
            total=age.nanoseconds * 1e-9,
            **result.timings,
        )
        return FrameStatus(
            header=header,
            mode=_mode(rgb, thermal),
            time_offset=math.nan if missing else frame.time_offset,
            latency=latency,
            class_shares=self._outputs.class_shares(result.labels),
        )

    def _arrays(self, frame: Frame) -> tuple[np.ndarray | None, np.ndarray | None]:
        """RGB (H, W, 3) uint8 and thermal counts (H, W), None for those missing or bad."""
        arrays = []
        for camera, message in ((self._rgb, frame.rgb), (self._thermal, frame.thermal)):
            try:
                arrays.append(None if message is None else camera.to_array(message))
            except BadImage as error:
                camera.refuse(error)
                arrays.append(None)
        return arrays[0], arrays[1]

    def _aligned(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The same, showing the same view in the same size; None for what cannot."""
        if rgb is not None and thermal is not None and thermal.shape != rgb.shape[:2]:
            self._thermal.refuse(
                BadImage(
                    f"it has {thermal.shape[1]}x{thermal.shape[0]} pixels, the RGB image "
                    f"{rgb.shape[1]}x{rgb.shape[0]}; both must show the same view in one size"
                )
            )
            return rgb, None
        return rgb, thermal

    def _grey(self, thermal: np.ndarray, settings: Settings) -> np.ndarray:
        """(H, W) uint8 from counts, as the thermal parameters say."""
        if settings.thermal_mode == "auto" and thermal.dtype == np.uint8:
            return thermal
        mode = "percentile" if settings.thermal_mode == "auto" else settings.thermal_mode
        normalization = mode, settings.thermal_low, settings.thermal_high
        if normalization != self._normalization:
            self._normalizer = ThermalNormalizer(*normalization)
            self._normalization = normalization
        return self._normalizer(thermal)


def _mode(rgb: np.ndarray | None, thermal: np.ndarray | None) -> int:
    if thermal is None:
        return FrameStatus.RGB_ONLY
    return FrameStatus.THERMAL_ONLY if rgb is None else FrameStatus.BOTH
