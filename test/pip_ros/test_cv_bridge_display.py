"""Pictures to look at, by the cv_bridge stand-in."""
# ruff: noqa: E402 (imports below the check for what may be missing)

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs the ROS messages")
cv2 = pytest.importorskip("cv2", reason="needs OpenCV")

from cv_bridge import cvtColorForDisplay


def test_every_label_has_its_color_and_the_background_none():
    labels = np.arange(-1, 12, dtype=np.int32)[None]
    picture = cvtColorForDisplay(labels, "32SC1", "bgr8")
    assert picture.shape == (1, 13, 3) and picture.dtype == np.uint8
    assert len(np.unique(picture[0], axis=0)) == 13
    assert not picture[0, 0].any()


def test_scaling_ignores_what_is_not_finite():
    depth = np.array([[50, 100, 150, -np.inf, np.inf, np.nan]], np.float32)
    picture = cvtColorForDisplay(depth, "32FC1", "mono8", do_dynamic_scaling=True)
    np.testing.assert_array_equal(picture, [[0, 128, 255, 0, 255, 0]])


def test_scaling_between_given_values():
    thermal = np.array([[900, 1000, 1200, 1300]], np.uint16)
    picture = cvtColorForDisplay(
        thermal, "16UC1", "rgb8", min_image_value=1000, max_image_value=1200
    )
    np.testing.assert_array_equal(picture[0], [[0] * 3, [0] * 3, [255] * 3, [255] * 3])


def test_a_flat_image_is_mid_gray():
    flat = np.full((2, 2), 3.0, np.float32)
    picture = cvtColorForDisplay(flat, "32FC1", "", do_dynamic_scaling=True)
    np.testing.assert_array_equal(picture, np.full((2, 2, 3), 128))


def test_a_color_map_leaves_nan_black():
    depth = np.array([[0, 1, np.nan]], np.float32)
    picture = cvtColorForDisplay(
        depth, "32FC1", "bgr8", do_dynamic_scaling=True, colormap=cv2.COLORMAP_JET
    )
    ends = cv2.applyColorMap(np.array([[0, 255]], np.uint8), cv2.COLORMAP_JET)
    np.testing.assert_array_equal(picture[0], [*ends[0], (0, 0, 0)])


def test_sixteen_bit_numbers_are_gray():
    picture = cvtColorForDisplay(np.full((2, 2), 257 * 5, np.uint16), "16UC1", "mono8")
    np.testing.assert_array_equal(picture, np.full((2, 2), 5))


@pytest.mark.parametrize(
    ("shape", "encoding_in", "encoding_out", "options"),
    [
        ((2, 2), "mono8", "mono16", {}),
        ((2, 2), "mono8", "8UC1", {}),
        ((2, 2, 3), "8UC3", "bgr8", {}),
        ((2, 2, 3), "rgb8", "mono8", {"max_image_value": 9}),
    ],
)
def test_what_cannot_be_shown(shape, encoding_in, encoding_out, options):
    with pytest.raises(RuntimeError):
        cvtColorForDisplay(np.zeros(shape, np.uint8), encoding_in, encoding_out, **options)
