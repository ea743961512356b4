"""Every encoding of sensor_msgs/image_encodings.hpp, and every form of CompressedImage."""

import struct

import numpy as np
import pytest

from difusionseg_core.imaging.codec.camera_images import (
    BadImage,
    check,
    decode,
    rgb_array,
    thermal_array,
    thermal_pixels,
)
from difusionseg_core.imaging.codec.compressed_images import lost_depth, parse_format
from difusionseg_core.imaging.codec.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from tools.camera_messages import (
    PATTERNS,
    compressed,
    mosaic,
    packed_yuv,
    planar_yuv,
    raw,
    rgb_messages,
)

HEIGHT, WIDTH = 12, 18
Y, X = np.mgrid[:HEIGHT, :WIDTH]
# Smooth colours, so that chroma subsampling and demosaicing change them little.
RGB = np.stack([60 + 6 * X, 200 - 9 * Y, 90 + 2 * (X + Y)], axis=-1).astype(np.uint8)
COUNTS = (7000 + 500 * Y + 31 * X).astype(np.uint16)
GREY = (COUNTS % 256).astype(np.uint8)
PNG16 = {"16UC1": COUNTS, "mono16": COUNTS}


@pytest.mark.parametrize("encoding", rgb_messages(RGB))
@pytest.mark.parametrize("padding", [0, 4])
def test_colours_of_every_depth_and_order(encoding, padding):
    message = rgb_messages(RGB)[encoding]
    pixel = len(message.data) // (HEIGHT * WIDTH)
    rows = np.pad(message.data.reshape(HEIGHT, -1), ((0, 0), (0, padding)))
    message.step, message.data = WIDTH * pixel + padding, rows.ravel()
    check(message, RGB_ENCODINGS)
    assert np.array_equal(rgb_array(message), RGB)


def test_colours_in_the_other_byte_order():
    message = raw(RGB.astype(np.uint16) * 257, "rgb16", big_endian=True)
    assert np.array_equal(rgb_array(message), RGB)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_significant_bits_of_colours(bits):
    deep = (RGB.astype(np.uint16) << (bits - 8)) | (RGB >> (16 - bits))
    image = rgb_array(raw(deep, "rgb16"), bits=bits)
    assert np.abs(image.astype(int) - RGB).max() <= 1


@pytest.mark.parametrize(
    "encoding, scale", [("8UC1", 1), ("mono8", 1), ("mono16", 257), ("16UC1", 257)]
)
def test_a_grey_camera_as_rgb_camera(encoding, scale):
    pixels = (RGB[..., 0].astype(np.uint16) * scale).astype(np.uint8 if scale == 1 else np.uint16)
    image = rgb_array(raw(pixels, encoding))
    assert np.array_equal(image, np.repeat(RGB[..., :1], 3, axis=-1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_bayer(pattern):
    eight = rgb_array(raw(mosaic(RGB, pattern), f"bayer_{pattern}8"))
    inner = (slice(2, -2), slice(2, -2))  # OpenCV extrapolates the borders
    assert np.abs(eight[inner].astype(int) - RGB[inner]).max() <= 4
    deep = mosaic(RGB, pattern).astype(np.uint16) * 257
    assert np.array_equal(rgb_array(raw(deep, f"bayer_{pattern}16")), eight)
    for encoding, stored in (
        (f"bayer_{pattern}8", mosaic(RGB, pattern)),
        (f"bayer_{pattern}16", deep),
    ):
        message = compressed(stored, f"{encoding}; png compressed ")
        assert np.array_equal(rgb_array(message), eight)
    colours = compressed(RGB[..., ::-1], f"bayer_{pattern}8; png compressed bgr8")
    assert np.array_equal(rgb_array(colours), RGB)


YUV_RGB = np.repeat(np.repeat(RGB[::2, ::2], 2, axis=0), 2, axis=1)  # subsampling loses nothing


@pytest.mark.parametrize("encoding", ["uyvy", "yuv422", "yuyv", "yuv422_yuy2"])
@pytest.mark.parametrize("padding", [0, 6])
def test_packed_yuv(encoding, padding):
    pixels = packed_yuv(YUV_RGB, luma_first=encoding.startswith(("yuyv", "yuv422_yuy2")))
    image = rgb_array(raw(pixels, encoding, padding=padding))
    assert np.abs(image.astype(int) - YUV_RGB).max() <= 3


@pytest.mark.parametrize("encoding, share", [("nv12", 1.5), ("nv21", 1.5), ("nv24", 3)])
@pytest.mark.parametrize("layout", ["plain", "padded", "step of all planes"])
def test_planar_yuv(encoding, share, layout):
    planes = planar_yuv(YUV_RGB, encoding)
    message = raw(planes, encoding, height=HEIGHT)
    if layout == "padded":
        message.step = WIDTH + 6
        if encoding == "nv24":  # rows of chroma are twice as long
            luma = np.pad(planes[:HEIGHT], ((0, 0), (0, 6))).ravel()
            chroma = np.pad(planes[HEIGHT:].reshape(HEIGHT, -1), ((0, 0), (0, 12))).ravel()
            message.data = np.concatenate([luma, chroma])
        else:
            message.data = np.pad(planes, ((0, 0), (0, 6))).ravel()
    elif layout == "step of all planes":
        message.step = round(WIDTH * share)
    assert len(message.data) in (message.step * HEIGHT * share, message.step * HEIGHT)
    check(message, RGB_ENCODINGS)
    assert np.abs(rgb_array(message).astype(int) - YUV_RGB).max() <= 3


def test_planar_yuv_with_data_of_one_plane_is_refused():
    message = raw(planar_yuv(YUV_RGB, "nv12")[:HEIGHT], "nv12")
    with pytest.raises(BadImage, match="step x height x 1.5 is 18 x 12 x 1.5 = 324"):
        rgb_array(message)


@pytest.mark.parametrize(
    "encoding, dtype",
    [
        ("mono8", "u1"),
        ("8UC1", "u1"),
        ("mono16", "u2"),
        ("16UC1", "u2"),
        ("16SC1", "i2"),
        ("32SC1", "i4"),
        ("32FC1", "f4"),
        ("64FC1", "f8"),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 3, 16])
def test_counts_of_every_type(encoding, dtype, big_endian, padding):
    pixels = COUNTS.astype(dtype) if dtype != "u1" else GREY
    if np.dtype(dtype).kind in "if":
        pixels = pixels - np.dtype(dtype).type(9000)
    message = raw(pixels, encoding, big_endian, padding)
    check(message, THERMAL_ENCODINGS)
    counts = thermal_array(message)
    assert counts.dtype == np.dtype(dtype)
    assert counts.dtype.isnative
    assert np.array_equal(counts, pixels)


@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "8UC3", "rgba8", "bgra8", "8UC4", "rgb16", "bgra16"]
)
def test_grey_thermal_images_in_colour_channels(encoding):
    message = rgb_messages(np.repeat(GREY[..., None], 3, axis=-1))[encoding]
    check(message, THERMAL_ENCODINGS)
    assert np.array_equal(thermal_array(message), GREY)


@pytest.mark.parametrize(
    "encoding", ["uyvy", "yuv422", "yuyv", "yuv422_yuy2", "nv12", "nv21", "nv24"]
)
def test_thermal_yuv_is_its_luma(encoding):
    """Also in the full range of 0 to 255, and with odd widths, which colours cannot have."""
    neutral = np.full_like(GREY, 128)
    if encoding.startswith("nv"):
        rows = HEIGHT * (2 if encoding == "nv24" else 1) // (1 if encoding == "nv24" else 2)
        message = raw(
            np.concatenate([GREY, np.resize(neutral, (rows, WIDTH))]), encoding, height=HEIGHT
        )
    else:
        order = (GREY, neutral) if encoding.startswith(("yuyv", "yuv422_yuy2")) else (neutral, GREY)
        message = raw(np.stack(order, axis=-1)[:, :-1], encoding)
    image = thermal_array(message)
    assert np.array_equal(image, GREY[:, : image.shape[1]])


def test_formats_of_image_transport():
    assert parse_format("bayer_rggb8; png compressed ").source == "bayer_rggb8"
    assert parse_format("jpeg compressed bgr8").stored == "bgr8"
    assert parse_format("mono16; jpeg compressed mono8").codec == "jpeg"
    assert parse_format("16UC1; compressedDepth png").depth
    assert parse_format("").codec == parse_format("").source == ""


@pytest.mark.parametrize(
    "format",
    ["png", "", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "png compressed bgr8"],
)
def test_compressed_colours(format):
    assert np.array_equal(rgb_array(compressed(RGB[..., ::-1], format)), RGB)
    alpha = np.dstack([RGB[..., ::-1], GREY])
    assert np.array_equal(rgb_array(compressed(alpha, format)), RGB)


def test_colours_that_were_compressed_in_rgb_order():
    assert np.array_equal(rgb_array(compressed(RGB, "rgb8; png compressed rgb8")), RGB)


def test_compressed_colours_of_16_bits():
    deep = RGB[..., ::-1].astype(np.uint16) * 257
    assert np.array_equal(rgb_array(compressed(deep, "rgb16; png compressed bgr16")), RGB)


@pytest.mark.parametrize(
    "format", ["jpeg", "jpg", "", "bgr8; jpeg compressed bgr8", "jpeg compressed bgr8"]
)
def test_jpeg_by_any_format(format):
    image = rgb_array(compressed(RGB[..., ::-1], format, "jpg"))
    assert np.abs(image.astype(int) - RGB).mean() < 6


@pytest.mark.parametrize(
    "format", ["mono16; png compressed mono16", "16UC1; png compressed ", "png"]
)
def test_compressed_counts_keep_their_depth(format):
    assert np.array_equal(thermal_array(compressed(COUNTS, format)), COUNTS)


@pytest.mark.parametrize(
    "format", ["mono16; jpeg compressed mono8", "16UC1; jpeg compressed mono8"]
)
def test_counts_that_were_sent_as_8_bits_keep_their_scale(format):
    levels = (COUNTS >> 8).astype(np.uint8)
    message = compressed(levels, format, "png")
    assert lost_depth(format)
    counts = thermal_array(message)
    assert counts.dtype == np.uint16
    assert np.array_equal(counts, levels.astype(np.uint16) * 256)
    colours = compressed(np.repeat(levels[..., None], 3, axis=-1), format)
    assert np.array_equal(thermal_array(colours), counts)
    assert not lost_depth("mono16; png compressed mono16")
    assert not lost_depth("mono8; jpeg compressed mono8")


def depth_header(a=0.0, b=0.0):
    return struct.pack("<iff", 0, a, b)


@pytest.mark.parametrize(
    "format",
    ["16UC1; compressedDepth png", "16UC1; compressedDepth", "mono16; compressedDepth png", ""],
)
def test_compressed_depth_of_counts(format):
    message = compressed(COUNTS, format, header=depth_header())
    check(message)
    assert np.array_equal(thermal_array(message), COUNTS)


def test_compressed_depth_of_floats_is_decoded_from_inverse_depth():
    a, b = 100.0 * (100.0 + 1), 1.0 - 100.0 * (100.0 + 1) / 10.0
    degrees = np.linspace(0.5, 9.5, COUNTS.size, dtype=np.float32).reshape(COUNTS.shape)
    stored = np.rint(a / degrees + b).clip(0, 65535).astype(np.uint16)
    stored[0, 0] = 0
    message = compressed(stored, "32FC1; compressedDepth png", header=depth_header(a, b))
    values = thermal_array(message)
    assert values.dtype == np.float32
    assert np.isnan(values[0, 0])
    expected = a / (stored.astype(np.float64) - b)
    assert np.allclose(values.ravel()[1:], expected.ravel()[1:], rtol=1e-5)


@pytest.mark.parametrize(
    "message, words",
    [
        (raw(GREY, "32FC3"), "encoding '32FC3' is not one of rgb8"),
        (raw(GREY, ""), "encoding '' is not one of"),
        (raw(mosaic(RGB, "rggb"), "bayer_rggb8"), "encoding 'bayer_rggb8' is not one of"),
        (compressed(GREY, "16UC1; compressedDepth rvl", "jpg"), "compressedDepth.format to png"),
    ],
)
def test_encodings_that_thermal_cameras_cannot_use(message, words):
    with pytest.raises(BadImage, match=words):
        thermal_array(message)


def test_empty_data_names_the_cause():
    message = compressed(GREY, "16UC1; jpeg compressed ")
    message.data = message.data[:0]
    with pytest.raises(BadImage, match="cannot write 16UC1 as jpeg; set .* .format to png"):
        check(message)
    message.format = "jpeg"
    with pytest.raises(BadImage, match="is empty$"):
        check(message)


@pytest.mark.parametrize("encoding", ["16SC1", "32SC1", "32FC1", "64FC1"])
def test_encodings_that_rgb_cameras_cannot_use(encoding):
    dtype = {"16SC1": "i2", "32SC1": "i4", "32FC1": "f4", "64FC1": "f8"}[encoding]
    message = raw(COUNTS.astype(dtype), encoding)
    with pytest.raises(BadImage, match=f"'{encoding}' is not one of"):
        check(message, RGB_ENCODINGS)
    with pytest.raises(BadImage, match="8 or 16 bits"):
        rgb_array(message)


def test_decompression_bombs_are_refused_before_decoding():
    message = compressed(np.zeros((600, 600), np.uint8), "png")
    with pytest.raises(BadImage, match="360000 bytes, more than max_image_bytes"):
        decode(message, max_bytes=10_000)


def test_plain_images_are_not_copied():
    for pixels, encoding in ((RGB, "rgb8"), (GREY, "mono8"), (COUNTS, "mono16")):
        message = raw(pixels, encoding)
        message.data = bytearray(message.data)
        image = thermal_pixels(message) if pixels.ndim == 2 else rgb_array(message)
        message.data[0] ^= 0xFF
        assert image.ravel().view(np.uint8)[0] == message.data[0]
