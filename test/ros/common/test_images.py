"""Image messages to arrays and back: every encoding, and inconsistent messages."""

import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from difusionseg_core.imaging.codec import camera_images
from difusionseg_core.imaging.codec.camera_images import BadImage, check, thermal_array
from difusionseg_core.imaging.codec.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from difusionseg_ros.common.image_messages import image_message, rgb_array

LIMIT = 1_000_000
HEIGHT, WIDTH = 12, 17  # a row of an odd number of pixels


@pytest.fixture
def rgb():
    """Return smooth colours, which chroma subsampling and demosaicing change little."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([60 + 6 * x, 200 - 9 * y, 90 + 2 * (x + y)], axis=-1).astype(np.uint8)


@pytest.fixture
def thermal():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (7000 + 500 * y + 31 * x).astype(np.uint16)


def message_of(pixels, encoding):
    return image_message(np.ascontiguousarray(pixels), encoding, Header(frame_id="camera"))


def padded(message, extra):
    """Return the image with `extra` bytes after every row."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    message.data = np.pad(rows, ((0, 0), (0, extra)), constant_values=7).tobytes()
    message.step += extra
    return message


def big_endian(message, channel_bytes):
    values = np.frombuffer(message.data, f"u{channel_bytes}").byteswap()
    message.data = values.tobytes()
    message.is_bigendian = int(sys.byteorder == "little")
    return message


RGB_FORMS = {
    "rgb8": lambda rgb: rgb,
    "bgr8": lambda rgb: rgb[..., ::-1],
    "rgba8": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA),
    "bgra8": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
}


@pytest.mark.parametrize("pad", [0, 1, 4, 13])
@pytest.mark.parametrize("encoding", RGB_FORMS)
def test_rgb_encodings(rgb, encoding, pad):
    message = padded(message_of(RGB_FORMS[encoding](rgb), encoding), pad)
    check(message, RGB_ENCODINGS, LIMIT)
    assert np.array_equal(rgb_array(message, LIMIT), rgb)


def test_a_grey_camera_as_rgb_camera(rgb):
    image = rgb_array(message_of(rgb[..., 0], "mono8"), LIMIT)
    assert np.array_equal(image, np.repeat(rgb[..., :1], 3, axis=-1))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_encodings(rgb, pattern):
    planes = {"r": rgb[..., 0], "g": rgb[..., 1], "b": rgb[..., 2]}
    mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = planes[color][row::2, column::2]
    image = rgb_array(message_of(mosaic, f"bayer_{pattern}8"), LIMIT)
    inner = (slice(2, -2), slice(2, -2))  # OpenCV extrapolates the borders
    assert np.abs(image[inner].astype(int) - rgb[inner]).max() <= 4


@pytest.mark.parametrize("encoding, luma_first", [("yuv422", False), ("yuv422_yuy2", True)])
def test_yuv_encodings(rgb, encoding, luma_first):
    rgb = np.repeat(rgb[:, :8], 2, axis=1)  # pairs of equal pixels lose nothing by subsampling
    yuv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV).astype(float)
    luma = yuv[..., 0] * 219 / 255 + 16  # BT.601 in video range, where cvtColor's YUV is full range
    red, blue = rgb[..., 0].astype(float), rgb[..., 2].astype(float)
    grey = yuv[..., 0]
    chroma = 128 + (blue - grey) * 0.564 * 224 / 255, 128 + (red - grey) * 0.713 * 224 / 255
    packed = np.empty((HEIGHT, 16, 2), np.uint8)
    packed[..., 0 if luma_first else 1] = luma.round()
    for phase in (0, 1):
        packed[:, phase::2, 1 if luma_first else 0] = chroma[phase][:, phase::2].round()
    image = rgb_array(message_of(packed, encoding), LIMIT)
    assert np.abs(image.astype(int) - rgb).max() <= 4


@pytest.mark.parametrize("pad", [0, 1, 4])
@pytest.mark.parametrize("swap", [False, True], ids=["native", "swapped"])
@pytest.mark.parametrize(
    "encoding, dtype",
    [("mono8", "u1"), ("8UC1", "u1"), ("mono16", "u2"), ("16UC1", "u2"), ("32FC1", "f4")],
)
def test_thermal_encodings(thermal, encoding, dtype, swap, pad):
    pixels = (thermal % 256 if dtype == "u1" else thermal).astype(dtype)
    message = message_of(pixels, encoding)
    if swap:
        message = big_endian(message, pixels.itemsize)
    message = padded(message, pad)
    check(message, THERMAL_ENCODINGS, LIMIT)
    image = thermal_array(message, LIMIT)
    assert image.dtype == pixels.dtype
    assert image.dtype.isnative
    assert np.array_equal(image, pixels)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_pseudo_grey_thermal(thermal, encoding):
    grey = (thermal % 256).astype(np.uint8)
    message = message_of(np.repeat(grey[..., None], 3, axis=-1), encoding)
    check(message, THERMAL_ENCODINGS, LIMIT)
    assert np.array_equal(thermal_array(message, LIMIT), grey)


def compressed(pixels, extension):
    """A CompressedImage of pixels in OpenCV's order."""
    return CompressedImage(
        format=extension, data=cv2.imencode(f".{extension}", pixels)[1].tobytes()
    )


def test_compressed_rgb(rgb):
    for pixels in (rgb[..., ::-1], cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)):
        assert np.array_equal(rgb_array(compressed(pixels, "png"), LIMIT), rgb)
    photograph = rgb_array(compressed(rgb[..., ::-1], "jpg"), LIMIT)
    assert np.abs(photograph.astype(int) - rgb).mean() < 6
    grey = rgb_array(compressed(rgb[..., 1], "png"), LIMIT)
    assert np.array_equal(grey, np.repeat(rgb[..., 1:2], 3, axis=-1))


def test_compressed_thermal_keeps_its_depth(thermal):
    assert np.array_equal(thermal_array(compressed(thermal, "png"), LIMIT), thermal)
    grey = (thermal % 256).astype(np.uint8)
    assert np.array_equal(thermal_array(compressed(grey, "png"), LIMIT), grey)
    pseudo = compressed(np.repeat(grey[..., None], 3, axis=-1), "png")
    assert np.array_equal(thermal_array(pseudo, LIMIT), grey)


def test_sixteen_bits_are_scaled_by_their_range(rgb):
    deep = compressed(rgb[..., ::-1].astype(np.uint16) * 257, "png")
    assert np.array_equal(rgb_array(deep, LIMIT), rgb)
    twelve = compressed(rgb[..., 1].astype(np.uint16) << 4, "png")
    image = rgb_array(twelve, LIMIT, bits=12)
    assert np.abs(image[..., 0].astype(int) - rgb[..., 1]).max() <= 1


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_cv_bridge_and_the_codec_agree(rgb, encoding):
    pixels = rgb[..., 0] if encoding == "mono8" else RGB_FORMS[encoding](rgb)
    message = message_of(pixels, encoding)
    assert np.array_equal(rgb_array(message, LIMIT), camera_images.rgb_array(message))


@pytest.mark.parametrize(
    "change, named",
    [
        ({"encoding": "32FC3"}, "encoding '32FC3' is not one of rgb8"),
        ({"encoding": ""}, "encoding '' is not"),
        ({"width": 0}, "empty, 0x12"),
        ({"height": 0}, "empty, 17x0"),
        ({"step": 50}, "a row of 17 rgb8 pixels has 51"),
        ({"step": 0}, "step is 0"),
        ({"data": b"\0" * 600}, "the data has 600 bytes, but step x height is 51 x 12 = 612"),
        ({"data": b"\0" * 613}, "the data has 613 bytes"),
        ({"data": b""}, "the data has 0 bytes"),
        ({"height": 13}, "51 x 13"),
        ({"height": 2**31}, "more than max_image_bytes"),
        ({"data": b"\0" * (LIMIT + 1)}, "1000001 bytes, more than max_image_bytes"),
    ],
)
def test_bad_messages_are_named(rgb, change, named):
    message = message_of(rgb, "rgb8")
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(BadImage, match=named) as caught:
        check(message, RGB_ENCODINGS, LIMIT)
    assert "\n" not in str(caught.value)


def test_bad_compressed_messages_are_named(rgb):
    with pytest.raises(BadImage, match="empty"):
        check(CompressedImage(format="jpeg"), max_bytes=LIMIT)
    with pytest.raises(BadImage, match="more than max_image_bytes"):
        check(compressed(rgb, "png"), max_bytes=100)
    for extension in ("png", "jpg"):
        message = compressed(rgb, extension)
        check(message, max_bytes=LIMIT)
        message.data = message.data[: len(message.data) // 2]
        with pytest.raises(BadImage, match="cut off"):
            check(message, max_bytes=LIMIT)
    noise = CompressedImage(format="jpeg", data=b"no picture")
    check(noise, max_bytes=LIMIT)
    with pytest.raises(BadImage, match="does not decode"):
        rgb_array(noise, LIMIT)


def test_decompression_bombs_are_refused():
    message = compressed(np.zeros((600, 600), np.uint8), "png")
    check(message, max_bytes=LIMIT // 10)
    with pytest.raises(BadImage, match="360000 bytes, more than"):
        thermal_array(message, LIMIT // 10)


def test_odd_sizes_that_an_encoding_cannot_have_are_refused():
    message = message_of(np.zeros((4, 5, 2), np.uint8), "yuv422")
    check(message, RGB_ENCODINGS, LIMIT)
    with pytest.raises(BadImage, match="yuv422 does not convert") as caught:
        rgb_array(message, LIMIT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "encoding, pixels",
    [
        ("rgb8", np.arange(60, dtype=np.uint8).reshape(4, 5, 3)),
        ("mono8", np.arange(20, dtype=np.uint8).reshape(4, 5)),
        ("32FC1", np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)),
    ],
)
def test_array_to_message(encoding, pixels):
    header = Header(frame_id="optical")
    message = image_message(pixels, encoding, header)
    assert isinstance(message, Image)
    assert (message.header, message.encoding) == (header, encoding)
    assert (message.width, message.height) == (5, 4)
    assert message.step == pixels.strides[0]
    back = np.frombuffer(message.data, pixels.dtype).reshape(pixels.shape)
    assert np.array_equal(back, pixels)
