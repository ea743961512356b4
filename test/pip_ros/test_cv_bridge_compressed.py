"""sensor_msgs/CompressedImage to arrays and back with the cv_bridge stand-in."""
# ruff: noqa: E402 (imports below the check for what may be missing)

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs the ROS messages")
cv2 = pytest.importorskip("cv2", reason="needs OpenCV")

from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage

SHAPES = [(24, 32), (24, 32, 3), (24, 32, 4)]


def noise(shape: tuple, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_png_keeps_every_bit(shape, dtype):
    image = noise(shape, dtype)
    message = CvBridge().cv2_to_compressed_imgmsg(image, "png")
    assert message.format == "png"
    back = CvBridge().compressed_imgmsg_to_cv2(message)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("suffix", ["bmp", "dib", "tif", "tiff", "ras", "sr"])
def test_other_lossless_formats(suffix):
    image = noise((24, 32, 3))
    message = CvBridge().cv2_to_compressed_imgmsg(image, suffix)
    np.testing.assert_array_equal(CvBridge().compressed_imgmsg_to_cv2(message), image)


def test_jpeg_is_the_default():
    image = np.full((24, 32, 3), (10, 120, 240), np.uint8)
    message = CvBridge().cv2_to_compressed_imgmsg(image)
    assert message.format == "jpg"
    assert bytes(message.data[:2]) == b"\xff\xd8"
    back = CvBridge().compressed_imgmsg_to_cv2(message)
    np.testing.assert_allclose(back.astype(int), image, atol=3)


def test_conversion_starts_from_bgr():
    image = noise((24, 32, 3))
    message = CvBridge().cv2_to_compressed_imgmsg(image, "png")
    bridge = CvBridge()
    np.testing.assert_array_equal(bridge.compressed_imgmsg_to_cv2(message, "bgr8"), image)
    rgb = bridge.compressed_imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_array_equal(rgb, image[:, :, ::-1])
    gray = bridge.compressed_imgmsg_to_cv2(message, "mono8")
    np.testing.assert_array_equal(gray, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def test_gray_is_taken_for_bgr():
    message = CvBridge().cv2_to_compressed_imgmsg(noise((24, 32)), "png")
    with pytest.raises(CvBridgeError):
        CvBridge().compressed_imgmsg_to_cv2(message, "mono8")


def test_what_cannot_be_decoded():
    message = CompressedImage(format="jpg", data=b"no picture")
    assert CvBridge().compressed_imgmsg_to_cv2(message) is None
    with pytest.raises(CvBridgeError, match="cannot decode"):
        CvBridge().compressed_imgmsg_to_cv2(message, "bgr8")


def test_what_cannot_be_encoded():
    with pytest.raises(cv2.error):
        CvBridge().cv2_to_compressed_imgmsg(noise((24, 32)), "no_such_format")
    with pytest.raises(TypeError, match="numpy array, not str"):
        CvBridge().cv2_to_compressed_imgmsg("picture")
