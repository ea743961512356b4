"""What bringup starts, written once: the launch files read it, and so does `scripts/run bringup`.

    scripts/run bringup rgb_topic:=/camera/image_raw thermal_topic:=/lepton/image_raw model:=lite

takes the arguments of `ros2 launch difusionseg_ros bringup.launch.py`, where there is no `launch`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from difusionseg_core.recordings.playback import Source, open_source
from difusionseg_ros.bringup.processes import NotInstalled, Process, run

PACKAGE = "difusionseg_ros"


class BadArgument(ValueError):
    """A bringup argument cannot be used; the message is one line that names it."""


@dataclass(frozen=True)
class Argument:
    """A launch argument, given as `name:=value`. An empty default means "not given"."""

    name: str
    default: str
    description: str


NAMESPACE = Argument("namespace", "", "put nodes and topics under this namespace")
RGB_TOPIC = Argument("rgb_topic", "rgb/image", "base topic of the RGB images, here and in a bag")
THERMAL_TOPIC = Argument("thermal_topic", "thermal/image", "that of the thermal images")

BRINGUP_ARGUMENTS = (
    RGB_TOPIC,
    THERMAL_TOPIC,
    Argument("rgb_transport", "", "raw or compressed; empty: as params_file says"),
    Argument("thermal_transport", "", "raw or compressed; empty: as params_file says"),
    Argument("model", "", "lite, or a .safetensors file; empty: as params_file says"),
    Argument("device", "", "auto, cpu, cuda or cuda:N; empty: as params_file says"),
    Argument("params_file", "", "YAML file of node parameters; empty: config/fusion_node.yaml"),
    NAMESPACE,
    Argument("rviz", "false", "true: show the topics in rviz2"),
    Argument("viewer", "false", "true: show them in a browser, on http://127.0.0.1:8080"),
    Argument("bag", "", "recording or data-set folder to replay into the node; empty: none"),
)
REPLAY_ARGUMENTS = (
    Argument("bag", "", "recording or data-set folder to replay; required"),
    Argument("rate", "10.0", "frames per second of a data-set folder"),
    Argument("speed", "1.0", "pace of a recording; 2 is twice as fast"),
    Argument("loop", "false", "true: begin again at the end"),
    RGB_TOPIC,
    THERMAL_TOPIC,
    NAMESPACE,
)


def read_arguments(tokens: Sequence[str], known: Sequence[Argument]) -> dict[str, str]:
    """Values by name from `name:=value` tokens, defaults where one is not given.

    Raises BadArgument for a token that is not of this form and for an unknown name.
    """
    values = {argument.name: argument.default for argument in known}
    for token in tokens:
        name, separator, value = token.partition(":=")
        if not separator:
            raise BadArgument(f"'{token}' is not of the form name:=value")
        if name not in values:
            raise BadArgument(f"unknown argument '{name}'; known: {', '.join(values)}")
        values[name] = value
    return values


def bringup_processes(values: Mapping[str, str]) -> list[Process]:
    """What bringup starts, for the values of BRINGUP_ARGUMENTS. Raises BadArgument."""
    share = Path(get_package_share_directory(PACKAGE))
    params_file = Path(values["params_file"] or share / "config" / "fusion_node.yaml")
    if not params_file.is_file():
        raise BadArgument(f"params_file '{params_file}' does not exist")

    qos_overrides = {}
    if values["bag"]:
        # The node must listen to what the recording holds, and may ask for every image: a camera
        # usually sends best effort, by which Fast DDS loses many images of a megabyte.
        values = {**values, **_recorded_transports(values)}
        qos_overrides = {
            f"qos_overrides.{topic}.subscription.reliability": "reliable"
            for topic in _image_topics(values)
        }
    given = ("model", "device", "rgb_transport", "thermal_transport")
    processes = [
        Process(
            PACKAGE,
            "fusion_node",
            namespace=values["namespace"],
            parameters={name: values[name] for name in given if values[name]} | qos_overrides,
            params_file=str(params_file),
            remaps=_camera_remaps(values),
            essential=True,
        )
    ]
    if values["bag"]:
        processes.append(_replay(values, {}))
    if _is_true("rviz", values["rviz"]):
        config = share / "config" / "rviz" / "difusionseg.rviz"
        processes.append(
            Process("rviz2", "rviz2", ("-d", str(config)), namespace=values["namespace"])
        )
    if _is_true("viewer", values["viewer"]):
        processes.append(
            Process(PACKAGE, "viewer", namespace=values["namespace"], remaps=_camera_remaps(values))
        )
    return processes


def replay_processes(values: Mapping[str, str]) -> list[Process]:
    """What replay.launch.py starts, for the values of REPLAY_ARGUMENTS. Raises BadArgument."""
    if not values["bag"]:
        raise BadArgument("say what to replay, with bag:=RECORDING_OR_FOLDER")
    open_bag(values).close()
    pace = {name: number(name, values[name]) for name in ("rate", "speed")}
    return [_replay(values, {**pace, "loop": _is_true("loop", values["loop"])})]


def main() -> int:
    """The launch-less `bringup`; returns the exit status."""
    return start_described("bringup", __doc__, BRINGUP_ARGUMENTS, bringup_processes)


def start_described(
    name: str,
    description: str,
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[Process]],
) -> int:
    """Run what `processes` makes of the command line's `name:=value` arguments, or print the help.

    Returns the exit status.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(description)
        for argument in arguments:
            print(f"  {argument.name}:={argument.default or '…'}\n      {argument.description}")
        return 0
    try:
        return run(processes(read_arguments(sys.argv[1:], arguments)))
    except (BadArgument, NotInstalled) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def _camera_remaps(values: Mapping[str, str]) -> dict[str, str]:
    for name in ("rgb_topic", "thermal_topic"):
        if values[name].endswith("/compressed"):
            base = values[name].removesuffix("/compressed")
            raise BadArgument(
                f"{name} takes the base topic: {name}:={base} {_transport(name)}:=compressed"
            )
    remaps = {}
    if values["rgb_topic"] != RGB_TOPIC.default:
        # A camera's camera_info lies beside its image.
        siblings = values["rgb_topic"].rpartition("/")[0]
        remaps["rgb/image"] = values["rgb_topic"]
        remaps["rgb/camera_info"] = f"{siblings}/camera_info" if siblings else "camera_info"
    if values["thermal_topic"] != THERMAL_TOPIC.default:
        remaps["thermal/image"] = values["thermal_topic"]
    return remaps


def _replay(values: Mapping[str, str], parameters: Mapping[str, float | bool]) -> Process:
    remaps = _camera_remaps(values)
    # The node adds /compressed to its base topics, the replay names such topics in full.
    compressed = {
        f"{base}/compressed": f"{topic}/compressed"
        for base, topic in remaps.items()
        if base.endswith("/image")
    }
    return Process(
        PACKAGE,
        "replay",
        namespace=values["namespace"],
        parameters={"input": values["bag"], **_recorded_topics(values), **parameters},
        remaps={**remaps, **compressed},
    )


def open_bag(values: Mapping[str, str], mask: str | None = None) -> Source:
    """The recording or folder that `bag` names. Raises BadArgument."""
    topics = _recorded_topics(values)
    names = {camera: topics.get(f"{camera}_topic") for camera in ("rgb", "thermal")}
    try:
        return open_source(values["bag"], mask=mask, **names)
    except (ValueError, OSError) as error:
        raise BadArgument(f"bag: {error}") from error


def _recorded_transports(values: Mapping[str, str]) -> dict[str, str]:
    """The arguments `rgb_transport` and `thermal_transport` that fit the bag."""
    source = open_bag(values)
    source.close()
    return {
        f"{camera}_transport": "raw" if f"{camera}/image" in source.topics else "compressed"
        for camera in ("rgb", "thermal")
    }


def _image_topics(values: Mapping[str, str]) -> list[str]:
    """The full names of the two topics that the node takes images from."""
    base = f"/{values['namespace'].strip('/')}/".replace("//", "/")
    topics = []
    for name in ("rgb_topic", "thermal_topic"):
        ending = "/compressed" if values[_transport(name)] == "compressed" else ""
        absolute = values[name].startswith("/")
        topics.append(("" if absolute else base) + values[name] + ending)
    return topics


def _recorded_topics(values: Mapping[str, str]) -> dict[str, str]:
    """The replay's parameters that name the cameras' topics in the recording, where not default."""
    topics = {}
    for argument in (RGB_TOPIC, THERMAL_TOPIC):
        if values[argument.name] != argument.default:
            transport = values.get(_transport(argument.name))
            ending = "/compressed" if transport == "compressed" else ""
            topics[argument.name] = values[argument.name] + ending
    return topics


def _transport(topic_argument: str) -> str:
    return topic_argument.replace("_topic", "_transport")


def number(name: str, value: str) -> float:
    """The value of the argument `name`. Raises BadArgument."""
    try:
        return float(value)
    except ValueError:
        raise BadArgument(f"{name} is '{value}'; it must be a number") from None


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadArgument(f"{name} is '{value}'; it must be true or false")
    return value.lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
