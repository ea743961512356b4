"""Image files: read camera images, write PNG.

All images are used as they are stored, without EXIF orientations, because images and mask of a pair
must match pixel by pixel, and only some of them have one.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.files import write_file
from difusionseg_core.imaging.codec.raw_images import eight_bits
from difusionseg_core.imaging.thermal.palettes import thermal_grey

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_SCAN_START = 0xDA  # JPEG marker before the compressed pixels
_UPRIGHT = 1  # EXIF orientation of an image that needs no rotation


class DataError(ValueError):
    """Data cannot be used; the message says what was expected and what was found."""


def read_rgb(path: Path) -> np.ndarray:
    """Read (H, W, 3) uint8 RGB; 16-bit images are scaled by their used bits, 10, 12, 14 or 16."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decode(path, read_bytes(path), flags)
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: expected an RGB image of 8 or 16 bits, found {image.dtype}")
    return cv2.cvtColor(_eight_bits(image), cv2.COLOR_BGR2RGB)


def read_thermal(path: Path, palette: str = "auto") -> np.ndarray:
    """Read (H, W) uint8, uint16 or float32; signed counts become uint16 if none is negative.

    An image in pseudo-colours becomes the grey ramp of its palette, see `thermal_grey`. Of RGB and
    thermal in one image (as in MFNet's data set), the fourth channel counts. A fourth channel that
    is opaque all over is no thermal image.
    """
    image = read_unchanged(path, read_bytes(path))
    if image.ndim == 3:
        opaque = 1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max
        if image.shape[2] == 4 and image[..., 3].min() < opaque:
            image = np.ascontiguousarray(image[..., 3])
        elif (image[..., :3] == image[..., :1]).all():
            image = np.ascontiguousarray(image[..., 0])
        elif image.dtype in (np.uint8, np.uint16) and image.shape[2] >= 3:
            rgb = cv2.cvtColor(_eight_bits(image[..., :3]), cv2.COLOR_BGR2RGB)
            image = thermal_grey(rgb, palette)
        else:
            raise DataError(f"{path}: expected one thermal channel, found {image.shape[2]}")
    if image.dtype in (np.uint8, np.uint16, np.float32):
        return image
    if image.dtype == np.int16 and image.min() >= 0:
        return image.astype(np.uint16)
    return image.astype(np.float32)


def read_rgb_thermal(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read (H, W, 3) uint8 RGB and (H, W) uint8 thermal from one image with four channels."""
    image = read_unchanged(path, read_bytes(path))
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise DataError(
            f"{path}: expected four 8-bit channels, RGB and thermal; "
            f"found {image.shape} {image.dtype}"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), np.ascontiguousarray(image[..., 3])


def exif_orientation(path: Path) -> int:
    """Return the EXIF orientation (1 to 8) of a file, which is not applied; 1 if none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(0x0112, _UPRIGHT)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return _UPRIGHT  # reading the pixels reports the fault
    return orientation if orientation in range(1, 9) else _UPRIGHT


def read_bytes(path: Path) -> bytes:
    """Read the bytes of an image file. Raises DataError, also for a truncated JPEG file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read as an image: {reason}") from None
    if not content:
        raise DataError(f"{path} cannot be read as an image: it is empty")
    if content.startswith(_JPEG_START) and not _is_complete_jpeg(content):
        raise DataError(f"{path} cannot be read as an image: it is a truncated JPEG file")
    return content


def read_unchanged(path: Path, content: bytes) -> np.ndarray:
    """Read the pixels as OpenCV decodes them (BGR), of any depth. Raises DataError."""
    return _decode(path, content, cv2.IMREAD_UNCHANGED)


def _decode(path: Path, content: bytes, flags: int) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # for instance an image of more pixels than OpenCV accepts
        image = None
    if image is None or image.size == 0:
        raise DataError(f"{path} cannot be read as an image; it is damaged or of an unknown format")
    return image


def _eight_bits(image: np.ndarray) -> np.ndarray:
    """Return uint8 of uint8 or uint16 pixels."""
    if image.dtype == np.uint8:
        return image
    used = int(image.max()).bit_length()
    return eight_bits(image, next(bits for bits in (8, 10, 12, 14, 16) if used <= bits))


def _is_complete_jpeg(content: bytes) -> bool:
    """Return whether the end marker follows the pixels; libjpeg fills missing pixels with grey."""
    place = 2
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            return True  # not the structure that this knows: left to the decoder
        marker = content[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker == _SCAN_START:
            return content.rfind(_JPEG_END) > place
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W) uint8 or (H, W, 3) uint8 RGB; the file appears whole or not at all."""
    _, encoded = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])
    write_file(path, encoded.tobytes())
