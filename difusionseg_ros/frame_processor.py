"""From the two messages of a pair to everything that is published about them."""

from __future__ import annotations

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
from difusionseg_ros.nearest_sync import PairTiming
from difusionseg_ros.outputs import Outputs
from difusionseg_ros.parameters import Settings


@dataclass(frozen=True)
class Frame:
    """A pair on its way to the network. `camera_info` is the RGB camera's, if it sends one."""

    rgb: Image | CompressedImage
    thermal: Image | CompressedImage
    timing: PairTiming
    camera_info: CameraInfo | None


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

        Returns None for an image that turns out bad, which is counted and named. Whatever the
        network raises goes to the caller.
        """
        began = time.monotonic()
        settings = self._settings()
        arrays = self._arrays(frame, settings)
        if arrays is None:
            return None
        converted = time.monotonic()
        self._predictor.steps = settings.steps
        result = self._predictor(*arrays)
        predicted = time.monotonic()
        header = frame.rgb.header
        self._outputs.publish_pictures(header, result, settings.overlay_opacity, frame.camera_info)
        published = time.monotonic()
        age = self._clock.now() - Time.from_msg(header.stamp)
        latency = StageLatency(
            waiting=began - frame.timing.arrived,
            conversion=converted - began,
            publish=published - predicted,
            total=age.nanoseconds * 1e-9,
            **result.timings,
        )
        return FrameStatus(
            header=header,
            mode=FrameStatus.BOTH,
            time_offset=frame.timing.offset_ns * 1e-9,
            latency=latency,
            class_shares=self._outputs.class_shares(result.labels),
        )

    def _arrays(self, frame: Frame, settings: Settings) -> tuple[np.ndarray, np.ndarray] | None:
        """RGB (H, W, 3) and grey thermal (H, W), both uint8; None where one of them is bad."""
        try:
            rgb = self._rgb.to_array(frame.rgb)
        except BadImage as error:
            self._rgb.refuse(error)
            return None
        try:
            thermal = self._thermal.to_array(frame.thermal)
            if thermal.shape != rgb.shape[:2]:
                raise BadImage(
                    f"it has {thermal.shape[1]}x{thermal.shape[0]} pixels, the RGB image "
                    f"{rgb.shape[1]}x{rgb.shape[0]}; both must show the same view in one size"
                )
        except BadImage as error:
            self._thermal.refuse(error)
            return None
        return rgb, self._grey(thermal, settings)

    def _grey(self, thermal: np.ndarray, settings: Settings) -> np.ndarray:
        if settings.thermal_mode == "auto" and thermal.dtype == np.uint8:
            return thermal
        mode = "percentile" if settings.thermal_mode == "auto" else settings.thermal_mode
        normalization = mode, settings.thermal_low, settings.thermal_high
        if normalization != self._normalization:
            self._normalizer = ThermalNormalizer(*normalization)
            self._normalization = normalization
        return self._normalizer(thermal)
