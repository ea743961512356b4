"""Encodings and types of the cv_bridge stand-in."""
# ruff: noqa: E402 (imports below the check for what may be missing)

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs the ROS messages")
cv2 = pytest.importorskip("cv2", reason="needs OpenCV")

from cv_bridge import CvBridge, CvBridgeError, getCvType


@pytest.mark.parametrize(
    ("encoding", "cv_type"),
    [
        ("mono8", cv2.CV_8UC1),
        ("mono16", cv2.CV_16UC1),
        ("bgr8", cv2.CV_8UC3),
        ("rgba16", cv2.CV_16UC4),
        ("bayer_grbg16", cv2.CV_16UC1),
        ("yuv422", cv2.CV_8UC2),
        ("yuv422_yuy2", cv2.CV_8UC2),
        ("8U", cv2.CV_8UC1),
        ("8SC2", cv2.CV_8SC2),
        ("16SC3", cv2.CV_16SC3),
        ("32SC1", cv2.CV_32SC1),
        ("32FC4", cv2.CV_32FC4),
        ("64FC1", cv2.CV_64FC1),
    ],
)
def test_type_of_an_encoding(encoding, cv_type):
    assert getCvType(encoding) == cv_type
    assert CvBridge().encoding_to_cvtype2(encoding) == cv_type


@pytest.mark.parametrize("encoding", ["", "rgb", "RGB8", "8UC0", "8UC3 ", "9UC1", "jpeg"])
def test_an_unknown_encoding_is_refused(encoding):
    with pytest.raises(CvBridgeError, match="Unrecognized image encoding"):
        CvBridge().encoding_to_cvtype2(encoding)
    with pytest.raises(RuntimeError, match="Unrecognized image encoding"):
        getCvType(encoding)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("rgb8", ("uint8", 3)), ("mono16", ("uint16", 1)), ("32FC1", ("float32", 1))]
    + [("8UC5", ("uint8", 5)), ("64FC40", ("float64", 40))],
)
def test_dtype_and_channels_of_an_encoding(encoding, expected):
    assert CvBridge().encoding_to_dtype_with_channels(encoding) == expected


def test_types_and_names_there_and_back():
    bridge = CvBridge()
    assert len(bridge.cvtype_to_name) == 28
    for cv_type, name in bridge.cvtype_to_name.items():
        assert getattr(cv2, f"CV_{name}") == cv_type
        dtype, channels = bridge.cvtype2_to_dtype_with_channels(cv_type)
        assert bridge.dtype_with_channels_to_cvtype2(np.dtype(dtype), channels) == name


def test_the_error_is_a_type_error():
    assert issubclass(CvBridgeError, TypeError)
