"""Stand-in for the ROS package `cv_bridge` where only PyPI's ROS wheels are at hand."""

from cv_bridge.core import CvBridge, CvBridgeError
from cv_bridge.display import cvtColorForDisplay
from cv_bridge.encodings import getCvType

__all__ = ["CvBridge", "CvBridgeError", "cvtColorForDisplay", "getCvType"]
