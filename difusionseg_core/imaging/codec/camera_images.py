"""The codec: arrays from sensor_msgs/Image and CompressedImage messages, and back.

Works on the messages of rclpy and on those of rosbags alike: only their fields are read. Each
message is checked before anything is computed from it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import cv2
import numpy as np

from difusionseg_core.imaging.bad_image import BadImage
from difusionseg_core.imaging.codec import compressed_images, raw_images
from difusionseg_core.imaging.codec.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS
from difusionseg_core.imaging.codec.raw_images import eight_bits
from difusionseg_core.imaging.thermal.palettes import thermal_grey

__all__ = [
    "COMPRESSED_IMAGE",
    "IMAGE",
    "RGB_ENCODINGS",
    "THERMAL_ENCODINGS",
    "BadImage",
    "check",
    "check_stamp",
    "compress",
    "decode",
    "mask_array",
    "raw_fields",
    "rgb_array",
    "thermal_array",
    "thermal_pixels",
]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
_PNG_COMPRESSION = 6  # of 9; the files are a fifth smaller than by OpenCV's default


def check_stamp(stamp_ns: int) -> None:
    """Raise BadImage for an image without a usable time stamp [ns]."""
    if stamp_ns < 0:
        raise BadImage(f"negative time stamp ({stamp_ns // 10**9} s)")
    if stamp_ns == 0:
        raise BadImage("it has no stamp; the camera's driver must set one")


def check(
    message: Any, encodings: Collection[str] | None = None, max_bytes: int | None = None
) -> None:
    """Raise BadImage if the fields of a message show that it cannot be used.

    Does not decode. `encodings` are those that a raw image may have, None for all that are known;
    `max_bytes` limits the data.
    """
    if is_compressed(message):
        compressed_images.check_compressed(message, max_bytes)
    else:
        raw_images.check_raw(message, ENCODINGS if encodings is None else encodings, max_bytes)


def is_compressed(message: Any) -> bool:
    """Return whether it is a CompressedImage."""
    return hasattr(message, "format")


def decode(message: Any, max_bytes: int | None = None, bits: int = 16) -> np.ndarray:
    """Return the image of a message: (H, W) as recorded, or (H, W, 3) uint8 RGB. Raises BadImage.

    Grey images keep their depth (8 or 16 bits, signed or not, 32-bit integers, floats). Colours
    of more than 8 bits a channel are scaled to 8 from the range of `bits` bits. An image without
    padding, in this machine's byte order, that is grey or rgb8 shares the message's memory.
    """
    check(message, max_bytes=max_bytes)
    if is_compressed(message):
        return compressed_images.decode_compressed(message, max_bytes, bits)
    return raw_images.decode_raw(message, bits)


def rgb_array(message: Any, max_bytes: int | None = None, bits: int = 16) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB; grey images become grey colours. Raises BadImage.

    Of images of more than 8 bits a channel, `bits` are significant: a 12-bit camera fills 12.
    """
    image = decode(message, max_bytes, bits)
    if image.ndim == 3:
        return image
    if image.dtype not in (np.uint8, np.uint16):
        raise BadImage(
            f"a colour image needs channels of 8 or 16 bits without sign, found {image.dtype}"
        )
    return cv2.cvtColor(eight_bits(image, bits), cv2.COLOR_GRAY2RGB)


def thermal_pixels(message: Any, max_bytes: int | None = None) -> np.ndarray:
    """Return (H, W) counts, or (H, W, 3) uint8 RGB of an image in pseudo-colours. Raises BadImage.

    Counts are uint8, uint16, int16, int32, float32 or float64. 16-bit counts that were sent as 8
    bits come back as multiples of 256; `compressed_images.lost_depth` tells. Of YUV images without
    colour, the Y channel.
    """
    if is_compressed(message):
        image = decode(message, max_bytes)
        if compressed_images.lost_depth(message.format) and image.dtype == np.uint8:
            grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            return grey.astype(np.uint16) << 8
        return image
    raw_images.check_raw(message, THERMAL_ENCODINGS, max_bytes)
    return raw_images.decode_thermal(message)


def thermal_array(message: Any, max_bytes: int | None = None, palette: str = "auto") -> np.ndarray:
    """Return (H, W) counts; pseudo-colours become 8-bit grey, see `palettes.thermal_grey`.

    Raises BadImage.
    """
    pixels = thermal_pixels(message, max_bytes)
    return pixels if pixels.ndim == 2 else thermal_grey(pixels, palette)


def mask_array(message: Any, max_bytes: int | None = None) -> np.ndarray:
    """Return (H, W) uint8 class ids. Raises BadImage."""
    image = decode(message, max_bytes)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise BadImage(f"a mask has one 8-bit channel, this one is {image.shape} {image.dtype}")
    return image


def compress(image: np.ndarray, encoding: str, quality: int = 90) -> tuple[bytes, str]:
    """Return file bytes and `format` of a CompressedImage, as image_transport writes it.

    Args:
        image: (H, W, 3) uint8 RGB or (H, W) uint8 or uint16.
        encoding: "jpeg" or "png".
        quality: of JPEG, 1 to 100.
    """
    colour = image.ndim == 3
    if encoding == "jpeg":
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    else:
        options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if colour else image
    done, data = cv2.imencode(".jpg" if encoding == "jpeg" else ".png", stored, options)
    if not done:
        raise ValueError(f"OpenCV cannot write {image.shape} {image.dtype} as {encoding}")
    if colour:
        return data.tobytes(), f"rgb8; {encoding} compressed bgr8"
    grey = "mono8" if image.dtype == np.uint8 else "mono16"
    return data.tobytes(), f"{grey}; {encoding} compressed {grey}"


def raw_fields(image: np.ndarray, encoding: str) -> dict[str, Any]:
    """Return the fields of a sensor_msgs/Image, except the header, for an array."""
    return {
        "height": image.shape[0],
        "width": image.shape[1],
        "encoding": encoding,
        "is_bigendian": int(sys.byteorder == "big"),
        "step": image.nbytes // image.shape[0],
        "data": np.frombuffer(image.tobytes(), np.uint8),
    }
