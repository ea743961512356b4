"""Stand-in for the ROS package `cv_bridge`, for machines with only PyPI's ROS wheels."""

import cv2
import numpy as np
from sensor_msgs.msg import Image

__all__ = ["CvBridge", "CvBridgeError"]

# 8-bit encodings: OpenCV's name of the channel order, and the number of channels.
_ENCODINGS = {
    "mono8": ("GRAY", 1),
    "rgb8": ("RGB", 3),
    "bgr8": ("BGR", 3),
    "rgba8": ("RGBA", 4),
    "bgra8": ("BGRA", 4),
}


class CvBridgeError(TypeError):
    """A message cannot be converted."""


class CvBridge:
    """Converts sensor_msgs/Image with 8-bit grey or colour to uint8 arrays."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Return the image of a message as (H, W) for mono8, else (H, W, C).

        With "passthrough" the array keeps the message's encoding and shares its memory, unless rows
        are padded. With another encoding it is a converted copy.

        Raises:
            CvBridgeError: unknown encoding, step too small, or buffer too short.
        """
        order, channels = _known(img_msg.encoding)
        image = _pixels(img_msg, channels)
        if desired_encoding == "passthrough":
            return image
        desired_order, _ = _known(desired_encoding)
        if desired_order == order:
            return image.copy()
        return cv2.cvtColor(image, getattr(cv2, f"COLOR_{order}2{desired_order}"))


def _known(encoding: str) -> tuple[str, int]:
    if encoding not in _ENCODINGS:
        raise CvBridgeError(f"Unrecognized image encoding [{encoding}]")
    return _ENCODINGS[encoding]


def _pixels(message: Image, channels: int) -> np.ndarray:
    row = message.width * channels
    if message.step < row:
        raise CvBridgeError(f"step {message.step} is less than {row} bytes of a row")
    if len(message.data) < message.height * message.step:
        raise CvBridgeError(
            f"data has {len(message.data)} bytes, less than {message.height} rows of {message.step}"
        )
    shape = (message.height, message.width, channels)
    strides = (message.step, channels, 1)
    image = np.ndarray(shape, np.uint8, buffer=message.data, strides=strides)
    return np.ascontiguousarray(image[:, :, 0] if channels == 1 else image)
