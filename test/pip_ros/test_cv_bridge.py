"""sensor_msgs/Image to arrays with the cv_bridge stand-in."""

import array

import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image

HEIGHT, WIDTH = 6, 10
ENCODINGS = {
    **{f"{layout}8": ("uint8", c) for layout, c in [("mono", 1), ("rgb", 3), ("bgr", 3)]},
    **{f"{layout}16": ("uint16", c) for layout, c in [("mono", 1), ("rgb", 3), ("bgr", 3)]},
    **{f"{layout}8": ("uint8", 4) for layout in ("rgba", "bgra")},
    **{f"{layout}16": ("uint16", 4) for layout in ("rgba", "bgra")},
    **{f"bayer_{p}8": ("uint8", 1) for p in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{p}16": ("uint16", 1) for p in ("rggb", "bggr", "gbrg", "grbg")},
    "yuv422": ("uint8", 2),
    "yuv422_yuy2": ("uint8", 2),
    **{f"8UC{c}": ("uint8", c) for c in range(1, 6)},
    **{f"8SC{c}": ("int8", c) for c in range(1, 5)},
    **{f"16UC{c}": ("uint16", c) for c in range(1, 5)},
    **{f"16SC{c}": ("int16", c) for c in range(1, 5)},
    **{f"32SC{c}": ("int32", c) for c in range(1, 5)},
    **{f"32FC{c}": ("float32", c) for c in range(1, 5)},
    **{f"64FC{c}": ("float64", c) for c in range(1, 5)},
}


def noise(dtype: str, channels: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """An image (H, W) or (H, W, C) of numbers that every dtype holds."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(0).integers(0, 128, shape).astype(dtype)


def message_of(image: np.ndarray, encoding: str) -> Image:
    """A message with the pixels and the byte order of an array."""
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding=encoding)
    message.is_bigendian = int(image.dtype.byteorder == ">")
    message.step = width * image.itemsize * (image.shape[2] if image.ndim == 3 else 1)
    message.data = array.array("B", image.tobytes())
    return message


def filled(encoding: str, *pixel) -> Image:
    """A message whose pixels are all the same."""
    dtype, channels = ENCODINGS[encoding]
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    return message_of(np.full(shape, pixel, dtype), encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(encoding):
    image = noise(*ENCODINGS[encoding])
    for desired in ("passthrough", encoding):
        read = CvBridge().imgmsg_to_cv2(message_of(image, encoding), desired)
        assert read.dtype == image.dtype
        np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("encoding", ["8UC1", "8UC3", "16UC1", "16SC3", "32FC1", "64FC3"])
def test_big_endian(encoding):
    image = noise(*ENCODINGS[encoding])
    message = message_of(image.astype(image.dtype.newbyteorder(">")), encoding)
    read = CvBridge().imgmsg_to_cv2(message)
    assert read.dtype == image.dtype and read.dtype.isnative
    np.testing.assert_array_equal(read, image)


def test_big_endian_is_converted_too():
    message = message_of(np.full((2, 2), 65535 // 255 * 7, ">u2"), "mono16")
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "mono8"), np.full((2, 2), 7))


@pytest.mark.parametrize("encoding", ["mono8", "rgb8", "mono16", "32FC1"])
def test_padded_rows(encoding):
    image = noise(*ENCODINGS[encoding])
    rows = image.reshape(HEIGHT, -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=255)  # no whole number of pixels
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=padded.shape[1])
    message.data = array.array("B", padded.tobytes())
    read = CvBridge().imgmsg_to_cv2(message)
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, image)


def test_passthrough_shares_memory_and_conversion_does_not():
    message = message_of(noise("uint8", 3), "rgb8")
    memory = np.frombuffer(message.data, np.uint8)
    assert np.shares_memory(CvBridge().imgmsg_to_cv2(message), memory)
    assert not np.shares_memory(CvBridge().imgmsg_to_cv2(message, "rgb8"), memory)


def test_an_empty_image():
    message = message_of(np.zeros((0, 4, 3), np.uint8), "rgb8")
    assert CvBridge().imgmsg_to_cv2(message).shape == (0, 4, 3)


@pytest.mark.parametrize(
    ("source", "pixel", "target", "expected"),
    [
        ("rgb8", (10, 20, 30), "bgr8", (30, 20, 10)),
        ("bgr8", (30, 20, 10), "rgba8", (10, 20, 30, 255)),
        ("rgba8", (10, 20, 30, 40), "bgra8", (30, 20, 10, 40)),
        ("bgra8", (30, 20, 10, 40), "rgb8", (10, 20, 30)),
        ("rgb16", (10, 20, 30), "bgr16", (30, 20, 10)),
        ("rgb8", (255, 0, 0), "mono8", 76),  # ITU-R BT.601 weighs red with 0.299
        ("bgr8", (0, 0, 255), "mono8", 76),
        ("mono8", 50, "rgb8", (50, 50, 50)),
        ("mono8", 50, "bgra8", (50, 50, 50, 255)),
        # The range is scaled between 8 and 16 bits ...
        ("mono8", 255, "mono16", 65535),
        ("mono16", 65535, "mono8", 255),
        ("mono16", 257 * 7 + 128, "mono8", 7),
        ("rgb8", (1, 2, 3), "rgb16", (257, 514, 771)),
        ("rgb8", (255, 255, 255), "mono16", 65535),
        ("mono16", 257 * 9, "bgr8", (9, 9, 9)),
        ("mono8", 2, "16UC1", 514),
        # ... and other depths keep their values, as far as they fit.
        ("bgr8", (1, 2, 3), "8UC3", (1, 2, 3)),
        ("mono16", 1234, "16UC1", 1234),
        ("mono16", 1234, "32FC1", 1234.0),
        ("32FC1", -1.6, "16SC1", -2),
        ("32FC1", 1e9, "16UC1", 65535),
        ("32FC1", float("nan"), "8UC1", 0),
        ("64FC2", (0.5, -0.5), "32FC2", (0.5, -0.5)),
        # Red in ITU-R BT.601 video range, twice: the bytes are U Y V Y, or Y U Y V.
        ("yuv422", [(90, 81), (240, 81)] * (WIDTH // 2), "rgb8", (254, 0, 0)),
        ("yuv422_yuy2", [(81, 90), (81, 240)] * (WIDTH // 2), "bgr8", (0, 0, 254)),
        ("yuv422", (128, 60), "mono8", 60),
    ],
)
def test_conversion(source, pixel, target, expected):
    dtype, channels = ENCODINGS[target]
    image = CvBridge().imgmsg_to_cv2(filled(source, *np.atleast_1d(pixel)[None]), target)
    assert image.dtype == dtype
    assert image.shape == ((HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels))
    np.testing.assert_allclose(image, np.broadcast_to(expected, image.shape), atol=0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("pattern", "red"), [("rggb", (0, 0)), ("bggr", (1, 1)), ("gbrg", (1, 0)), ("grbg", (0, 1))]
)
def test_bayer_patterns(pattern, red, bits):
    mosaic = np.zeros((HEIGHT, WIDTH), f"uint{bits}")
    mosaic[red[0] :: 2, red[1] :: 2] = 200
    message = message_of(mosaic, f"bayer_{pattern}{bits}")
    for target, expected in [("rgb", (200, 0, 0)), ("bgr", (0, 0, 200))]:
        image = CvBridge().imgmsg_to_cv2(message, f"{target}{bits}")
        np.testing.assert_array_equal(image[2, 2], expected)
    assert CvBridge().imgmsg_to_cv2(message, f"mono{bits}").shape == mosaic.shape


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("8UC1", "mono8"),
        ("16UC1", "mono16"),
        ("8UC3", "bgr8"),
        ("32FC1", "mono8"),
        ("8UC3", "8UC1"),
        ("rgb8", "8UC1"),
        ("mono8", "8UC3"),
        ("rgb8", "yuv422"),
        ("rgb8", "bayer_rggb8"),
        ("bayer_rggb8", "rgba8"),
        ("bayer_rggb8", "bayer_rggb16"),
        ("yuv422", "yuv422_yuy2"),
        ("rgb8", "hsv8"),
    ],
)
def test_conversions_that_do_not_exist(source, target):
    dtype, channels = ENCODINGS[source]
    message = message_of(noise(dtype, channels), source)
    with pytest.raises(CvBridgeError):
        CvBridge().imgmsg_to_cv2(message, target)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"encoding": "rgb"}, "Unrecognized"),
        ({"step": WIDTH * 3 - 1}, "step 29 is less"),
        ({"data": array.array("B", bytes(HEIGHT * WIDTH * 3 - 1))}, "data has 179 bytes"),
        ({"encoding": "rgba8"}, "step 30 is less"),
    ],
)
def test_a_malformed_message_is_refused(fault, reason):
    message = message_of(noise("uint8", 3), "rgb8")
    for field, value in fault.items():
        setattr(message, field, value)
    with pytest.raises(CvBridgeError, match=reason):
        CvBridge().imgmsg_to_cv2(message)


@pytest.mark.parametrize("encoding", ["", "rgb", "RGB8", "8UC0", "8UC3 ", "9UC1", "jpeg"])
def test_an_unknown_encoding_is_refused(encoding):
    message = message_of(noise("uint8", 1), encoding)
    with pytest.raises(CvBridgeError, match="Unrecognized image encoding"):
        CvBridge().imgmsg_to_cv2(message)


def test_the_error_is_a_type_error():
    assert issubclass(CvBridgeError, TypeError)
