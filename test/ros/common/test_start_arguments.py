"""Parameters on the command line: integers for doubles, and files for other nodes."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from difusionseg_ros.common.start_arguments import (
    as_declared,
    foreign_files,
    own_arguments,
    parameter_files,
    with_doubles,
)

DEFAULTS = {"slop": 0.05, "steps": 1, "model": "lite", "matrix": (1.0, 0.0), "degrade": False}


@pytest.fixture
def copies():
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("slop", 0, 0.0),
        ("slop", 2, 2.0),
        ("slop", 0.5, 0.5),
        ("slop", "fast", "fast"),  # for ROS to refuse
        ("slop", True, True),
        ("steps", 2, 2),
        ("model", 1, 1),
        ("degrade", 1, 1),
        ("matrix", [1, 0], [1.0, 0.0]),
        ("matrix", [1, 0.5], [1.0, 0.5]),
        ("matrix", [1.5, 0.5], [1.5, 0.5]),
        ("matrix", "[1, 0.5]", [1.0, 0.5]),  # as `ros2 param set` sends it
        ("matrix", ["a", 1], ["a", 1]),
        ("matrix", 3, 3),
    ],
)
def test_values_are_converted_to_the_parameters_type(name, given, taken):
    converted = as_declared(given, DEFAULTS[name])
    assert converted == taken
    assert repr(converted) == repr(taken)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("slop:=0", "slop:=0.0"),
        ("fusion_node:slop:=3", "fusion_node:slop:=3.0"),
        ("matrix:=[1, 0.5]", "matrix:=[1.0, 0.5]"),
        ("slop:=0.5", "slop:=0.5"),
        ("steps:=2", "steps:=2"),
        ("model:='1'", "model:='1'"),
        ("other:=2", "other:=2"),
        ("slop", "slop"),
        ("slop:=[", "slop:=["),
    ],
)
def test_assignments_on_the_command_line(given, taken, copies):
    for option in ("-p", "--param"):
        args = ["node", "--ros-args", option, given, "--", given]
        expected = ["node", "--ros-args", option, taken, "--", given]
        assert with_doubles(args, DEFAULTS, copies) == expected


@pytest.mark.parametrize("key", ["/**", "fusion_node", "/robot/fusion_node"])
def test_a_file_is_replaced_only_if_it_needs_to_be(key, tmp_path, copies):
    file = tmp_path / "own.yaml"
    values = {"slop": 1, "matrix": [1, 0.5], "steps": 2, "nested": {"slop": 1}}
    file.write_text(yaml.safe_dump({key: {"ros__parameters": values}}))
    args = ["node", "--ros-args", "--params-file", str(file)]
    changed = with_doubles(args, DEFAULTS, copies)[-1]
    assert changed != str(file)
    found = yaml.safe_load(Path(changed).read_text())[key]["ros__parameters"]
    assert found == {**values, "slop": 1.0, "matrix": [1.0, 0.5]}
    assert repr(found["slop"]) == "1.0" and repr(found["matrix"]) == "[1.0, 0.5]"
    assert with_doubles([*args[:-1], changed], DEFAULTS, copies)[-1] == changed
    copies.close()
    assert not Path(changed).parent.exists()


def test_a_file_with_namespaces(tmp_path, copies):
    file = tmp_path / "own.yaml"
    file.write_text("robot:\n  fusion_node:\n    ros__parameters: {slop: 1}\n")
    (changed,) = parameter_files(
        with_doubles(["--ros-args", "--params-file", str(file)], DEFAULTS, copies)
    )
    assert "slop: 1.0" in Path(changed).read_text()


@pytest.mark.parametrize("content", ["[", "- 1", "", "a: {ros__parameters: 3}"])
def test_invalid_arguments_are_left_for_ros_to_report(content, tmp_path, copies):
    file = tmp_path / "own.yaml"
    file.write_text(content)
    args = ["--ros-args", "--params-file", str(file), "--params-file", "no_such.yaml"]
    assert with_doubles(args, DEFAULTS, copies) == args


def test_own_arguments_are_those_outside_of_ros_args():
    args = ["--help", "--ros-args", "-p", "a:=1", "--", "more", "--ros-args", "-r", "x:=y"]
    assert own_arguments(args) == ["--help", "more"]


@pytest.mark.parametrize(
    ("key", "applies"),
    [
        ("/**", True),
        ("/**/fusion_node", True),
        ("/robot/*", True),
        ("/*/fusion_node", True),
        ("/robot/fusion_node", True),
        ("robot/fusion_node", True),
        ("fusion_node", False),
        ("/fusion_node", False),
        ("/robot/fusion", False),
        ("/*", False),
        ("/robot/**", True),
    ],
)
def test_a_file_for_other_nodes_is_found(key, applies, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({key: {"ros__parameters": {"slop": 0.1}}}))
    found = list(foreign_files(["--ros-args", "--params-file", str(file)], "/robot/fusion_node"))
    assert found == ([] if applies else [(str(file), [f"/{key.lstrip('/')}"])])
