"""Arrays from sensor_msgs/Image and CompressedImage, as rosbags deserialises them, and back.

For recordings, without ROS; the node converts with cv_bridge (difusionseg_ros/images.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"

# Encodings of sensor_msgs/image_encodings.hpp: type of a channel, number of channels.
_ENCODINGS = {
    "mono8": ("u1", 1),
    "8UC1": ("u1", 1),
    "mono16": ("u2", 1),
    "16UC1": ("u2", 1),
    "32FC1": ("f4", 1),
    "rgb8": ("u1", 3),
    "bgr8": ("u1", 3),
    "8UC3": ("u1", 3),
    "rgba8": ("u1", 4),
    "bgra8": ("u1", 4),
    "bayer_rggb8": ("u1", 1),
    "bayer_bggr8": ("u1", 1),
    "bayer_gbrg8": ("u1", 1),
    "bayer_grbg8": ("u1", 1),
    "yuv422": ("u1", 2),
    "yuv422_yuy2": ("u1", 2),
}
# OpenCV names a Bayer pattern by its second row, ROS by its first.
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "8UC3": cv2.COLOR_BGR2RGB,  # OpenCV's order, as cv_bridge takes it
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "bayer_rggb8": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr8": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGB2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
}
# What the node takes from either camera.
RGB_ENCODINGS = frozenset(_TO_RGB) - {"8UC3"} | {"rgb8", "mono8"}
THERMAL_ENCODINGS = frozenset({"mono8", "8UC1", "mono16", "16UC1", "32FC1", "bgr8", "rgb8"})
# First and last bytes by which a cut-off file is told; decoders fill up with grey.
_FILE_ENDS = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))


class BadImage(ValueError):
    """An image message that cannot be used; the message is one line that says why."""


def check(message: Any, encodings: frozenset[str] | None = None) -> None:
    """Raise BadImage where the message tells, without being decoded, that it cannot be used.

    `encodings` are those that a raw image may have; None for all that are known.
    """
    if hasattr(message, "format"):
        _check_compressed(message)
    else:
        _check_raw(message, _ENCODINGS if encodings is None else encodings)


def decode(message: Any) -> np.ndarray:
    """The picture of an image message: (H, W) as recorded, or (H, W, 3) uint8 RGB.

    Grey pictures keep their depth (uint8, uint16 or float32). Raises BadImage.
    """
    if hasattr(message, "format"):
        return _decode_compressed(message)
    return _decode_raw(message)


def rgb_array(message: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises BadImage."""
    image = decode(message)
    if image.dtype != np.uint8:
        raise BadImage(f"a colour image has 8 bits a channel, this one is {image.dtype}")
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image


def thermal_array(message: Any) -> np.ndarray:
    """(H, W) uint8, uint16 or float32; pictures in colour become grey. Raises BadImage."""
    image = decode(message)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def mask_array(message: Any) -> np.ndarray:
    """(H, W) uint8 class ids. Raises BadImage."""
    image = decode(message)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise BadImage(f"a mask has one 8-bit channel, this one is {image.shape} {image.dtype}")
    return image


def _check_raw(message: Any, encodings: Iterable[str]) -> None:
    if message.encoding not in encodings:
        known = ", ".join(sorted(encodings))
        raise BadImage(f"encoding '{message.encoding[:40]}' is not one of {known}")
    width, height, step = message.width, message.height, message.step
    if width == 0 or height == 0:
        raise BadImage(f"the image is empty, {width}x{height} pixels")
    row_bytes = width * _pixel_bytes(message.encoding)
    if step < row_bytes or len(message.data) != step * height:
        raise BadImage(
            f"{width}x{height} {message.encoding} needs a step of {row_bytes} bytes or more and "
            f"step x height bytes; the step is {step}, the data has {len(message.data)} bytes"
        )


def _pixel_bytes(encoding: str) -> int:
    kind, channels = _ENCODINGS[encoding]
    return channels * np.dtype(kind).itemsize


def _decode_raw(message: Any) -> np.ndarray:
    _check_raw(message, _ENCODINGS)
    width, height, step = message.width, message.height, message.step
    kind, channels = _ENCODINGS[message.encoding]
    pixel = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    data = np.asarray(message.data, np.uint8)
    rows = data.reshape(height, step)[:, : width * _pixel_bytes(message.encoding)]
    image = np.ascontiguousarray(rows).view(pixel).astype(pixel.newbyteorder("="))
    if channels > 1:
        image = image.reshape(height, width, channels)
    conversion = _TO_RGB.get(message.encoding)
    if conversion is None:
        return image
    try:
        return cv2.cvtColor(image, conversion)
    except cv2.error as error:  # such as an odd width in YUV 4:2:2
        reason = f"{width}x{height} {message.encoding} does not convert: {error}"
        raise BadImage(" ".join(reason.split())) from error


def _check_compressed(message: Any) -> None:
    encoded = bytes(message.data)
    if not encoded:
        raise BadImage("the compressed image is empty")
    for start, end in _FILE_ENDS:
        if encoded.startswith(start) and encoded.rfind(end) < 0:
            raise BadImage(f"the compressed image is cut off after {len(encoded)} bytes")


def _decode_compressed(message: Any) -> np.ndarray:
    _check_compressed(message)
    image = cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise BadImage(f"the compressed image (format '{message.format[:40]}') does not decode")
    if image.ndim == 2:
        return image
    if image.dtype != np.uint8:
        raise BadImage(f"a colour image has 8 bits a channel, this one is {image.dtype}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGB)


def compress(image: np.ndarray, encoding: str, quality: int = 90) -> tuple[bytes, str]:
    """File bytes and `format` of a CompressedImage, as image_transport writes it.

    Args:
        image: (H, W, 3) uint8 RGB or (H, W) uint8 or uint16.
        encoding: "jpeg" or "png".
        quality: of JPEG, 1 to 100.
    """
    colour = image.ndim == 3
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if encoding == "jpeg" else []
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if colour else image
    done, data = cv2.imencode(".jpg" if encoding == "jpeg" else ".png", stored, options)
    if not done:
        raise ValueError(f"OpenCV cannot write {image.shape} {image.dtype} as {encoding}")
    if colour:
        return data.tobytes(), f"rgb8; {encoding} compressed bgr8"
    grey = "mono8" if image.dtype == np.uint8 else "mono16"
    return data.tobytes(), f"{grey}; {encoding} compressed {grey}"


def raw_fields(image: np.ndarray, encoding: str) -> dict[str, Any]:
    """Fields of a sensor_msgs/Image, but its header, for an array of that encoding's type."""
    return {
        "height": image.shape[0],
        "width": image.shape[1],
        "encoding": encoding,
        "is_bigendian": int(sys.byteorder == "big"),
        "step": image.nbytes // image.shape[0],
        "data": np.frombuffer(image.tobytes(), np.uint8),
    }
