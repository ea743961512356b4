"""Process a frame: from messages to outputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time as TimeMessage
from rclpy.clock import Clock
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from difusionseg_core.imaging.codec.camera_images import BadImage, thermal_pixels
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, cropped
from difusionseg_core.objects.frame_objects import FrameObjects, ObjectFinder
from difusionseg_core.predictor import Prediction, Predictor
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import rgb_array
from difusionseg_ros.common.throttled_log import ThrottledLog
from difusionseg_ros.fusion.camera_input import CameraInput
from difusionseg_ros.fusion.outputs import Outputs
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.fusion.thermometer import Thermometer
from difusionseg_ros.fusion.undistortion import Undistortion, rectified_info
from difusionseg_ros.msg import FrameStatus, StageLatency

_MAX_AGE = 3600.0  # seconds


@dataclass(frozen=True)
class Frame:
    """Images on their way to the network: a pair, or one alone and None for the other.

    `arrived` is when the later one arrived, `submitted` when the worker got the frame, on the
    monotonic clock of Python's `time` [s]. `camera_info` (the RGB camera's) and
    `thermal_camera_info` are None for a camera that sends none. `time_offset` is the corrected
    thermal stamp minus the RGB stamp [s].
    """

    rgb: Image | CompressedImage | None
    thermal: Image | CompressedImage | None
    arrived: float
    submitted: float
    camera_info: CameraInfo | None
    thermal_camera_info: CameraInfo | None
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
        log: ThrottledLog,
    ) -> None:
        self._rgb = rgb
        self._thermal = thermal
        self._predictor = predictor
        self._outputs = outputs
        self._settings = settings
        self._clock = clock
        self._log = log
        self._undistortion = Undistortion()
        self._conversion = ThermalConversion(settings().thermal_options)
        self._finder = ObjectFinder()
        self.thermometer = Thermometer(outputs.publish_hot_spot)

    def process(self, frame: Frame) -> FrameStatus | None:
        """Publish the images of a frame; return its status, without the totals.

        An image that turns out bad is counted and reported, and treated as missing. Returns None if
        too few images remain for the parameter `on_missing_camera`, and while `undistort` waits for
        the first camera_info. Raises errors of the network.
        """
        began = time.monotonic()
        settings = self._settings()
        rgb, thermal, degrees = self._arrays(frame, settings)
        rgb, thermal, degrees, camera_info = self._aligned(rgb, thermal, degrees, frame, settings)
        if self._undistortion.waiting:
            self._log.warning(
                "undistort",
                f"frame left out: waiting for {' and '.join(self._undistortion.waiting)}",
            )
            return None
        missing = (rgb is None) + (thermal is None)
        allowed = 1 if settings.on_missing_camera == "degrade" else 0
        source = frame.thermal if rgb is None else frame.rgb
        if source is None or missing > allowed:
            return None
        converted = time.monotonic()
        self._predictor.steps = settings.steps
        result = self._predictor(rgb, thermal)
        predicted = time.monotonic()
        header = source.header
        if degrees is not None:
            self._outputs.publish_temperature(header, degrees)
        self.thermometer.watch(degrees, settings, header)
        found = self._objects(result, degrees, settings, Time.from_msg(header.stamp))
        # First, so that subscribers that wait for the images of a frame already have its objects.
        self._outputs.publish_objects(header, found)
        self._outputs.publish_images(header, result, found, settings, camera_info)
        published = time.monotonic()
        latency = StageLatency(
            pairing=frame.submitted - frame.arrived,
            waiting=began - frame.submitted,
            conversion=converted - began,
            publish=published - predicted,
            total=_age(self._clock, header.stamp),
            **result.timings,
        )
        return FrameStatus(
            header=header,
            mode=_mode(rgb, thermal),
            time_offset=math.nan if missing else frame.time_offset,
            latency=latency,
            class_shares=self._outputs.class_shares(result.labels),
        )

    def _arrays(
        self, frame: Frame, settings: Settings
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """Return RGB (H, W, 3), thermal grey (h, w) uint8 and degrees Celsius (h, w) float32.

        None for missing or bad images, and for temperatures that are unknown or not needed.
        """
        if settings.thermal_options != self._conversion.options:
            self._conversion = ThermalConversion(settings.thermal_options)
        rgb = thermal = degrees = None
        try:
            if frame.rgb is not None:
                rgb = rgb_array(frame.rgb, settings.max_image_bytes, settings.rgb_bits)
                self._rgb.inspect(frame.rgb, rgb)
        except BadImage as error:
            self._rgb.refuse(error)
        try:
            if frame.thermal is not None:
                # Grey before alignment: the black border must not change the thermal range.
                counts = thermal_pixels(frame.thermal, settings.max_image_bytes)
                thermal = self._conversion(counts)
                self._thermal.inspect(frame.thermal, counts, self._conversion)
                degrees = self._degrees(cropped(counts, settings.thermal_crop), settings)
        except BadImage as error:
            self._thermal.refuse(error)
        return rgb, thermal, degrees

    def _degrees(self, counts: np.ndarray, settings: Settings) -> np.ndarray | None:
        """Return degrees Celsius of thermal pixels, if they are known and needed."""
        needed = settings.hot_spot_threshold or self._outputs.wanted(
            topics.THERMAL_TEMPERATURE,
            topics.OBJECT_TEMPERATURES,
            topics.OBJECT_MARKERS,
            topics.OVERLAY,
        )
        if not needed or counts.ndim != 2:  # colours have no temperature
            return None
        return self.thermometer.celsius(counts, settings)

    def _objects(
        self, result: Prediction, degrees: np.ndarray | None, settings: Settings, stamp: Time
    ) -> FrameObjects:
        """Return objects with tracks and temperatures, if a topic with objects has subscribers."""
        if not self._outputs.wanted(
            topics.OBJECTS, topics.OBJECT_TEMPERATURES, topics.OBJECT_MARKERS, topics.OVERLAY
        ):
            return FrameObjects()
        return self._finder.find(
            stamp.nanoseconds * 1e-9,
            result.objects,
            result.labels,
            result.confidence,
            result.fused,
            degrees,
            settings.object_score,
        )

    def _aligned(
        self,
        rgb: np.ndarray | None,
        thermal: np.ndarray | None,
        degrees: np.ndarray | None,
        frame: Frame,
        settings: Settings,
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None, CameraInfo | None]:
        """Align the arrays to one view and size; return them and the camera_info of that view.

        None for an image that cannot. Without both calibrations, both images keep their distortion,
        and log and diagnostics say which camera is the reason.
        """
        camera_info = frame.camera_info
        align = self._undistortion.alignment(
            settings, camera_info, frame.thermal_camera_info, time.monotonic()
        )
        if align.rgb is not None and camera_info is not None:
            camera_info = rectified_info(camera_info, align.rgb)
        for camera, fault in zip(
            (self._rgb, self._thermal), self._undistortion.faults.values(), strict=True
        ):
            camera.calibration_fault = fault
            if fault:
                self._log.warning(camera.topic, f"neither image is undistorted: {fault}")
        if degrees is not None:
            size = None if rgb is None else rgb.shape[1::-1]
            degrees = align.align_thermal(degrees, size, outside=math.nan)
        rgb, thermal = align(rgb, thermal)
        if rgb is not None and thermal is not None and thermal.shape != rgb.shape[:2]:
            self._thermal.refuse(
                BadImage(
                    f"it has {thermal.shape[1]}x{thermal.shape[0]} pixels, the RGB image "
                    f"{rgb.shape[1]}x{rgb.shape[0]}; both must show the same view in one size, or "
                    "thermal_to_rgb say how they differ (difusionseg register)"
                )
            )
            return rgb, None, None, camera_info
        return rgb, thermal, degrees, camera_info


def _age(clock: Clock, stamp: TimeMessage) -> float:
    """Return seconds since the stamp; NaN if the stamp cannot be of this clock.

    A stamp in the future or more than an hour ago is from another clock: a recording, a simulation,
    or a computer that is not synchronised.
    """
    age = (clock.now() - Time.from_msg(stamp)).nanoseconds * 1e-9
    return age if 0.0 <= age <= _MAX_AGE else math.nan


def _mode(rgb: np.ndarray | None, thermal: np.ndarray | None) -> int:
    if thermal is None:
        return FrameStatus.RGB_ONLY
    return FrameStatus.THERMAL_ONLY if rgb is None else FrameStatus.BOTH
