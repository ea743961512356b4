"""From image messages to NumPy arrays."""

import numpy as np
from sensor_msgs.msg import Image

from cv_bridge.color import cvtColor2
from cv_bridge.encodings import dtype_and_channels


class CvBridgeError(TypeError):
    """A message cannot be converted."""


class CvBridge:
    """Converts sensor_msgs/Image to arrays: (H, W) for one channel, (H, W, C) for more."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Return the image of a message in the byte order of this machine.

        With "passthrough" the array keeps the message's encoding, and shares its memory unless
        padding or byte order forbid it. With another encoding it is a converted copy.

        Raises:
            CvBridgeError: unknown encoding, too small a step, too short a buffer, or no such
                conversion.
        """
        try:
            image = _array_of(img_msg)
            if desired_encoding == "passthrough":
                return image
            return cvtColor2(image, img_msg.encoding, desired_encoding)
        except RuntimeError as error:
            raise CvBridgeError(str(error)) from error


def _array_of(message: Image) -> np.ndarray:
    name, channels = dtype_and_channels(message.encoding)
    dtype = np.dtype(name).newbyteorder(">" if message.is_bigendian else "<")
    pixel = dtype.itemsize * channels
    if message.step < message.width * pixel:
        raise CvBridgeError(
            f"step {message.step} is less than {message.width} pixels of {pixel} bytes"
        )
    if len(message.data) < message.height * message.step:
        raise CvBridgeError(
            f"data has {len(message.data)} bytes, less than {message.height} rows of {message.step}"
        )
    shape = (message.height, message.width, channels)
    strides = (message.step, pixel, dtype.itemsize)
    image = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    if channels == 1:
        image = image[:, :, 0]
    return np.ascontiguousarray(image, dtype=dtype.newbyteorder("="))
