"""Two simulated cameras, for benchmarks and soaks of the fusion node."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.common.topics import RGB_IMAGE, THERMAL_IMAGE


class SyntheticCameras(Node):
    """Publishes pairs of one test image, rgb8 and mono8, best effort as camera drivers do.

    `rgb` and `thermal` are the messages that are sent.
    """

    def __init__(self, height: int, width: int, **node_arguments: Any) -> None:
        super().__init__("synthetic_cameras", **node_arguments)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.rgb_publisher = self.create_publisher(RGB_IMAGE.type, RGB_IMAGE.name, qos)
        self.thermal_publisher = self.create_publisher(THERMAL_IMAGE.type, THERMAL_IMAGE.name, qos)
        self.resize(height, width)

    def resize(self, height: int, width: int) -> None:
        """Send images of another size from now on."""
        y, x = np.mgrid[:height, :width]
        colors = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)
        heat = ((2 * x + 3 * y) % 256).astype(np.uint8)
        self.rgb = image_message(colors, "rgb8", Header(frame_id="rgb"))
        self.thermal = image_message(heat, "mono8", Header(frame_id="thermal"))

    def publish_pair(self, stamp: Time | None = None) -> None:
        """Send both images with one stamp, by default the current time."""
        stamp = stamp or self.get_clock().now().to_msg()
        self.rgb.header.stamp = self.thermal.header.stamp = stamp
        self.rgb_publisher.publish(self.rgb)
        self.thermal_publisher.publish(self.thermal)
