"""Examine both cameras for ten seconds, and print the parameters that the fusion node needs.

    ros2 run difusionseg_ros doctor
    ros2 run difusionseg_ros doctor --ros-args -p input:=RECORDING
    scripts/run doctor --ros-args -p rgb_topic:=/camera/image_raw -p thermal_topic:=/lepton/image

It prints for each camera: topic, type, encoding or format, size, rate, stamps, QoS, range of
counts, palette, and whether the node can use the images; then the parameters to set. The exit
status is 0 if the node can use both cameras, else 1.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from difusionseg_core.cameras.camera_watch import RGB, THERMAL
from difusionseg_core.cameras.examination import Examination, report
from difusionseg_core.imaging.codec.camera_images import COMPRESSED_IMAGE, IMAGE
from difusionseg_core.recordings.rosbag2 import Recording
from difusionseg_core.recordings.topic_choice import (
    TopicError,
    Topics,
    base_of,
    choose_topics,
    transport_ending,
)
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.program import Program, run
from difusionseg_ros.common.topics import RGB_IMAGE, THERMAL_IMAGE

PARAMETERS = (
    Parameter("input", "", "recording to examine; empty: the running graph"),
    Parameter("seconds", 10.0, "time to examine the cameras [s]", 0.5, 3600.0),
    Parameter("rgb_topic", "", "RGB images; empty: found by name"),
    Parameter("thermal_topic", "", "thermal images; empty: found by name"),
)
PROGRAM = Program("doctor", __doc__, described(PARAMETERS))
_DISCOVERY = 5.0  # seconds to find the topics
_TYPES = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage}


def examine_recording(path: Path, seconds: float, **names: str | None) -> list[Examination]:
    """Examine both cameras in the first seconds of a recording.

    Raises ValueError, in one line, for an unusable recording and for topics that are not found.
    """
    with Recording(path, notice=_report) as recording:
        topics = recording.choose_topics(**names)
        cameras = {
            topic: Examination(role, topic, recording.topics[topic])
            for role, topic in ((RGB, topics.rgb), (THERMAL, topics.thermal))
        }
        begin = None
        for message in recording.messages(cameras):
            begin = message.recorded_ns if begin is None else begin
            if message.recorded_ns - begin > seconds * 1e9:
                break
            cameras[message.topic].add(message.deserialize(), message.recorded_ns)
    return list(cameras.values())


def examine_graph(
    node: Node, seconds: float, stop: threading.Event, **names: str | None
) -> list[Examination]:
    """Examine both cameras of the running graph. Raises ValueError for topics not found."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    topics, types = _discover(node, executor, stop, names)
    cameras = []
    for role, topic, ours in (
        (RGB, topics.rgb, RGB_IMAGE),
        (THERMAL, topics.thermal, THERMAL_IMAGE),
    ):
        camera = Examination(role, topic, types[topic], {"QoS": _qos(node, topic)})
        cameras.append(camera)
        node.create_subscription(
            _TYPES[types[topic]],
            topic,
            lambda message, camera=camera: camera.add(message, node.get_clock().now().nanoseconds),
            ours.qos(),
        )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    return cameras


def _report(line: str) -> None:
    print(f"doctor: {line}", file=sys.stderr)


def settings_for(rgb_topic: str, thermal_topic: str) -> dict[str, object]:
    """Return the node's transport parameters for these topics, if not default."""
    return {
        f"{role}_transport": transport_ending(topic).lstrip("/")
        for role, topic in (("rgb", rgb_topic), ("thermal", thermal_topic))
        if transport_ending(topic)
    }


def topic_lines(rgb_topic: str, thermal_topic: str) -> list[str]:
    """Return lines on how to start bringup with these topics; none for the default topics."""
    arguments = [
        f"{role}_topic:={base_of(topic)}"
        for role, topic, default in (
            ("rgb", rgb_topic, RGB_IMAGE.name),
            ("thermal", thermal_topic, THERMAL_IMAGE.name),
        )
        if base_of(topic).strip("/") != default
    ]
    return ["", f"start bringup with: {' '.join(arguments)}"] if arguments else []


def main(args: list[str] | None = None) -> int:
    """Examine and report; return the exit status, 0 if the node can use both cameras."""
    return run(PROGRAM, args, _look_until)


def _look_until(stop: threading.Event, _: list[str]) -> int:
    node = Node("doctor")
    try:
        values = declare(node, PARAMETERS)
        names = {role: values[f"{role}_topic"] or None for role in ("rgb", "thermal")}
        seconds = values["seconds"]
        if values["input"]:
            rgb, thermal = examine_recording(Path(values["input"]), seconds, **names)
        else:
            _report(f"examining the cameras for {seconds:g} s")
            rgb, thermal = examine_graph(node, seconds, stop, **names)
    finally:
        node.destroy_node()
    lines, parameters = report(rgb, thermal, settings_for(rgb.topic, thermal.topic))
    print("\n".join([*lines, *topic_lines(rgb.topic, thermal.topic)]))
    needed = set(parameters) - {"rgb_transport", "thermal_transport"}
    return 0 if rgb.usable and thermal.usable and not needed else 1


def _discover(
    node: Node,
    executor: SingleThreadedExecutor,
    stop: threading.Event,
    names: Mapping[str, str | None],
) -> tuple[Topics, dict[str, str]]:
    """Return both cameras' topics among the published ones, and the types of all."""
    deadline = time.monotonic() + _DISCOVERY
    while True:
        executor.spin_once(timeout_sec=0.2)
        types = {
            topic: next(iter(set(kinds) & _TYPES.keys()), kinds[0])
            for topic, kinds in node.get_topic_names_and_types()
            if node.count_publishers(topic)
        }
        try:
            return choose_topics(types, **names), types
        except TopicError as error:
            if time.monotonic() > deadline or stop.is_set():
                raise TopicError(
                    f"in the running graph: {error} (-p rgb_topic:=... -p thermal_topic:=...)"
                ) from None


def _qos(node: Node, topic: str) -> str:
    """Describe the publishers' QoS; the node's best effort is compatible with all of them."""
    offered: list[Any] = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    kinds = sorted(
        {
            f"{item.reliability.name}, {item.durability.name}".lower().replace("_", " ")
            for item in offered
        }
    )
    return f"{'; '.join(kinds)} (ours: best effort, volatile: compatible)"


if __name__ == "__main__":
    sys.exit(main())
