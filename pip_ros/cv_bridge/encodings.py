"""What an encoding of sensor_msgs/Image says: channels, depth, and the meaning of the channels.

The names are those of sensor_msgs/image_encodings.hpp.
"""

import re

import cv2

NUMPY_DEPTHS = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}

_LAYOUT_CHANNELS = {
    "mono": 1,
    "rgb": 3,
    "bgr": 3,
    "rgba": 4,
    "bgra": 4,
    "bayer_rggb": 1,
    "bayer_bggr": 1,
    "bayer_gbrg": 1,
    "bayer_grbg": 1,
}

# Color encodings: name -> (layout, numpy depth, channels).
_COLOR_ENCODINGS = {
    f"{layout}{bits}": (layout, f"uint{bits}", channels)
    for layout, channels in _LAYOUT_CHANNELS.items()
    for bits in (8, 16)
} | {
    "yuv422": ("yuv422", "uint8", 2),
    "yuv422_yuy2": ("yuv422_yuy2", "uint8", 2),
}

_GENERIC_ENCODING = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)(?:C([1-9][0-9]*))?")

# OpenCV packs a type as depth + step * (channels - 1); the step is 8 in OpenCV 4, 32 in OpenCV 5.
_CHANNEL_STEP = cv2.CV_8UC2 - cv2.CV_8UC1


def color_layout(encoding: str) -> str | None:
    """Return the layout, such as "bgr" or "bayer_rggb", or None if there is no color in it."""
    return _COLOR_ENCODINGS[encoding][0] if encoding in _COLOR_ENCODINGS else None


def dtype_and_channels(encoding: str) -> tuple[str, int]:
    """Return the numpy dtype's name and the number of channels.

    Raises:
        RuntimeError: the encoding is unknown.
    """
    if encoding in _COLOR_ENCODINGS:
        return _COLOR_ENCODINGS[encoding][1:]
    match = _GENERIC_ENCODING.fullmatch(encoding)
    if match is None:
        raise RuntimeError(f"Unrecognized image encoding [{encoding}]")
    depth, channels = match.groups()
    return NUMPY_DEPTHS[depth], int(channels or 1)


def getCvType(encoding: str) -> int:
    """Return OpenCV's type, such as `cv2.CV_8UC3` for "bgr8".

    Raises:
        RuntimeError: the encoding is unknown.
    """
    numpy_depth, channels = dtype_and_channels(encoding)
    depth = next(name for name, numpy_name in NUMPY_DEPTHS.items() if numpy_name == numpy_depth)
    return getattr(cv2, f"CV_{depth}") + _CHANNEL_STEP * (channels - 1)


def split_cv_type(cv_type: int) -> tuple[int, int]:
    """Return the depth, such as `cv2.CV_8U`, and the number of channels of an OpenCV type."""
    return cv_type % _CHANNEL_STEP, cv_type // _CHANNEL_STEP + 1
