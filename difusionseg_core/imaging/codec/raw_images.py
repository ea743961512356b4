"""Raw image messages (sensor_msgs/Image): checks, and arrays from their bytes."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import cv2
import numpy as np

from difusionseg_core.imaging.bad_image import BadImage, refuse_size
from difusionseg_core.imaging.codec.encodings import (
    BAYER,
    ENCODINGS,
    GREY,
    PACKED_YUV,
    PLANAR_YUV,
    Encoding,
)

_TO_RGB = {
    GREY: cv2.COLOR_GRAY2RGB,
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
    # OpenCV names a Bayer pattern by its second row, ROS by its first.
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
}
# BT.601 in video range, as OpenCV converts the other YUV layouts: rows R, G, B; Y, U, V, constant.
_YUV_TO_RGB = np.array(
    [
        [1.164, 0.0, 1.596, -1.164 * 16 - 1.596 * 128],
        [1.164, -0.391, -0.813, -1.164 * 16 + (0.391 + 0.813) * 128],
        [1.164, 2.018, 0.0, -1.164 * 16 - 2.018 * 128],
    ]
)
_NEUTRAL = 3.0  # largest mean distance of chroma from 128 of an image without colour
_CHROMA_STEP = 31  # every n-th chroma value is examined


def check_raw(message: Any, encodings: Collection[str], max_bytes: int | None = None) -> None:
    """Raise BadImage unless encoding, size, step and length of the data fit each other.

    The rules are those of the C++ cv_bridge. `max_bytes` limits the pixel data.
    """
    width, height, step = message.width, message.height, message.step
    if message.encoding not in encodings or message.encoding not in ENCODINGS:
        known = ", ".join(encodings)
        raise BadImage(f"encoding {message.encoding[:40]!r} is not one of {known}")
    if width == 0 or height == 0:
        raise BadImage(f"the image is empty, {width}x{height} pixels")
    encoding = ENCODINGS[message.encoding]
    row_bytes = width * encoding.pixel_bytes
    if step < row_bytes:
        raise BadImage(
            f"step is {step} bytes, but a row of {width} {message.encoding} pixels has "
            f"{row_bytes}: it needs a step of {row_bytes} bytes or more"
        )
    wanted = _data_bytes(message, encoding)
    refuse_size(max(wanted, len(message.data)), max_bytes)
    if len(message.data) != wanted:
        factor = f" x {encoding.size:g}" if encoding.size != 1 else ""
        raise BadImage(
            f"the data has {len(message.data)} bytes, but step x height{factor} is {step} x "
            f"{height}{factor} = {wanted}"
        )


def decode_raw(message: Any, bits: int = 16) -> np.ndarray:
    """Return (H, W) of a checked grey message, or (H, W, 3) uint8 RGB. Raises BadImage.

    Colours of 16 bits are scaled to 8 from the range of `bits` bits.
    """
    encoding = ENCODINGS[message.encoding]
    pixels = _pixels(message, encoding)
    if encoding.order == GREY or (encoding.order, encoding.dtype) == ("rgb", "u1"):
        # Messages of rosbags lie in read-only memory, which PyTorch does not take.
        return pixels if pixels.flags.writeable else pixels.copy()
    return _converted(message, encoding.order, eight_bits(pixels, bits))


def decode_thermal(message: Any) -> np.ndarray:
    """Return (H, W) counts of a checked message, or (H, W, 3) uint8 RGB if it has colours.

    Of YUV images without colour, the Y channel: it is what the camera measured.
    """
    encoding = ENCODINGS[message.encoding]
    if encoding.order not in PACKED_YUV + PLANAR_YUV:
        return decode_raw(message)
    pixels = _pixels(message, encoding)
    height, width = message.height, message.width
    if encoding.order in PLANAR_YUV:
        luma, chroma = pixels[:height], pixels[height:].ravel()
    else:
        y = 1 if encoding.order == "uyvy" else 0
        luma, chroma = pixels[..., y], pixels[..., 1 - y].ravel()
    if chroma.size and np.abs(chroma[::_CHROMA_STEP].astype(np.int16) - 128).mean() > _NEUTRAL:
        return _converted(message, encoding.order, pixels)
    return np.ascontiguousarray(luma[:, :width])


def eight_bits(pixels: np.ndarray, bits: int = 16) -> np.ndarray:
    """Return uint8 of uint8 or uint16 pixels, whose `bits` significant bits span black to white."""
    if pixels.dtype == np.uint8:
        return pixels
    return cv2.convertScaleAbs(pixels, alpha=255.0 / (2**bits - 1))


def demosaic(mosaic: np.ndarray, pattern: str, bits: int = 16) -> np.ndarray:
    """Map (H, W) uint8 or uint16 to (H, W, 3) uint8 RGB; `pattern` is one of BAYER."""
    return cv2.cvtColor(eight_bits(mosaic, bits), _TO_RGB[pattern])


def _data_bytes(message: Any, encoding: Encoding) -> int:
    """Return bytes that the data must have."""
    if encoding.size > 1 and message.step == round(message.width * encoding.size):
        # Some drivers give the bytes of all planes, divided by the rows, as step.
        return message.step * message.height
    return round(message.step * message.height * encoding.size)


def _pixels(message: Any, encoding: Encoding) -> np.ndarray:
    """Return (H, W) or (H, W, channels) in this machine's byte order, without padding.

    Of PLANAR_YUV (rows, W): luma above chroma, as OpenCV wants it.
    """
    width, step = message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if encoding.size > 1 and len(data) == step * message.height:
        step = width  # see _data_bytes
    row_bytes = width * encoding.pixel_bytes
    if encoding.order == "nv24":  # the rows of chroma are twice as long as those of luma
        luma, chroma = np.split(data, [step * message.height])
        chroma = chroma.reshape(message.height, 2 * step)[:, : 2 * width]
        luma = luma.reshape(message.height, step)[:, :width]
        return np.concatenate([luma, chroma.reshape(-1, width)])
    rows = data.reshape(-1, step)[:, :row_bytes]
    dtype = np.dtype(encoding.dtype)
    if dtype.itemsize > 1:
        rows = np.require(rows, requirements=["C", "ALIGNED"])
        pixels = rows.view(dtype)
        if bool(message.is_bigendian) != (sys.byteorder == "big"):
            pixels = pixels.byteswap()
    else:
        pixels = np.ascontiguousarray(rows)
    if encoding.channels > 1:
        pixels = pixels.reshape(-1, width, encoding.channels)
    return pixels


def _converted(message: Any, order: str, pixels: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB from 8-bit pixels as `_pixels` returns them. Raises BadImage."""
    if order == "rgb":
        return pixels
    size = f"{message.width}x{message.height} {message.encoding}"
    odd_height = message.height % 2 and order in ("nv12", "nv21")
    if order in (*PACKED_YUV, "nv12", "nv21") and (message.width % 2 or odd_height):
        raise BadImage(f"{size} does not convert: two pixels share their chroma, the size is odd")
    if order in BAYER and min(message.width, message.height) < 2:
        raise BadImage(f"{size} does not convert: a Bayer pattern has 2x2 pixels")
    if order == "nv24":
        height, width = message.height, message.width
        chroma = pixels[height:].reshape(height, width, 2)
        return cv2.transform(np.dstack([pixels[:height], chroma]), _YUV_TO_RGB)
    try:
        return cv2.cvtColor(pixels, _TO_RGB[order])
    except cv2.error as error:
        raise BadImage(" ".join(f"{size} does not convert: {error}".split())) from error
