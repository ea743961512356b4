"""What bringup starts, written once: the launch files read it, and so does `scripts/run bringup`.

    scripts/run bringup rgb_topic:=/camera/image_raw thermal_topic:=/lepton/image_raw model:=lite

takes the arguments of `ros2 launch difusionseg_ros bringup.launch.py`, where there is no `launch`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ament_index_python.packages import get_package_prefix, get_package_share_directory

PACKAGE = "difusionseg_ros"
SHUTDOWN_TIMEOUT = 10.0  # seconds from the first signal until what still runs is killed


class BadArgument(ValueError):
    """A bringup argument cannot be used; the message is one line that names it."""


@dataclass(frozen=True)
class Argument:
    """A launch argument, given as `name:=value`. An empty default means "not given"."""

    name: str
    default: str
    description: str


NAMESPACE = Argument("namespace", "", "put nodes and topics under this namespace")
RGB_TOPIC = Argument("rgb_topic", "rgb/image", "base topic of the RGB camera's images")
THERMAL_TOPIC = Argument("thermal_topic", "thermal/image", "base topic of the thermal images")

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
    Argument("bag", "", "recording or data-set folder to replay into the node; empty: none"),
)
REPLAY_ARGUMENTS = (
    Argument("bag", "", "recording or data-set folder to replay; required"),
    Argument("rate", "1.0", "speed, as a factor of the recorded one"),
    Argument("loop", "false", "true: start again at the end"),
    RGB_TOPIC,
    THERMAL_TOPIC,
    NAMESPACE,
)


@dataclass(frozen=True)
class Process:
    """A ROS 2 program to start, in terms that `launch_ros.actions.Node` and a shell both know."""

    package: str
    executable: str
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    params_file: str = ""
    remaps: dict[str, str] = field(default_factory=dict)
    essential: bool = False  # all ends when this one does


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
    given = ("model", "device", "rgb_transport", "thermal_transport")
    processes = [
        Process(
            PACKAGE,
            "fusion_node",
            namespace=values["namespace"],
            parameters={name: values[name] for name in given if values[name]},
            params_file=str(params_file),
            remaps=_camera_remaps(values),
            essential=True,
        )
    ]
    if values["bag"]:
        processes.append(_replay(values, ()))
    if _is_true("rviz", values["rviz"]):
        config = share / "config" / "rviz" / "difusionseg.rviz"
        processes.append(
            Process("rviz2", "rviz2", ("-d", str(config)), namespace=values["namespace"])
        )
    return processes


def replay_processes(values: Mapping[str, str]) -> list[Process]:
    """What the replay launch file starts, for the values of REPLAY_ARGUMENTS. Raises BadArgument."""
    if not values["bag"]:
        raise BadArgument("say what to replay, with bag:=RECORDING_OR_FOLDER")
    loop = ("--loop",) if _is_true("loop", values["loop"]) else ()
    return [_replay(values, ("--rate", values["rate"], *loop))]


def command_line(process: Process) -> list[str]:
    """The program's path and arguments. Raises BadArgument where it is not installed."""
    ros_arguments = []
    if process.namespace:
        ros_arguments += ["-r", f"__ns:=/{process.namespace.strip('/')}"]
    for source, target in process.remaps.items():
        ros_arguments += ["-r", f"{source}:={target}"]
    if process.params_file:
        ros_arguments += ["--params-file", process.params_file]
    for name, value in process.parameters.items():
        # Values are parsed as YAML; quoted, "1" stays a string.
        ros_arguments += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    command = [_program(process), *process.arguments]
    return command + ["--ros-args", *ros_arguments] if ros_arguments else command


def run(processes: Sequence[Process]) -> int:
    """Run the processes until an essential or failing one ends, or a signal asks to; then end all.

    SIGINT, SIGTERM and SIGHUP end the processes too. Returns the exit status: 0 after a signal, else that of
    the process that ended it, 1 where it ended with 0 without being asked to. Raises BadArgument where
    a program is not installed; then nothing is started.
    """
    commands = [command_line(process) for process in processes]
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))

    # In sessions of their own, so that a Ctrl-C in the terminal reaches them once, from here.
    running = [subprocess.Popen(command, start_new_session=True) for command in commands]
    status = 0
    try:
        while not received and not status:
            time.sleep(0.1)
            for process, child in zip(processes, running, strict=True):
                if child.poll() is not None and (child.returncode or process.essential):
                    print(
                        f"bringup: {process.executable} ended with {child.returncode}",
                        file=sys.stderr,
                    )
                    status = _exit_status(child.returncode)
                    break
    finally:
        end(running)
    return status


def main() -> int:
    """The launch-less `bringup`; returns the exit status."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        for argument in BRINGUP_ARGUMENTS:
            print(f"  {argument.name}:={argument.default or '…'}\n      {argument.description}")
        return 0
    try:
        return run(bringup_processes(read_arguments(sys.argv[1:], BRINGUP_ARGUMENTS)))
    except BadArgument as error:
        print(f"bringup: {error}", file=sys.stderr)
        return 2


def _camera_remaps(values: Mapping[str, str]) -> dict[str, str]:
    for name in ("rgb_topic", "thermal_topic"):
        if values[name].endswith("/compressed"):
            base, transport = values[name].removesuffix("/compressed"), name[:-5] + "transport"
            raise BadArgument(
                f"{name} takes the base topic: {name}:={base} {transport}:=compressed"
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


def _replay(values: Mapping[str, str], options: tuple[str, ...]) -> Process:
    recording = Path(values["bag"]).expanduser()
    if not recording.exists():
        raise BadArgument(f"bag '{recording}' does not exist")
    return Process(
        PACKAGE,
        "replay",
        (str(recording), *options),
        namespace=values["namespace"],
        remaps=_camera_remaps(values),
    )


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadArgument(f"{name} is '{value}'; it must be true or false")
    return value.lower() == "true"


def _program(process: Process) -> str:
    if process.package == PACKAGE:
        return str(Path(get_package_prefix(PACKAGE), "lib", PACKAGE, process.executable))
    program = shutil.which(process.executable)
    if program is None:
        raise BadArgument(f"{process.executable} is not installed on this machine")
    return program


def _exit_status(returncode: int) -> int:
    if returncode < 0:  # ended by a signal: as a shell reports it
        return 128 - returncode
    return returncode or 1


def end(children: Sequence[subprocess.Popen]) -> None:
    """Interrupt all that still run, wait, and kill what does not end. Each leads its session."""
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


if __name__ == "__main__":
    sys.exit(main())
