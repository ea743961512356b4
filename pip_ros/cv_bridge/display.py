"""Any image as an 8-bit picture to look at."""

import cv2
import numpy as np

from cv_bridge.color import cvtColor2, saturate
from cv_bridge.encodings import dtype_and_channels

_PICTURES = ("mono8", "rgb8", "bgr8", "rgba8", "bgra8")
_BACKGROUND_LABEL = -1
_MID_GRAY = 128
_GOLDEN_RATIO = 0.618034


def cvtColorForDisplay(
    source: np.ndarray,
    encoding_in: str,
    encoding_out: str,
    do_dynamic_scaling: bool = False,
    min_image_value: float = 0.0,
    max_image_value: float = 0.0,
    colormap: int = -1,
) -> np.ndarray:
    """Return a picture of an image (H,W) or (H,W,C).

    Labels ("32SC1" to "bgr8") get a color each, the label -1 black. One channel can be stretched
    from a range of values to 0..255.

    Args:
        source: the image.
        encoding_in: its encoding.
        encoding_out: an 8-bit mono or color encoding; "" is "bgr8".
        do_dynamic_scaling: take the range from the image's finite values.
        min_image_value: the value that becomes 0; ignored if it equals `max_image_value`.
        max_image_value: the value that becomes 255.
        colormap: one of OpenCV's, such as `cv2.COLORMAP_JET`, for the stretched image; NaN is
            black. -1 is gray.

    Raises:
        RuntimeError: there is no such conversion.
    """
    encoding_out = encoding_out or "bgr8"
    if encoding_out not in _PICTURES:
        raise RuntimeError(f"[{encoding_out}] is no 8-bit mono or color encoding to display")
    if (encoding_in, encoding_out) == ("32SC1", "bgr8"):
        return _color_labels(source)

    if do_dynamic_scaling:
        finite = source[np.isfinite(source)]
        if finite.size == 0 or finite.min() == finite.max():
            return np.full((*source.shape[:2], 3), _MID_GRAY, np.uint8)
        min_image_value, max_image_value = float(finite.min()), float(finite.max())
    if min_image_value != max_image_value:
        if dtype_and_channels(encoding_in)[1] != 1:
            raise RuntimeError(f"[{encoding_in}] has more than one channel, so it does not scale")
        above = source.astype(np.float64) - min_image_value
        gray = saturate(above * 255 / (max_image_value - min_image_value), "uint8")
        if colormap == -1:
            return cvtColor2(gray, "mono8", encoding_out)
        picture = cv2.applyColorMap(gray, colormap)
        picture[np.isnan(source)] = 0
        return cvtColor2(picture, "bgr8", encoding_out)

    # A depth camera's numbers are looked at as gray.
    return cvtColor2(source, "mono16" if encoding_in == "16UC1" else encoding_in, encoding_out)


def _color_labels(labels: np.ndarray) -> np.ndarray:
    """Give each label of (H,W) a hue far from that of its neighbors; return (H,W,3) BGR."""
    hue = saturate(labels * _GOLDEN_RATIO % 1.0 * 179, "uint8")
    full = np.full_like(hue, 255)
    picture = cv2.cvtColor(cv2.merge([hue, full, full]), cv2.COLOR_HSV2BGR)
    picture[labels == _BACKGROUND_LABEL] = 0
    return picture
