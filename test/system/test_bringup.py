"""What bringup starts, as data and as processes over real DDS."""

import contextlib
import dataclasses
import shutil
import signal
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
import yaml
from rclpy.wait_for_message import wait_for_message

from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_ros.bringup.arguments import BadArgument, read_arguments
from difusionseg_ros.bringup.description import (
    BRINGUP_ARGUMENTS,
    REPLAY_ARGUMENTS,
    bringup_processes,
    replay_processes,
)
from difusionseg_ros.bringup.evaluate_bag import EVALUATE_BAG_ARGUMENTS
from difusionseg_ros.bringup.processes import command_line
from difusionseg_ros.common.topics import LABEL_INFO
from difusionseg_ros.fusion.parameters import Settings, limits_by_name


def bringup(*tokens):
    return bringup_processes(read_arguments(tokens, BRINGUP_ARGUMENTS))


@pytest.fixture
def start_bringup(start_module, monkeypatch):
    """`start_bringup(*arguments)` returns a running bringup, which is terminated at the end."""
    monkeypatch.setenv("RCUTILS_LOGGING_USE_STDOUT", "0")
    return partial(start_module, "bringup.description")


@pytest.fixture
def listener():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_parameter_file_holds_the_defaults(root):
    with (root / "config" / "fusion_node.yaml").open() as file:
        content = yaml.safe_load(file)
    parameters = content["/**"]["ros__parameters"]
    assert parameters.keys() == dataclasses.asdict(Settings()).keys()
    assert Settings().changed(parameters) == Settings()


def test_parameter_file_explains_each_parameter_as_the_node_does(root):
    explained, comment = {}, []
    for line in (root / "config" / "fusion_node.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# "):
            comment.append(text[2:])
        elif text:
            explained[text.partition(":")[0]] = " ".join(comment)
            comment = []
        else:
            comment = []
    for name, limits in limits_by_name().items():
        assert explained[name] == limits.description


def test_only_the_fusion_node_by_default():
    (node,) = bringup()
    assert (node.executable, node.essential) == ("fusion_node", True)
    assert node.remaps == {}
    assert node.parameters == {}
    assert node.params_file.endswith("config/fusion_node.yaml")


def test_arguments_reach_the_node():
    (node,) = bringup(
        "rgb_topic:=/front/image_raw", "thermal_topic:=lepton", "namespace:=robot", "model:=1"
    )
    command = command_line(node)
    assert command[0].endswith("/lib/difusionseg_ros/fusion_node")
    assert "__ns:=/robot" in command
    assert "rgb/image:=/front/image_raw" in command
    assert "rgb/camera_info:=/front/camera_info" in command
    assert "thermal/image:=lepton" in command
    assert "thermal/camera_info:=camera_info" in command
    assert 'model:="1"' in command  # a string, not a number


@pytest.fixture
def recording(tmp_path):
    """A recording with one compressed pair, on the default topics and on those of a robot."""
    image = np.zeros((48, 64), np.uint8)
    png = cv2.imencode(".png", image)[1].tobytes()
    with RecordingWriter(tmp_path / "recording") as writer:
        for rgb, thermal in (("/rgb/image", "/thermal/image"), ("/front/color", "/front/lepton")):
            writer.write_compressed(f"{rgb}/compressed", 10**9, "camera", png, "png")
            writer.write_image(thermal, 10**9, "camera", image, "mono8")
    return tmp_path / "recording"


def test_bag_is_replayed_to_the_nodes_topics(recording):
    node, replay = bringup(f"bag:={recording}", "namespace:=robot")
    assert replay.executable == "replay"
    assert replay.parameters == {"input": str(recording), "loop": False}
    assert replay.namespace == node.namespace
    assert not replay.essential
    assert node.parameters == {
        "rgb_transport": "compressed",
        "thermal_transport": "raw",
        "qos_overrides./robot/rgb/image/compressed.subscription.reliability": "reliable",
        "qos_overrides./robot/thermal/image.subscription.reliability": "reliable",
    }


def test_bag_with_other_topics(recording):
    node, replay = bringup(
        f"bag:={recording}",
        "rgb_topic:=/front/color",
        "rgb_transport:=compressed",
        "thermal_topic:=/front/lepton",
    )
    assert replay.parameters["rgb_topic"] == "/front/color"
    assert replay.parameters["thermal_topic"] == "/front/lepton"
    assert replay.remaps["rgb/image/compressed"] == "/front/color/compressed"
    assert replay.remaps["thermal/image"] == node.remaps["thermal/image"] == "/front/lepton"


def test_replay_arguments_reach_the_replay(recording):
    tokens = [f"bag:={recording}", "rate:=2.5", "loop:=true"]
    (replay,) = replay_processes(read_arguments(tokens, REPLAY_ARGUMENTS))
    expected = {"input": str(recording), "rate": 2.5, "speed": 1.0, "loop": True, "clock": False}
    assert replay.parameters == expected


def test_rviz_shows_our_layout(root):
    _, rviz = bringup("rviz:=true")
    with Path(rviz.arguments[1]).open() as file:
        displays = yaml.safe_load(file)["Visualization Manager"]["Displays"]
    assert "fused/image" in [display["Topic"]["Value"] for display in displays]


@pytest.mark.parametrize("text", ["70000", "-1", "http"])
def test_the_viewers_port_is_checked(text):
    with pytest.raises(BadArgument, match="viewer_port is"):
        bringup("viewer:=true", f"viewer_port:={text}")


def test_the_viewers_port_and_control_reach_it():
    _, viewer = bringup("viewer:=true", "viewer_port:=9000")
    assert viewer.parameters == {"port": 9000, "control": False}
    _, viewer = bringup("viewer:=true", "viewer_control:=true")
    assert viewer.parameters == {"port": 8080, "control": True}


def test_prefixed_argument_names_work():
    assert bringup("fusion_model:=a", "fusion_namespace:=robot") == bringup(
        "model:=a", "namespace:=robot"
    )


@pytest.mark.parametrize("name", ["bag", "params_file", "model"])
def test_a_tilde_is_the_home_folder(recording, root, name, monkeypatch):
    monkeypatch.setenv("HOME", str(recording.parent))
    shutil.copy(root / "config" / "fusion_node.yaml", recording.parent / "own.yaml")
    value = {"bag": "~/recording", "params_file": "~/own.yaml", "model": "~/own.safetensors"}[name]
    node, *others = bringup(f"{name}:={value}")
    expanded = str(recording.parent / value[2:])
    given = {"params_file": node.params_file, "model": node.parameters.get("model")}
    assert (others[0].parameters["input"] if name == "bag" else given[name]) == expanded


def test_the_bag_is_looped(recording):
    _, replay = bringup(f"bag:={recording}", "loop:=true")
    assert replay.parameters["loop"] is True


@pytest.mark.parametrize("token", ["use_sim_time:=true", "use_sim_time:=false"])
def test_simulated_time_reaches_the_node(token):
    (node,) = bringup(token)
    assert node.parameters == {"use_sim_time": token.endswith("true")}


def test_the_viewer_watches_the_cameras_of_the_node():
    node, viewer = bringup("viewer:=true", "rgb_topic:=/front/color", "namespace:=robot")
    assert viewer.executable == "viewer" and not viewer.essential
    assert command_line(viewer)[0].endswith("/lib/difusionseg_ros/viewer")
    assert (viewer.namespace, viewer.remaps) == (node.namespace, node.remaps)


@pytest.mark.parametrize(
    ("token", "named"),
    [
        ("rgb", "'rgb' is not of the form name:=value"),
        ("colour_topic:=a", "unknown argument 'colour_topic'"),
        ("rviz:=maybe", "rviz is 'maybe'"),
        ("viewer:=yes", "viewer is 'yes'; it must be true or false"),
        ("modle:=lite", "did you mean model?"),
        ("loop:=true", "bag:=RECORDING_OR_FOLDER"),
        ("respawn_delay:=-1", "respawn_delay is '-1'; it must be a number from 0"),
        ("bag:=no/such/recording", "bag: no/such/recording does not exist"),
        ("params_file:=no_such.yaml", "params_file 'no_such.yaml' does not exist"),
        ("rgb_topic:=/a/compressed", "rgb_topic:=/a rgb_transport:=compressed"),
    ],
)
def test_refused_arguments_are_named(token, named):
    with pytest.raises(BadArgument) as refusal:
        bringup(token)
    assert named in str(refusal.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_bringup_and_its_node(start_bringup, listener, untrained_weights, number):
    process = start_bringup(f"model:={untrained_weights}", f"namespace:=ended_by_{number.name}")
    topic = f"/ended_by_{number.name}/{LABEL_INFO.name}"
    came, _ = wait_for_message(
        LABEL_INFO.type, listener, topic, qos_profile=LABEL_INFO.qos(), time_to_wait=60
    )
    assert came
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert not commands_with(f"__ns:=/ended_by_{number.name}")


def commands_with(argument):
    """Command lines of this machine's processes that hold the argument."""
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended in the meantime
            commands.append(file.read_text().split("\0"))
    return [command for command in commands if argument in command]


def test_a_node_that_cannot_start_ends_bringup(start_bringup):
    process = start_bringup("model:=no_such_model")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "model 'no_such_model' is unknown" in errors


def test_bad_arguments_give_one_line(start_bringup):
    process = start_bringup("colour_topic:=a")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1


def test_launch_files_start_the_described_processes(root):
    pytest.importorskip("launch_ros", reason="the real launch is not installed")
    from launch import LaunchContext
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    for name, arguments in (
        ("bringup", BRINGUP_ARGUMENTS),
        ("replay", REPLAY_ARGUMENTS),
        ("evaluate_bag", EVALUATE_BAG_ARGUMENTS),
    ):
        description = get_launch_description_from_python_launch_file(
            str(root / "launch" / f"{name}.launch.py")
        )
        declared = {
            action.name: "".join(part.perform(LaunchContext()) for part in action.default_value)
            for action in description.get_launch_arguments()
        }
        assert declared == {argument.included_name: argument.default for argument in arguments}
