"""Between camera messages and arrays.

A message is checked before anything is computed from it: cv_bridge trusts what it is given and
fails, or returns a skewed picture, with an error that says nothing to an operator.
"""

from __future__ import annotations

import array
import sys
from typing import NamedTuple

import cv2
import numpy as np
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header


class BadImage(ValueError):
    """An image message cannot be used; the message is one line that says why."""


class PixelLayout(NamedTuple):
    """Channels a pixel and bytes a channel of an encoding (sensor_msgs/image_encodings.hpp)."""

    channels: int
    channel_bytes: int

    @property
    def pixel_bytes(self) -> int:
        return self.channels * self.channel_bytes


RGB_ENCODINGS = {
    "rgb8": PixelLayout(3, 1),
    "bgr8": PixelLayout(3, 1),
    "rgba8": PixelLayout(4, 1),
    "bgra8": PixelLayout(4, 1),
    "mono8": PixelLayout(1, 1),
    "bayer_rggb8": PixelLayout(1, 1),
    "bayer_bggr8": PixelLayout(1, 1),
    "bayer_gbrg8": PixelLayout(1, 1),
    "bayer_grbg8": PixelLayout(1, 1),
    "yuv422": PixelLayout(2, 1),
    "yuv422_yuy2": PixelLayout(2, 1),
}
THERMAL_ENCODINGS = {
    "mono8": PixelLayout(1, 1),
    "8UC1": PixelLayout(1, 1),
    "mono16": PixelLayout(1, 2),
    "16UC1": PixelLayout(1, 2),
    "32FC1": PixelLayout(1, 4),
    "bgr8": PixelLayout(3, 1),
    "rgb8": PixelLayout(3, 1),
}

_BRIDGE = CvBridge()
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND"


def check_stamp(header: Header) -> None:
    """Raise BadImage for an image without a stamp, which no other belongs to."""
    if header.stamp.sec < 0:  # rclpy's Time refuses it
        raise BadImage(f"its stamp is {header.stamp.sec} s, before all time")
    if header.stamp.sec == header.stamp.nanosec == 0:
        raise BadImage("it has no stamp; the camera's driver must set one")


def check_image(message: Image, encodings: dict[str, PixelLayout], max_bytes: int) -> None:
    """Raise BadImage unless encoding, size, step and length of the message fit each other.

    The rules are those of the C++ cv_bridge. `max_bytes` limits the pixel data.
    """
    width, height, step = message.width, message.height, message.step
    if message.encoding not in encodings:
        known = ", ".join(encodings)
        raise BadImage(f"encoding '{message.encoding[:40]}' is not one of {known}")
    if width == 0 or height == 0:
        raise BadImage(f"the image is empty, {width}x{height} pixels")
    row_bytes = width * encodings[message.encoding].pixel_bytes
    if step < row_bytes:
        raise BadImage(
            f"step is {step} bytes, but a row of {width} {message.encoding} pixels has {row_bytes}"
        )
    if max(step * height, len(message.data)) > max_bytes:
        _refuse_size(max(step * height, len(message.data)), max_bytes)
    if len(message.data) != step * height:
        raise BadImage(
            f"the data has {len(message.data)} bytes, but step x height is {step} x {height} = "
            f"{step * height}"
        )


def check_compressed(message: CompressedImage, max_bytes: int) -> None:
    """Raise BadImage for compressed data that is empty, too large, or cut off (JPEG, PNG)."""
    data = memoryview(message.data)
    if not data:
        raise BadImage("the compressed image is empty")
    if len(data) > max_bytes:
        _refuse_size(len(data), max_bytes)
    # Decoders fill what is missing with grey and report no error. Some cameras pad the end.
    for start, end in ((_JPEG_START, _JPEG_END), (_PNG_START, _PNG_END)):
        if data[: len(start)] == start and bytes(data).rfind(end) < 0:
            raise BadImage(f"the compressed image is cut off after {len(data)} bytes")


def rgb_array(message: Image | CompressedImage, max_bytes: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB from a checked message. Raises BadImage where it cannot be decoded."""
    if isinstance(message, Image):
        # cv_bridge copies where it converts; what is rgb8 already needs neither.
        wanted = "passthrough" if message.encoding == "rgb8" else "rgb8"
        return _converted(message, RGB_ENCODINGS[message.encoding], wanted)
    image = _decoded(message, max_bytes)
    if image.dtype != np.uint8:
        raise BadImage(f"the decoded RGB image has {image.dtype} pixels, not uint8")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGB)


def thermal_array(message: Image | CompressedImage, max_bytes: int) -> np.ndarray:
    """(H, W) uint8, uint16 or float32 counts from a checked message; pseudo-grey becomes uint8.

    Raises BadImage where the message cannot be decoded.
    """
    if isinstance(message, Image):
        layout = THERMAL_ENCODINGS[message.encoding]
        # cv_bridge refuses 16UC1 to mono16: one channel goes through as it is.
        return _converted(message, layout, "passthrough" if layout.channels == 1 else "mono8")
    image = _decoded(message, max_bytes)
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise BadImage(f"the decoded thermal image has {image.dtype} pixels")
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)


def image_message(image: np.ndarray, encoding: str, header: Header) -> Image:
    """An Image message from an (H, W) or (H, W, C) array whose type is that of the encoding."""
    message = Image(header=header, height=image.shape[0], width=image.shape[1], encoding=encoding)
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = image.nbytes // image.shape[0]
    # rclpy copies an array of bytes at once, and checks anything else byte by byte.
    message.data = array.array("B", image.tobytes())
    return message


def _converted(message: Image, layout: PixelLayout, wanted: str) -> np.ndarray:
    try:
        return _BRIDGE.imgmsg_to_cv2(_plain(message, layout), wanted)
    except (CvBridgeError, cv2.error, ValueError) as error:
        raise BadImage(_one_line(f"{message.encoding} does not convert: {error}")) from error


def _plain(message: Image, layout: PixelLayout) -> Image:
    """The same picture in this machine's byte order and with a step of whole pixels.

    cv_bridge in Python fails on the other byte order with NumPy 2, and skews pictures whose
    rows are padded to something else than whole pixels.
    """
    swapped = bool(message.is_bigendian) != (sys.byteorder == "big")
    if not swapped and message.step % layout.pixel_bytes == 0:
        return message
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * layout.pixel_bytes].copy()
    if swapped and layout.channel_bytes > 1:
        pixels = pixels.view(f"u{layout.channel_bytes}").byteswap()
    plain = image_message(pixels, message.encoding, message.header)
    plain.width = message.width
    return plain


def _decoded(message: CompressedImage, max_bytes: int) -> np.ndarray:
    # Not by cv_bridge: its releases differ in whether 16-bit images keep their depth.
    try:
        image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise BadImage(_one_line(f"the compressed image does not decode: {error}")) from error
    if image is None:
        raise BadImage(f"the compressed image (format '{message.format[:40]}') does not decode")
    if image.nbytes > max_bytes:
        _refuse_size(image.nbytes, max_bytes)
    return image


def _refuse_size(size: int, max_bytes: int) -> None:
    raise BadImage(f"the image has {size} bytes, more than max_image_bytes ({max_bytes})")


def _one_line(text: str) -> str:
    return " ".join(text.split())
