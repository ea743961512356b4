"""The launch files of docs/robots.md start their nodes, with empty drivers."""

import re
import subprocess

import pytest

pytestmark = pytest.mark.slow

DRIVERS = {
    "usb_cam": "usb_cam_node_exe",
    "v4l2_camera": "v4l2_camera_node",
    "image_proc": "rectify_node",
    "nav2_lifecycle_manager": "lifecycle_manager",
}
BLOCK = re.compile(r'```(?:python|yaml) title="([\w.]+)"\n(.*?)```', re.DOTALL)
STARTED = {
    "bringup_in_parent.launch.py": ["fusion_node"],
    "usb_cameras.launch.py": ["usb_cam_node_exe", "v4l2_camera_node", "fusion_node"],
    "rectified.launch.py": ["rectify_node", "rectify_node", "fusion_node"],
    "two_robots.launch.py": ["fusion_node", "fusion_node"],
    "managed.launch.py": ["fusion_node", "lifecycle_manager"],
}


@pytest.fixture
def folder(root, tmp_path, monkeypatch):
    """The snippets as files, and packages of drivers beside them."""
    for name, text in BLOCK.findall((root / "docs" / "robots.md").read_text()):
        text = text.replace("/home/robot/", f"{tmp_path}/")
        (tmp_path / name).write_text(text)
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    for package, executable in DRIVERS.items():
        (index / package).touch()
        (program := tmp_path / "lib" / package / executable).parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=":")
    return tmp_path


@pytest.mark.parametrize("name", STARTED)
def test_a_snippet_starts_its_nodes(launch, folder, name):
    started = launch(folder / name)
    for _ in STARTED[name]:
        started.wait_for(r"process started with pid")
    names = re.findall(r"\[(\w+)-\d+\]: process started", "".join(started.lines))
    assert sorted(names) == sorted(STARTED[name])


def test_every_snippet_is_tested(folder):
    assert {path.name for path in folder.glob("*.launch.py")} == STARTED.keys()


def test_arguments_of_bringup_are_shown(ours):
    shown = subprocess.run(
        ["ros2", "launch", str(ours("bringup")), "-s"], capture_output=True, text=True, timeout=60
    )
    for name in ("'fusion_model'", "'rgb_topic'", "on the command line also model:="):
        assert name in shown.stdout
