"""Conversion between image messages and arrays, with the core's codec and cv_bridge.

Encodings, checks and BadImage are those of `difusionseg_core.imaging.codec`. cv_bridge converts
8-bit colours without row padding; it does not check messages, so this module does.
"""

from __future__ import annotations

import array
import sys

import cv2
import numpy as np
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from difusionseg_core.imaging.codec import camera_images
from difusionseg_core.imaging.codec.camera_images import BadImage
from difusionseg_core.imaging.codec.encodings import ENCODINGS

_BRIDGE = CvBridge()
_BY_CV_BRIDGE = ("bgr8", "rgba8", "bgra8", "mono8")


def stamp_ns(header: Header) -> int:
    """Return a header's stamp in nanoseconds; negative stamps too, which rclpy's Time refuses."""
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


def check_stamp(header: Header) -> None:
    """Raise BadImage if the image has no usable stamp and so cannot be paired."""
    camera_images.check_stamp(stamp_ns(header))


def rgb_array(message: Image | CompressedImage, max_bytes: int, bits: int = 16) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, as `camera_images.rgb_array`. Raises BadImage."""
    if isinstance(message, Image) and message.encoding in _BY_CV_BRIDGE:
        camera_images.check(message, _BY_CV_BRIDGE, max_bytes)
        if message.step == message.width * ENCODINGS[message.encoding].pixel_bytes:
            try:
                return _BRIDGE.imgmsg_to_cv2(message, "rgb8")
            except (CvBridgeError, cv2.error, ValueError) as error:
                line = f"{message.encoding} does not convert: {error}"
                raise BadImage(" ".join(line.split())) from error
    return camera_images.rgb_array(message, max_bytes, bits)


def image_message(image: np.ndarray, encoding: str, header: Header) -> Image:
    """Return an Image message from an (H, W) or (H, W, C) array of the encoding's type."""
    message = Image(header=header, height=image.shape[0], width=image.shape[1], encoding=encoding)
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = image.nbytes // image.shape[0]
    # rclpy copies a byte array in one step; it checks other types byte by byte.
    message.data = array.array("B", image.tobytes())
    return message
