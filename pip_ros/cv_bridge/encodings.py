"""What an encoding of sensor_msgs/Image says: channels, depth, and the meaning of the channels.

The names are those of sensor_msgs/image_encodings.hpp.
"""

import re

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
