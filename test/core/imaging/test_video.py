"""MP4 files."""

import cv2
import numpy as np
import pytest

from difusionseg_core.imaging.video import VideoWriter


@pytest.mark.parametrize("size", [(48, 64), (49, 65)])
def test_a_video_has_the_images_written(tmp_path, size):
    with VideoWriter(tmp_path / "a.mp4", 10) as video:
        for grey in (0, 100, 200):
            video.write(np.full((*size, 3), grey, np.uint8))
    read = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert read.get(cv2.CAP_PROP_FPS) == 10
    means = []
    while (frame := read.read()) and frame[0]:
        assert frame[1].shape == (48, 64, 3)
        means.append(frame[1].mean())
    assert means == pytest.approx([0, 100, 200], abs=8)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_after_a_fault_there_is_no_video(tmp_path):
    wrong_size = pytest.raises(ValueError, match="images of 64x48 pixels, but one has 32x24")
    with wrong_size, VideoWriter(tmp_path / "a.mp4", 10) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
        video.write(np.zeros((24, 32, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_without_images_there_is_no_video(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_named(tmp_path):
    refused = pytest.raises(OSError, match="cannot be written as a video")
    with refused, VideoWriter(tmp_path / "none" / "a.mp4", 10) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
