"""Collects a replay's images and the fusion node's outputs, frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

from difusionseg_core.classes import LabelSet
from difusionseg_core.imaging.codec.camera_images import mask_array, rgb_array, thermal_array
from difusionseg_core.recordings.topic_choice import MASK as TRUTH
from difusionseg_core.recordings.topic_choice import RGB, THERMAL
from difusionseg_ros.common.complaints import Complaints
from difusionseg_ros.common.topics import (
    CLASS_COLORS,
    DIAGNOSTICS,
    FRAME_STATUS,
    FUSED,
    MASK,
    OVERLAY,
    Topic,
)
from difusionseg_ros.msg import ClassColors, FrameStatus

IMAGES = (FUSED, MASK, OVERLAY)
KEPT_FRAMES = 20  # newest frames kept; outputs of older ones will not arrive any more
MAX_BYTES = 1_000_000_000


@dataclass
class DemoFrame:
    """Messages that belong to one RGB image; `images` by topic name."""

    rgb: Image | CompressedImage | None = None
    truth: Image | CompressedImage | None = None
    images: dict[str, Image] = field(default_factory=dict)
    status: FrameStatus | None = None

    def is_complete(self) -> bool:
        """Return whether all outputs of the frame have arrived."""
        return self.status is not None and len(self.images) == len(IMAGES)

    def rgb_image(self) -> np.ndarray:
        """Return (H, W, 3) uint8."""
        return rgb_array(self.rgb, MAX_BYTES)

    def true_labels(self) -> np.ndarray | None:
        """Return (H, W) uint8 class ids, 255 for unlabelled; None without ground truth."""
        return None if self.truth is None else mask_array(self.truth, MAX_BYTES)

    def image(self, topic: Topic) -> np.ndarray:
        """Return the output on a topic: (H, W, 3) uint8 RGB, or (H, W) uint8 for the mask."""
        message = self.images[topic.name]
        if topic is MASK:
            return mask_array(message, MAX_BYTES)
        return rgb_array(message, MAX_BYTES)


class Recorder(Node):
    """Subscribes to the replay's topics (`source_topics`: type by topic) and to the outputs.

    `frames` are the newest ones by RGB stamp [ns]; `complaints` keeps the node's diagnostics.
    """

    def __init__(self, source_topics: Mapping[str, str]) -> None:
        super().__init__("demo_recorder")
        self.frames: dict[int, DemoFrame] = {}
        self.label_set: LabelSet | None = None
        self._thermal: deque[Image | CompressedImage] = deque(maxlen=KEPT_FRAMES)
        takers = {RGB: self._take_rgb, THERMAL: self._take_thermal, TRUTH: self._take_truth}
        for topic, kind in source_topics.items():
            taker = takers.get(topic.removesuffix("/compressed"))
            if taker is not None:
                message_type = CompressedImage if kind.endswith("CompressedImage") else Image
                self.create_subscription(message_type, topic, taker, QoSProfile(depth=10))
        for topic in IMAGES:
            self._subscribe(topic, self._image_taker(topic))
        self._subscribe(FRAME_STATUS, self._take_status)
        self.complaints = Complaints()
        self._subscribe(DIAGNOSTICS, self.complaints.take)
        self._subscribe(CLASS_COLORS, self._take_class_colors)

    def is_complete(self, stamp_ns: int) -> bool:
        """Return whether image and outputs of the frame with this RGB stamp have arrived."""
        frame = self.frames.get(stamp_ns)
        return frame is not None and frame.rgb is not None and frame.is_complete()

    def thermal_image(self, stamp_ns: int) -> np.ndarray:
        """Return the thermal image nearest to a stamp, (H, W) uint8, uint16 or float32."""
        nearest = min(self._thermal, key=lambda message: abs(_nanoseconds(message) - stamp_ns))
        return thermal_array(nearest, MAX_BYTES)

    def _subscribe(self, topic: Topic, taker) -> None:
        self.create_subscription(topic.type, topic.name, taker, topic.qos())

    def _frame(self, message: Image | CompressedImage | FrameStatus) -> DemoFrame:
        stamp_ns = _nanoseconds(message)
        if stamp_ns not in self.frames and len(self.frames) == KEPT_FRAMES:
            del self.frames[next(iter(self.frames))]
        return self.frames.setdefault(stamp_ns, DemoFrame())

    def _take_rgb(self, message: Image | CompressedImage) -> None:
        self._frame(message).rgb = message

    def _take_thermal(self, message: Image | CompressedImage) -> None:
        self._thermal.append(message)

    def _take_truth(self, message: Image | CompressedImage) -> None:
        self._frame(message).truth = message

    def _image_taker(self, topic: Topic):
        def take(message: Image) -> None:
            self._frame(message).images[topic.name] = message

        return take

    def _take_status(self, message: FrameStatus) -> None:
        self._frame(message).status = message

    def _take_class_colors(self, message: ClassColors) -> None:
        self.label_set = LabelSet(
            message.name,
            tuple(item.class_name for item in message.class_map),
            tuple(
                tuple(round(255 * part) for part in (item.color.r, item.color.g, item.color.b))
                for item in message.class_map
            ),
        )


def _nanoseconds(message: Image | CompressedImage | FrameStatus) -> int:
    return Time.from_msg(message.header.stamp).nanoseconds
