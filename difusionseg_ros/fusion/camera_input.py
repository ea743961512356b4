"""The input of one camera: a message filter that passes usable messages only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from message_filters import SimpleFilter, Subscriber
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

from difusionseg_core.cameras import camera_watch
from difusionseg_core.cameras.camera_watch import CameraWatch, Finding
from difusionseg_core.cameras.stamp_quality import ARRIVAL, StampQuality, used_stamp
from difusionseg_core.imaging.codec.camera_images import BadImage, check, thermal_pixels
from difusionseg_core.imaging.codec.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from difusionseg_core.imaging.thermal.conversion import ThermalConversion
from difusionseg_ros.common.image_messages import check_stamp, rgb_array, stamp_ns
from difusionseg_ros.common.middleware import other_users_of_shared_memory
from difusionseg_ros.common.throttled_log import ThrottledLog
from difusionseg_ros.common.topics import RGB_IMAGE, THERMAL_IMAGE, Topic
from difusionseg_ros.fusion.diagnostics import NOTHING_ARRIVES, CameraReport
from difusionseg_ros.fusion.latched import Latched
from difusionseg_ros.fusion.parameters import Settings

_INSPECTION_PERIOD = 1.0  # seconds


@dataclass(frozen=True)
class CameraKind:
    """The differences between the two cameras."""

    topic: Topic
    encodings: Sequence[str]
    to_array: Callable[[Image | CompressedImage, int], np.ndarray]
    role: str = camera_watch.RGB


RGB = CameraKind(RGB_IMAGE, RGB_ENCODINGS, rgb_array)
THERMAL = CameraKind(THERMAL_IMAGE, THERMAL_ENCODINGS, thermal_pixels, camera_watch.THERMAL)


class CameraInput(SimpleFilter):
    """Subscribes to a camera, counts and reports bad messages, and emits the others.

    `transport` is "raw", "compressed" or "compressedDepth"; the topics of the latter two are below
    the base topic, remapped or not, as with image_transport. `bad` is the number of refused
    messages. If the parameter `..._stamps` requires it, messages get the time of their arrival as
    stamp. `calibration_fault` is the reason why `undistort` has no effect on the images.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraKind,
        transport: str,
        settings: Callable[[], Settings],
        log: ThrottledLog,
    ) -> None:
        super().__init__()
        self.topic = node.resolve_topic_name(camera.topic.name)
        if transport != "raw":
            self.topic += f"/{transport}"
        self.bad = 0
        self.calibration_fault = ""
        self._received = 0
        self._last_error = ""
        self._last_sound = self._last_arrival = time.monotonic()
        self._node = node
        self._camera = camera
        self._settings = settings
        self._log = log
        self._watch = CameraWatch(camera.role)
        self._last_inspection = -math.inf
        kind = Image if transport == "raw" else CompressedImage
        self._latched = Latched(node, kind, self.topic, self._accept)
        self._latched.look()
        self._subscriber = Subscriber(
            node,
            kind,
            self.topic,
            qos_profile=camera.topic.qos(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._subscriber.registerCallback(self._arrived)

    @property
    def missing(self) -> bool:
        """Return whether no usable message has arrived for `camera_timeout`."""
        return self._silence() > self._settings().camera_timeout

    @property
    def used_stamps(self) -> StampQuality:
        """Return how the stamps used for pairing relate to the times of arrival."""
        return ARRIVAL if self._stamps() == "arrival" else self._watch.stamps

    def inspect(
        self,
        message: Image | CompressedImage,
        pixels: np.ndarray,
        conversion: ThermalConversion | None = None,
    ) -> None:
        """Examine decoded pixels for diagnostics, once a second; see `CameraWatch.inspect`."""
        now = time.monotonic()
        if now - self._last_inspection >= _INSPECTION_PERIOD:
            self._last_inspection = now
            self._watch.inspect(message, pixels, conversion)

    def refuse(self, error: BadImage) -> None:
        """Count a message as bad, and log the error."""
        self.bad += 1
        self._last_error = str(error)
        self._log.error(self.topic, f"image refused: {error}")

    def report(self) -> CameraReport:
        """Return totals since creation, and the time since the last usable message."""
        self._latched.look()
        settings = self._settings()
        return CameraReport(
            topic=self.topic,
            received=self._received,
            bad=self.bad,
            last_error=self._last_error,
            silence=self._silence(),
            calibration_fault=self.calibration_fault,
            facts=self._watch.facts(),
            findings=[
                *self._nothing_arrives(settings.camera_timeout),
                *self._watch.findings(settings.camera_timeout, settings.rgb_bits),
            ],
        )

    def close(self) -> None:
        """Unsubscribe."""
        self._latched.close()
        self._node.destroy_subscription(self._subscriber.sub)

    def _silence(self) -> float:
        return time.monotonic() - self._last_sound

    def _nothing_arrives(self, timeout: float) -> list[Finding]:
        """Return the likely reason if no message has arrived for `timeout` seconds."""
        if time.monotonic() - self._last_arrival <= timeout:
            return []
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        users = [] if self._received else other_users_of_shared_memory()
        if not publishers:
            reason = "nobody publishes it: is the camera's driver running, and the name right?"
        elif users:
            reason = (
                f"it is published, but shared memory of another user ({', '.join(users)}) cannot "
                "be used: run the camera's driver and this node as one user"
            )
        else:
            reason = (
                "it is published, but nothing arrives: if the driver sends images, they are lost "
                "on the way: start it with config/fastdds.xml of this package"
            )
            if all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers):
                reason += f", or set qos_overrides.{self.topic}.subscription.reliability: reliable"
        return [Finding(NOTHING_ARRIVES, reason, warning=True)]

    def _arrived(self, message: Image | CompressedImage) -> None:
        self._latched.give_up()
        self._accept(message)

    def _accept(self, message: Image | CompressedImage) -> None:
        self._received += 1
        now = self._last_arrival = time.monotonic()
        self._watch.received(message, stamp_ns(message.header), self._now_ns())
        try:
            self._check_stamp(message)
            check(message, self._camera.encodings, self._settings().max_image_bytes)
        except BadImage as error:
            self.refuse(error)
            return
        self._watch.accepted(message, now)
        self._last_sound = now
        self.signalMessage(message)

    def _check_stamp(self, message: Image | CompressedImage) -> None:
        """Replace the stamp by the time of arrival if the parameter requires it."""
        own = stamp_ns(message.header)
        used = used_stamp(self._stamps(), own, self._now_ns())
        if used != own:
            message.header.stamp = Time(nanoseconds=used).to_msg()
        try:
            check_stamp(message.header)
        except BadImage as error:
            raise BadImage(
                f"{error}; or set the parameter {self._camera.role}_stamps to auto or arrival"
            ) from None

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _stamps(self) -> str:
        return getattr(self._settings(), f"{self._camera.role}_stamps")
