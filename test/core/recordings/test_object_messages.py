"""The message types of a recording are those of the packages."""

from __future__ import annotations

from pathlib import Path

from rosbags.typesys import get_types_from_msg

from difusionseg_core.recordings.object_messages import DEFINITIONS

ROOT = Path(__file__).parents[3]
FOLDERS = {"vision_msgs": ROOT / "pip_ros" / "vision_msgs" / "msg", "difusionseg_ros": ROOT / "msg"}


def test_the_definitions_are_those_of_the_msg_files():
    for kind, text in DEFINITIONS.items():
        package, _, name = kind.split("/")
        file = FOLDERS[package] / f"{name}.msg"
        assert get_types_from_msg(text, kind) == get_types_from_msg(file.read_text(), kind)
