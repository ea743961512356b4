"""What bringup starts, for the launch files and for `scripts/run bringup`.

    scripts/run bringup rgb_topic:=/camera/image_raw thermal_topic:=/lepton/image_raw model:=lite

takes the arguments of `ros2 launch difusionseg_ros bringup.launch.py`, for machines without
`launch`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ament_index_python.packages import get_package_share_directory

from difusionseg_core.recordings.topic_choice import TRANSPORTS, base_of, transport_ending
from difusionseg_ros.bringup.arguments import (
    Argument,
    BadArgument,
    is_true,
    number,
    path,
    port,
    read_arguments,
)
from difusionseg_ros.bringup.processes import NotInstalled, Process, run
from difusionseg_ros.bringup.surroundings import NOTHING_AROUND, Surroundings

if TYPE_CHECKING:
    from difusionseg_core.recordings.playback import Source

PACKAGE = "difusionseg_ros"

NAMESPACE = Argument("namespace", "", "namespace of the nodes and topics, such as robot1")
RGB_TOPIC = Argument("rgb_topic", "rgb/image", "base topic of RGB images, also in a bag", "")
THERMAL_TOPIC = Argument(
    "thermal_topic", "thermal/image", "base topic of thermal images, also in a bag", ""
)
SIM_TIME = Argument("use_sim_time", "", "true: take the time from /clock", "")

BRINGUP_ARGUMENTS = (
    RGB_TOPIC,
    THERMAL_TOPIC,
    Argument("rgb_transport", "", "raw or compressed; empty: as in params_file", ""),
    Argument("thermal_transport", "", "raw or compressed; empty: as in params_file", ""),
    Argument("model", "", "lite, or a .safetensors file; empty: as in params_file"),
    Argument("device", "", "auto, cpu, cuda or cuda:N; empty: as in params_file"),
    Argument("params_file", "", "YAML file of node parameters; empty: config/fusion_node.yaml"),
    NAMESPACE,
    SIM_TIME,
    Argument("respawn", "true", "true: start the fusion node again when it dies"),
    Argument("respawn_delay", "5.0", "delay before that restart [s]"),
    Argument("rviz", "false", "true: show the topics in rviz2"),
    Argument("viewer", "false", "true: show the topics in a browser"),
    Argument("viewer_port", "8080", "port of the viewer on 127.0.0.1; 0: any free port"),
    Argument("viewer_control", "false", "true: the viewer may change steps, opacity and slop"),
    Argument("bag", "", "recording or data-set folder to replay into the node; empty: none"),
    Argument("loop", "false", "true: replay the bag in a loop"),
)
REPLAY_ARGUMENTS = (
    Argument("bag", "", "recording or data-set folder to replay; required", "replay_"),
    Argument("rate", "10.0", "frames per second of a data-set folder", "replay_"),
    Argument("speed", "1.0", "pace of a recording; 2 is twice as fast", "replay_"),
    Argument("loop", "false", "true: replay the bag in a loop", "replay_"),
    Argument("clock", "false", "true: publish the time of recording on /clock", "replay_"),
    RGB_TOPIC,
    THERMAL_TOPIC,
    replace(NAMESPACE, prefix="replay_"),
)
Describe = Callable[[Mapping[str, str], Surroundings], list[Process]]


def bringup_processes(
    values: Mapping[str, str], around: Surroundings = NOTHING_AROUND
) -> list[Process]:
    """Return what bringup starts, for the values of BRINGUP_ARGUMENTS. Raises BadArgument."""
    share = Path(get_package_share_directory(PACKAGE))
    params_file = Path(path(values["params_file"]) or share / "config" / "fusion_node.yaml")
    if not params_file.is_file():
        raise BadArgument(f"params_file '{params_file}' does not exist")
    if values["bag"]:
        values = {**values, **_base_topics(values), "bag": path(values["bag"])}
        values = {**values, **_recorded_transports(values)}
    delay = number(values, "respawn_delay", 0.0)
    processes = [
        Process(
            PACKAGE,
            "fusion_node",
            namespace=values["namespace"],
            parameters=_node_parameters(values, around),
            params_file=str(params_file),
            remaps=_camera_remaps(values),
            essential=True,
            respawn_delay=delay if is_true(values, "respawn") else None,
        )
    ]
    if values["bag"]:
        processes.append(_replay(values, around, {"loop": is_true(values, "loop")}))
    elif is_true(values, "loop"):
        raise BadArgument("loop:=true needs a recording to replay: bag:=RECORDING_OR_FOLDER")
    if is_true(values, "rviz"):
        config = share / "config" / "rviz" / "difusionseg.rviz"
        processes.append(
            Process("rviz2", "rviz2", ("-d", str(config)), namespace=values["namespace"])
        )
    if is_true(values, "viewer"):
        processes.append(
            Process(
                PACKAGE,
                "viewer",
                namespace=values["namespace"],
                parameters={
                    "port": port(values, "viewer_port"),
                    "control": is_true(values, "viewer_control"),
                },
                remaps=_camera_remaps(values),
            )
        )
    return processes


def replay_processes(
    values: Mapping[str, str], around: Surroundings = NOTHING_AROUND
) -> list[Process]:
    """Return what replay.launch.py starts, for values of REPLAY_ARGUMENTS. Raises BadArgument."""
    if not values["bag"]:
        raise BadArgument("name what to replay: bag:=RECORDING_OR_FOLDER")
    values = {**values, **_base_topics(values), "bag": path(values["bag"])}
    open_bag(values).close()
    pace = {name: number(values, name) for name in ("rate", "speed")}
    switches = {name: is_true(values, name) for name in ("loop", "clock")}
    return [_replay(values, around, {**pace, **switches})]


def main() -> int:
    """Run bringup without ROS's `launch`; returns the exit status."""
    return start_described("bringup", __doc__, BRINGUP_ARGUMENTS, bringup_processes)


def start_described(
    name: str, description: str, arguments: Sequence[Argument], describe: Describe
) -> int:
    """Run the processes that `describe` returns for the `name:=value` arguments, or print the help.

    Returns the exit status.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(description)
        for argument in arguments:
            print(f"  {argument.name}:={argument.default or '…'}\n      {argument.description}")
        return 0
    try:
        return run(describe(read_arguments(sys.argv[1:], arguments), NOTHING_AROUND))
    except (BadArgument, NotInstalled) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def open_bag(values: Mapping[str, str], mask: str | None = None) -> Source:
    """Open the recording or folder that `bag` names. Raises BadArgument."""
    # Imported here: launch files must load without the packages that read recordings.
    from difusionseg_core.recordings.playback import open_source

    topics = _recorded_topics(values)
    rgb, thermal = topics.get(RGB_TOPIC.name), topics.get(THERMAL_TOPIC.name)
    try:
        return open_source(values["bag"], rgb=rgb, thermal=thermal, mask=mask)
    except (ValueError, OSError) as error:
        raise BadArgument(f"bag: {error}") from error


def _node_parameters(
    values: Mapping[str, str], around: Surroundings
) -> dict[str, str | float | bool]:
    names = ("model", "device", "rgb_transport", "thermal_transport")
    parameters: dict[str, str | float | bool] = {name: values[name] for name in names}
    parameters["model"] = path(values["model"])
    parameters = {name: value for name, value in parameters.items() if value}
    if values["use_sim_time"]:
        parameters["use_sim_time"] = is_true(values, "use_sim_time")
    if values["bag"]:
        # A replay publishes reliably, so that no image is lost. Cameras usually publish best
        # effort, and then Fast DDS loses many images of a megabyte.
        for topic in _image_topics(values, around).values():
            parameters[f"qos_overrides.{topic}.subscription.reliability"] = "reliable"
    return parameters


def _camera_remaps(values: Mapping[str, str]) -> dict[str, str]:
    remaps = {}
    for argument in (RGB_TOPIC, THERMAL_TOPIC):
        topic = values[argument.name]
        if topic.endswith("/compressed"):
            base = topic.removesuffix("/compressed")
            raise BadArgument(
                f"{argument.name} takes the base topic: {argument.name}:={base} "
                f"{_transport(argument.name)}:=compressed"
            )
        if topic != argument.default:
            # The camera_info topic is in the namespace of the image topic.
            siblings = topic.rpartition("/")[0]
            camera = argument.default.rpartition("/")[0]
            remaps[argument.default] = topic
            remaps[f"{camera}/camera_info"] = (
                f"{siblings}/camera_info" if siblings else "camera_info"
            )
    return remaps


def _replay(
    values: Mapping[str, str], around: Surroundings, parameters: Mapping[str, float | bool]
) -> Process:
    remaps = _camera_remaps(values)
    # The node adds the transport to base topics; the replay needs full topic names.
    compressed = {
        f"{base}/{transport}": around.topic(base, values["namespace"], remaps) + f"/{transport}"
        for base in (RGB_TOPIC.default, THERMAL_TOPIC.default)
        for transport in TRANSPORTS
    }
    return Process(
        PACKAGE,
        "replay",
        namespace=values["namespace"],
        parameters={"input": values["bag"], **_recorded_topics(values), **parameters},
        remaps={**remaps, **compressed},
    )


def _recorded_transports(values: Mapping[str, str]) -> dict[str, str]:
    """Return `rgb_transport` and `thermal_transport` as the bag needs them."""
    source = open_bag(values)
    source.close()
    return {
        f"{topic.partition('/')[0]}_transport": transport_ending(topic).lstrip("/") or "raw"
        for topic in source.topics
        if base_of(topic) in (RGB_TOPIC.default, THERMAL_TOPIC.default)
    }


def _image_topics(values: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    """Return the full names of the node's two image topics, by argument."""
    remaps = _camera_remaps(values)
    return {
        argument.name: around.topic(argument.default, values["namespace"], remaps)
        + _ending(values[_transport(argument.name)])
        for argument in (RGB_TOPIC, THERMAL_TOPIC)
    }


def _recorded_topics(values: Mapping[str, str]) -> dict[str, str]:
    """Return the replay's parameters for the topics in the recording, if not default.

    The replay finds a topic by its base name, with or without compression.
    """
    return {
        argument.name: values[argument.name]
        for argument in (RGB_TOPIC, THERMAL_TOPIC)
        if values[argument.name] != argument.default
    }


def _base_topics(values: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments for the camera topics, without the suffix of compressed images."""
    return {item.name: base_of(values[item.name]) for item in (RGB_TOPIC, THERMAL_TOPIC)}


def _ending(transport: str) -> str:
    return "" if transport in ("", "raw") else f"/{transport}"


def _transport(topic_argument: str) -> str:
    return topic_argument.replace("_topic", "_transport")


if __name__ == "__main__":
    sys.exit(main())
