"""Runs ROS 2 programs as child processes: start them together, end them together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

SHUTDOWN_TIMEOUT = 10.0  # seconds from the first signal until what still runs is killed


class NotInstalled(RuntimeError):
    """A program is not installed; the message is one line that names it."""


@dataclass(frozen=True)
class Process:
    """A ROS 2 program to start, in terms that `launch_ros.actions.Node` and a shell both know."""

    package: str
    executable: str
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    parameters: dict[str, str | float | bool] = field(default_factory=dict)
    params_file: str = ""
    remaps: dict[str, str] = field(default_factory=dict)
    # Everything ends with an error when this one ends, unless it is started again.
    essential: bool = False
    # Seconds after which a process that was killed or crashed is started again; None: never. One
    # that ended with status 1 has said itself that it cannot run.
    respawn_delay: float | None = None
    failure_ends_all: bool = False  # everything ends when this one ends with another status than 0
    finishes: bool = False  # everything ends, without an error, when this one ends with status 0


def command_line(process: Process) -> list[str]:
    """The program's path and its arguments. Raises NotInstalled."""
    ros_arguments = []
    if process.namespace:
        ros_arguments += ["-r", f"__ns:=/{process.namespace.strip('/')}"]
    for source, target in process.remaps.items():
        ros_arguments += ["-r", f"{source}:={target}"]
    if process.params_file:
        ros_arguments += ["--params-file", process.params_file]
    for name, value in process.parameters.items():
        # Values are parsed as YAML, of which JSON is a part: the string "1" stays a string.
        ros_arguments += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    command = [_program(process), *process.arguments]
    return command + ["--ros-args", *ros_arguments] if ros_arguments else command


def start(processes: Sequence[Process], output: IO | None = None) -> list[subprocess.Popen]:
    """Start the processes; what they print goes to `output`, or where ours goes.

    They lead sessions of their own, so that a Ctrl-C in the terminal reaches them once: from `end`.
    Raises NotInstalled, with nothing started.
    """
    commands = [command_line(process) for process in processes]
    # A signal must not raise between a child's start and the caller's knowing of it.
    held: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        children = [
            subprocess.Popen(command, start_new_session=True, stdout=output, stderr=output)
            for command in commands
        ]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if held:
        end(children)
        signal.raise_signal(held[0])
    return children


def end(children: Sequence[subprocess.Popen]) -> None:
    """Interrupt what `start` returned and still runs, wait, and kill what does not end."""
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


def run(processes: Sequence[Process]) -> int:
    """Run the processes until one ends them all, none is left, or a signal asks to; end the rest.

    SIGINT, SIGTERM and SIGHUP end the processes too. Returns the exit status: 0 after a signal and
    after a process that `finishes`, else that of the process that ended them all, or of the last
    one that failed. Raises NotInstalled, with nothing started.
    """
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))
    children: list[subprocess.Popen | None] = [*start(processes)]
    due: dict[int, float] = {}  # when a process is started again, by its place
    last_failure = 0
    try:
        while not received and (due or any(children)):
            time.sleep(0.1)
            for place, (process, child) in enumerate(zip(processes, children, strict=True)):
                if child is None or (status := child.poll()) is None:
                    continue
                children[place] = None
                if status:
                    print(f"{process.executable} ended with {status}", file=sys.stderr)
                    last_failure = _as_a_shell(status)
                if process.finishes and status == 0:
                    return 0
                if status != 1 and process.respawn_delay is not None:
                    print(
                        f"starting {process.executable} again in {process.respawn_delay:g} s",
                        file=sys.stderr,
                    )
                    due[place] = time.monotonic() + process.respawn_delay
                elif process.essential or (process.failure_ends_all and status):
                    return last_failure or 1
            for place in [place for place, moment in due.items() if moment <= time.monotonic()]:
                del due[place]
                (children[place],) = start([processes[place]])
    finally:
        end([child for child in children if child is not None])
    return 0 if received else last_failure


def _as_a_shell(status: int) -> int:
    """The exit status of a shell for a child with that return code of Popen."""
    return 128 - status if status < 0 else status


def _program(process: Process) -> str:
    try:
        prefix = get_package_prefix(process.package)
    except PackageNotFoundError:
        raise NotInstalled(f"package {process.package} is not installed") from None
    program = Path(prefix, "lib", process.package, process.executable)
    if shutil.which(program) is None:
        raise NotInstalled(f"{program} is not installed")
    return str(program)
