"""Compressed image messages (sensor_msgs/CompressedImage), as image_transport writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from difusionseg_core.imaging.bad_image import BadImage, refuse_size
from difusionseg_core.imaging.codec.encodings import BAYER, ENCODINGS, GREY
from difusionseg_core.imaging.codec.raw_images import demosaic, eight_bits

_PNG = b"\x89PNG\r\n\x1a\n"
# First and last bytes, to detect truncated files; decoders fill missing pixels with grey.
_FILE_ENDS = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))
# Before the file of a compressedDepth image: a number for the format, two for the quantisation.
_DEPTH_HEADER = struct.Struct("<iff")


@dataclass(frozen=True)
class Format:
    """The content of `CompressedImage.format`; empty for missing parts.

    `source` is the encoding of the image before compression, `codec` "jpeg", "png" and so on,
    `stored` the encoding that was handed to the codec. `depth` is whether compressedDepth wrote it.
    """

    source: str
    codec: str
    stored: str
    depth: bool


def parse_format(text: str) -> Format:
    """Read forms such as "jpeg", "bgr8; jpeg compressed bgr8", "16UC1; compressedDepth png"."""
    source, separator, rest = text.partition(";")
    if not separator:
        source, rest = "", text
    words = rest.split()
    depth = "compressedDepth" in words
    words = [word for word in words if word not in ("compressed", "compressedDepth")]
    return Format(source.strip(), words[0] if words else "", " ".join(words[1:]), depth)


def lost_depth(text: str) -> bool:
    """Return whether, by its `format`, an image of 16-bit counts was handed to the codec as 8 bits.

    image_transport's JPEG does that: only the upper byte of each count remains. If the stored
    encoding is not named, the codec decides: JPEG has 8 bits.
    """
    format = parse_format(text)
    source = ENCODINGS.get(format.source)
    if source is None or source.order != GREY or source.dtype not in ("u2", "i2"):
        return False
    return format.stored.endswith("8") or (not format.stored and format.codec in ("jpeg", "jpg"))


def check_compressed(message: Any, max_bytes: int | None = None) -> None:
    """Raise BadImage for compressed data that is empty, too large, or truncated (JPEG, PNG)."""
    data = bytes(message.data)
    if not data:
        raise BadImage(f"the compressed image is empty{_why_empty(message.format)}")
    refuse_size(len(data), max_bytes)
    start = data[_DEPTH_HEADER.size :] if _has_depth_header(data) else data
    # Decoders fill missing pixels with grey and report no error. Some cameras pad the end.
    for first, last in _FILE_ENDS:
        if start.startswith(first) and start.rfind(last) < 0:
            raise BadImage(f"the compressed image is cut off after {len(data)} bytes")


def decode_compressed(message: Any, max_bytes: int | None = None, bits: int = 16) -> np.ndarray:
    """Return (H, W) of a checked message as stored, or (H, W, 3) uint8 RGB. Raises BadImage.

    Colours of 16 bits are scaled to 8 from the range of `bits` bits; so are Bayer mosaics, which
    become colours. `max_bytes` limits the decoded image.
    """
    format = parse_format(message.format)
    data = bytes(message.data)
    quantisation = None
    if _has_depth_header(data):
        quantisation = _DEPTH_HEADER.unpack_from(data)[1:]
        data = data[_DEPTH_HEADER.size :]
    elif format.depth and not data.startswith(_PNG):
        raise BadImage(
            f"the compressedDepth image (format {message.format[:40]!r}) holds no PNG; set the "
            "publisher's parameter .compressedDepth.format to png"
        )
    _refuse_png_size(data, max_bytes)
    image = _decoded(data, message.format)
    refuse_size(image.nbytes, max_bytes)
    if quantisation is not None and format.source == "32FC1":
        return _inverse_depth(image, *quantisation)
    if image.ndim == 2:
        pattern = ENCODINGS[format.source].order if format.source in ENCODINGS else GREY
        return demosaic(_whole(image), pattern, bits) if pattern in BAYER else image
    image = eight_bits(_whole(image), bits)
    if image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB)
    # A codec takes its input for BGR. If it was given RGB, its file has red and blue exchanged.
    return image if format.stored.startswith("rgb") else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decoded(data: bytes, text: str) -> np.ndarray:
    # Not by cv_bridge: its releases differ in whether 16-bit images keep their depth.
    reason = ""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        image, reason = None, f": {error}"
    if image is None:
        line = f"the compressed image (format {text[:40]!r}) does not decode{reason}"
        raise BadImage(" ".join(line.split()))
    return image


def _whole(image: np.ndarray) -> np.ndarray:
    if image.dtype not in (np.uint8, np.uint16):
        raise BadImage(f"a colour image needs channels of 8 or 16 bits, found {image.dtype}")
    return image


def _has_depth_header(data: bytes) -> bool:
    return data[_DEPTH_HEADER.size :].startswith(_PNG)


def _inverse_depth(image: np.ndarray, a: float, b: float) -> np.ndarray:
    """Decode compressedDepth's quantised inverse to float32: a / (q - b), NaN for q = 0."""
    if image.ndim != 2 or image.dtype != np.uint16:
        raise BadImage(
            f"a quantised compressedDepth image has one 16-bit channel, found {image.shape} "
            f"{image.dtype}"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.float32(a) / (image.astype(np.float32) - np.float32(b))
    values[image == 0] = np.nan
    return values


def _refuse_png_size(data: bytes, max_bytes: int | None) -> None:
    """Raise BadImage, before it is decoded, for a PNG whose pixels alone need too much memory."""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        refuse_size(width * height, max_bytes)


def _why_empty(text: str) -> str:
    format = parse_format(text)
    source = ENCODINGS.get(format.source)
    if source is None or source.dtype == "u1":
        return ""
    return (
        f": image_transport cannot write {format.source} as {format.codec or 'JPEG'}; set the "
        "publisher's parameter .format to png"
    )
