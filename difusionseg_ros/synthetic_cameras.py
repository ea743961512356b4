"""Two cameras without hardware, for benchmarks and soaks of the fusion node."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from difusionseg_ros.images import image_message
from difusionseg_ros.topics import RGB_IMAGE, THERMAL_IMAGE


class SyntheticCameras(Node):
    """Publishes pairs of one picture, rgb8 and mono8, each stamped with the time it is sent at.

    Best effort, as camera drivers are.
    """

    def __init__(self, height: int, width: int, **node_arguments: Any) -> None:
        super().__init__("synthetic_cameras", **node_arguments)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._rgb_publisher = self.create_publisher(RGB_IMAGE.type, RGB_IMAGE.name, qos)
        self._thermal_publisher = self.create_publisher(THERMAL_IMAGE.type, THERMAL_IMAGE.name, qos)
        y, x = np.mgrid[:height, :width]
        colors = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)
        heat = ((2 * x + 3 * y) % 256).astype(np.uint8)
        self._rgb = image_message(colors, "rgb8", Header(frame_id="rgb"))
        self._thermal = image_message(heat, "mono8", Header(frame_id="thermal"))

    def publish_pair(self) -> None:
        """Send both images, with one stamp: now."""
        stamp = self.get_clock().now().to_msg()
        self._rgb.header.stamp = self._thermal.header.stamp = stamp
        self._rgb_publisher.publish(self._rgb)
        self._thermal_publisher.publish(self._thermal)
