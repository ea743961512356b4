"""The table of image encodings: the byte layout of each, and the cameras that may send it.

The names are those of sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass

GREY = "grey"
# OpenCV names a Bayer pattern by its second row, ROS by its first.
BAYER = ("rggb", "bggr", "gbrg", "grbg")
PACKED_YUV = ("uyvy", "yuyv")
PLANAR_YUV = ("nv12", "nv21", "nv24")


@dataclass(frozen=True)
class Encoding:
    """Layout of a pixel.

    `dtype` is the NumPy type of a channel without its byte order, `channels` the number of channels
    a pixel, `order` what they mean: GREY, "rgb", "bgr", "rgba", "bgra", or one of BAYER,
    PACKED_YUV and PLANAR_YUV. `size` is the number of bytes of an image in units of
    step x height: more than 1 if planes of chroma follow the luma.
    """

    dtype: str
    channels: int
    order: str
    size: float = 1.0

    @property
    def pixel_bytes(self) -> int:
        """Bytes a pixel within a row."""
        return self.channels * int(self.dtype[1:])


def _table() -> dict[str, Encoding]:
    table = {}
    for bits, dtype in ((8, "u1"), (16, "u2")):
        for order in ("rgb", "bgr", "rgba", "bgra"):
            table[f"{order}{bits}"] = Encoding(dtype, len(order), order)
        table[f"mono{bits}"] = Encoding(dtype, 1, GREY)
        # Without a meaning: OpenCV's order, as cv_bridge takes it.
        for channels, order in ((1, GREY), (3, "bgr"), (4, "bgra")):
            table[f"{bits}UC{channels}"] = Encoding(dtype, channels, order)
        for pattern in BAYER:
            table[f"bayer_{pattern}{bits}"] = Encoding(dtype, 1, pattern)
    for name, order in (
        ("uyvy", "uyvy"),
        ("yuv422", "uyvy"),  # the old name
        ("yuyv", "yuyv"),
        ("yuv422_yuy2", "yuyv"),  # the old name
    ):
        table[name] = Encoding("u1", 2, order)
    table["nv12"] = Encoding("u1", 1, "nv12", size=1.5)
    table["nv21"] = Encoding("u1", 1, "nv21", size=1.5)
    table["nv24"] = Encoding("u1", 1, "nv24", size=3.0)
    for name, dtype in (("16SC1", "i2"), ("32SC1", "i4"), ("32FC1", "f4"), ("64FC1", "f8")):
        table[name] = Encoding(dtype, 1, GREY)
    return table


ENCODINGS = _table()
# What the node takes from either camera.
RGB_ENCODINGS = tuple(name for name, item in ENCODINGS.items() if item.dtype in ("u1", "u2"))
THERMAL_ENCODINGS = tuple(name for name, item in ENCODINGS.items() if item.order not in BAYER)
MASK_ENCODINGS = ("mono8", "8UC1")
