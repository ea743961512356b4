"""The node's parameter file, read without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_core.imaging.calibration_files import calibration_yaml, parse_calibration
from difusionseg_core.imaging.camera_settings import (
    CameraSettings,
    read_camera_settings,
    read_still_settings,
)
from difusionseg_core.imaging.registration.estimation import Registration
from difusionseg_core.imaging.registration.files import node_parameters
from difusionseg_core.imaging.registration.parallax import Parallax
from difusionseg_core.imaging.thermal.conversion import ThermalOptions


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "registration.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("node", ["/**", "/**/fusion_node", "fusion_node", "/front: {fusion_node"])
def test_parameters_are_read_for_any_node_name(write, node) -> None:
    end = "}" if "{" in node else ""
    text = (
        f"{node}: {{ros__parameters: {{undistort: true, thermal_mode: fixed, thermal_low: 7000, "
        "thermal_crop: [2, 0, 0, 0], thermal_to_rgb: [1, 0, 4.5, 0, 1, 0, 0, 0, 1], slop: 0.1}}"
    )
    settings = read_camera_settings(write(text + end))
    assert settings.undistort and settings.thermal.mode == "fixed"
    assert settings.thermal.low == 7000.0 and isinstance(settings.thermal.low, float)
    assert settings.thermal.crop == (2, 0, 0, 0)
    assert settings.thermal_to_rgb == (1, 0, 4.5, 0, 1, 0, 0, 0, 1)
    assert settings.alignment.thermal_to_rgb == settings.thermal_to_rgb


def test_missing_parameters_have_the_nodes_default(write) -> None:
    assert read_camera_settings(write("a: {ros__parameters: {slop: 0.1}}")) == CameraSettings()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1, 2", "not YAML"),
        ("- 1\n- 2\n", "no ros__parameters"),
        ("a: {ros__parameters: {undistort: 'yes'}}", "undistort is 'yes'"),
        ("a: {ros__parameters: {thermal_to_rgb: [1, 2, 3]}}", "must have 9"),
        ("a: {ros__parameters: {thermal_to_rgb: [1, x, 3]}}", "thermal_to_rgb is"),
        ("a: {ros__parameters: {thermal_low: true}}", "thermal_low is True"),
    ],
)
def test_bad_files_are_refused_in_one_line(write, text, complaint) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        read_camera_settings(write(text))
    assert "\n" not in str(caught.value) and "registration.yaml" in str(caught.value)


def lens(**changes) -> Calibration:
    values = {
        "width": 640,
        "height": 480,
        "model": "plumb_bob",
        "d": (-0.2, 0.05, 0.001, 0.0, 0.0),
        "k": (500.0, 0, 320, 0, 500, 240, 0, 0, 1),
        "r": (1.0, 0, 0, 0, 1, 0, 0, 0, 1),
        "p": (480.0, 0, 320, 0, 0, 480, 240, 0, 0, 0, 1, 0),
    }
    return Calibration(**values | changes)


def test_calibration_is_the_same_after_writing_and_reading() -> None:
    assert parse_calibration(calibration_yaml(lens())) == lens()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1, 2", "not YAML"),
        ("7", "no calibration: expected image_width"),
        ("image_width: 640", "has no image_height"),
        (calibration_yaml(lens()).replace("-0.2, 0.05", "a, b"), "distortion_coefficients"),
        (calibration_yaml(lens()).replace("[500, 0, ", "["), "7 numbers in camera_matrix"),
        (calibration_yaml(lens()).replace("plumb_bob", "pinhole"), "'pinhole'"),
        (calibration_yaml(lens()).replace("data: [-0.2", "data: 3 #"), "is no"),
    ],
)
def test_bad_calibrations_are_refused_in_one_line(text, complaint) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_calibration(text)
    assert "\n" not in str(caught.value)


def registered(cameras: CameraSettings) -> str:
    found = Registration(np.eye(3), "identity", 1.0, 1.0, 9, 9, np.ones(5), Parallax(0.0, 0.0, 0.0))
    return node_parameters(found, "drive", 3, cameras)


def test_registration_file_holds_all_settings(write) -> None:
    thermal = ThermalOptions("fixed", 7000.0, 9000.5, "jet", True, (2, 0, 0, 0))
    cameras = CameraSettings(
        thermal=thermal, undistort=True, rgb=lens(), thermal_camera=lens(width=320, height=240)
    )
    assert read_camera_settings(write(registered(cameras))) == cameras
    assert read_still_settings(write(registered(CameraSettings()))) == CameraSettings()


def test_bad_calibration_in_a_file_is_named(write) -> None:
    text = "a: {ros__parameters: {thermal_calibration: 'image_width: 3'}}"
    with pytest.raises(ValueError, match=r"registration.yaml: thermal_calibration: .*image_height"):
        read_camera_settings(write(text))


def test_still_images_need_calibrations_to_be_undistorted(write) -> None:
    with pytest.raises(ValueError, match="rgb_calibration and thermal_calibration"):
        read_still_settings(write("a: {ros__parameters: {undistort: true}}"))


def test_points_labels_and_images_are_undistorted_alike() -> None:
    rgb, labels = np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.uint8)
    rgb[60:90, 500:540], labels[60:90, 500:540] = 255, 2
    align = Alignment(rgb=lens(), thermal=lens())
    straight, _ = align.undistorted(rgb, labels)
    moved = align.align_labels(labels)
    assert ((straight[..., 0] > 127) != (moved == 2)).sum() < 120  # on the border
    centre = lens().rectified_points(np.array([[519.5, 74.5]]), 640, 480)[0]
    rows, columns = np.nonzero(moved == 2)
    assert np.abs(centre - (columns.mean(), rows.mean())).max() < 1.0
    assert np.abs(centre - (519.5, 74.5)).max() > 3
