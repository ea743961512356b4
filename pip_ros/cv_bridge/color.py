"""Conversion between encodings: first the color, then the depth."""

import cv2
import numpy as np

from cv_bridge.encodings import color_layout, dtype_and_channels

# Layout -> what stands before "2" and at the end of the name of OpenCV's conversion from it.
# OpenCV names a Bayer pattern by its second row, ROS by its first.
_SOURCES = {
    "mono": ("GRAY", ""),
    "rgb": ("RGB", ""),
    "bgr": ("BGR", ""),
    "rgba": ("RGBA", ""),
    "bgra": ("BGRA", ""),
    "yuv422": ("YUV", "_UYVY"),
    "yuv422_yuy2": ("YUV", "_YUY2"),
    "bayer_rggb": ("BayerBG", ""),
    "bayer_bggr": ("BayerRG", ""),
    "bayer_gbrg": ("BayerGR", ""),
    "bayer_grbg": ("BayerGB", ""),
}
_TARGETS = {"mono": "GRAY", "rgb": "RGB", "bgr": "BGR", "rgba": "RGBA", "bgra": "BGRA"}
_BAYER_TARGETS = ("mono", "rgb", "bgr")


def cvtColor2(image: np.ndarray, encoding_in: str, encoding_out: str) -> np.ndarray:
    """Convert an image (H,W) or (H,W,C) from one encoding to another; the result is a new array.

    Between 8 and 16 bits the range is scaled (255 <-> 65535); other depths keep their values, cut
    to the range of the new type. An encoding without a color meaning, such as "16UC1", does not
    convert to one with it, such as "mono16", nor to another number of channels.

    Raises:
        RuntimeError: an encoding is unknown, there is no such conversion, or the image does not
            have the type that `encoding_in` promises.
    """
    if encoding_out in ("", encoding_in):
        return image.copy()
    _, channels_in = dtype_and_channels(encoding_in)
    depth_out, channels_out = dtype_and_channels(encoding_out)
    source, target = color_layout(encoding_in), color_layout(encoding_out)

    if source is None and target is not None:
        raise RuntimeError(
            f"[{encoding_in}] has no color meaning, so it does not convert to [{encoding_out}]"
        )
    if target is None and channels_in != channels_out:
        raise RuntimeError(
            f"[{encoding_in}] and [{encoding_out}] do not have the same number of channels"
        )
    if target is None or source == target and source in _TARGETS:
        return _convert_depth(image, depth_out)

    if target not in _TARGETS or source.startswith("bayer") and target not in _BAYER_TARGETS:
        raise RuntimeError(f"Unsupported conversion from [{encoding_in}] to [{encoding_out}]")
    before, end = _SOURCES[source]
    code = getattr(cv2, f"COLOR_{before}2{_TARGETS[target]}{end}")
    try:
        converted = cv2.cvtColor(image, code)
    except cv2.error as error:
        raise RuntimeError(" ".join(str(error).split())) from error  # many lines in one
    return _convert_depth(converted, depth_out)


def saturate(image: np.ndarray, dtype: str) -> np.ndarray:
    """Round and cut to the range of an integer type as OpenCV does; NaN becomes its lowest."""
    limits = np.iinfo(dtype)
    cut = np.clip(np.rint(image), limits.min, limits.max)
    return np.where(np.isnan(cut), limits.min, cut).astype(dtype)


def _convert_depth(image: np.ndarray, dtype: str) -> np.ndarray:
    target = np.dtype(dtype)
    if image.dtype == target:
        return image.copy()
    if target.kind == "f":
        return image.astype(target)
    scale = {(1, 2): 65535 / 255, (2, 1): 255 / 65535}.get(
        (image.dtype.itemsize, target.itemsize), 1.0
    )
    return saturate(image * scale, dtype)
