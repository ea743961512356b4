"""Stand-in for the ROS package `cv_bridge`, for machines with only PyPI's ROS wheels."""

from cv_bridge.core import CvBridge, CvBridgeError

__all__ = ["CvBridge", "CvBridgeError"]
