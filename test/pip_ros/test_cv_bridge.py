"""The cv_bridge stand-in: 8-bit encodings, row padding, conversions and refused messages."""

import array

import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image

HEIGHT, WIDTH = 6, 10
CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}


def shape_of(encoding: str) -> tuple[int, ...]:
    channels = CHANNELS[encoding]
    return (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)


def noise(encoding: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape_of(encoding), np.uint8)


def message_of(image: np.ndarray, encoding: str, padding: int = 0) -> Image:
    """A message with the pixels of an array, and rows with some bytes of padding."""
    height, width = image.shape[:2]
    rows = np.pad(
        image.reshape(height, width * CHANNELS[encoding]),
        ((0, 0), (0, padding)),
        constant_values=255,
    )
    message = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.data = array.array("B", rows.tobytes())
    return message


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", CHANNELS)
def test_every_encoding_is_read(encoding, padding):
    image = noise(encoding)
    for desired in ("passthrough", encoding):
        read = CvBridge().imgmsg_to_cv2(message_of(image, encoding, padding), desired)
        assert read.dtype == np.uint8 and read.flags.c_contiguous
        np.testing.assert_array_equal(read, image)


def test_passthrough_shares_memory_and_conversion_does_not():
    message = message_of(noise("rgb8"), "rgb8")
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
        ("bgr8", (30, 20, 10), "rgb8", (10, 20, 30)),
        ("bgr8", (30, 20, 10), "rgba8", (10, 20, 30, 255)),
        ("rgba8", (10, 20, 30, 40), "bgra8", (30, 20, 10, 40)),
        ("bgra8", (30, 20, 10, 40), "rgb8", (10, 20, 30)),
        ("rgb8", (255, 0, 0), "mono8", 76),  # ITU-R BT.601 weighs red with 0.299
        ("bgr8", (0, 0, 255), "mono8", 76),
        ("mono8", 50, "rgb8", (50, 50, 50)),
        ("mono8", 50, "bgra8", (50, 50, 50, 255)),
    ],
)
def test_conversion(source, pixel, target, expected):
    message = message_of(np.full(shape_of(source), pixel, np.uint8), source)
    image = CvBridge().imgmsg_to_cv2(message, target)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.full(shape_of(target), expected))


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
    message = message_of(noise("rgb8"), "rgb8")
    for field, value in fault.items():
        setattr(message, field, value)
    with pytest.raises(CvBridgeError, match=reason):
        CvBridge().imgmsg_to_cv2(message)


def test_an_unknown_desired_encoding_is_refused():
    with pytest.raises(CvBridgeError, match="Unrecognized image encoding"):
        CvBridge().imgmsg_to_cv2(message_of(noise("mono8"), "mono8"), "RGB8")


def test_the_error_is_a_type_error():
    assert issubclass(CvBridgeError, TypeError)
