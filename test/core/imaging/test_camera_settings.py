"""The node's parameter file, read without ROS."""

from __future__ import annotations

import pytest

from difusionseg_core.imaging.camera_settings import CameraSettings, read_camera_settings


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "registration.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("node", ["/**", "/**/fusion_node", "fusion_node", "/front: {fusion_node"])
def test_parameters_are_read_whatever_the_node_is_called(write, node) -> None:
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


def test_what_is_not_named_has_the_nodes_default(write) -> None:
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
