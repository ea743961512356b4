"""Run ROS 2 programs as child processes that start and end together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

SHUTDOWN_TIMEOUT = 10.0  # seconds from the first signal to the kill


class NotInstalled(RuntimeError):
    """A program is not installed; the message is one line that names it."""


@dataclass(frozen=True)
class Process:
    """A ROS 2 program to start, described for `launch_ros.actions.Node` and for a shell."""

    package: str
    executable: str
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    parameters: dict[str, str | float | bool] = field(default_factory=dict)
    params_file: str = ""
    remaps: dict[str, str] = field(default_factory=dict)
    # The end of this process ends all others with an error, unless it is started again.
    essential: bool = False
    # Seconds after which a killed or crashed process is started again; None: never. A process that
    # ends with status 1 has reported why it cannot run, and is not started again.
    respawn_delay: float | None = None
    failure_ends_all: bool = False  # a status other than 0 of this process ends all others
    finishes: bool = False  # status 0 of this process ends all others without an error


def command_line(process: Process) -> list[str]:
    """Return the program's path and its arguments. Raises NotInstalled."""
    ros_arguments = []
    if process.namespace:
        ros_arguments += ["-r", f"__ns:=/{process.namespace.strip('/')}"]
    for source, target in process.remaps.items():
        ros_arguments += ["-r", f"{source}:={target}"]
    if process.params_file:
        ros_arguments += ["--params-file", process.params_file]
    for name, value in process.parameters.items():
        # ROS parses values as YAML, which includes JSON: the string "1" stays a string.
        ros_arguments += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    command = [_program(process), *process.arguments]
    return command + ["--ros-args", *ros_arguments] if ros_arguments else command


def start(processes: Sequence[Process], output: IO | None = None) -> list[subprocess.Popen]:
    """Start the processes; they print to `output` (None: to this process's output).

    Each gets a new session, so that Ctrl-C in the terminal reaches it only once, through `end`.
    Raises NotInstalled, with nothing started.
    """
    commands = [command_line(process) for process in processes]
    with held_signals() as held:  # until the caller has the list of the children
        children = [
            subprocess.Popen(command, start_new_session=True, stdout=output, stderr=output)
            for command in commands
        ]
    if held:
        end(children)
        signal.raise_signal(held[0])
    return children


@contextmanager
def held_signals() -> Iterator[list[int]]:
    """Keep SIGINT and SIGTERM from interrupting a block; yields a list that gets their numbers.

    The caller raises them after the block, when it can end what the block has started.
    """
    held: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: held.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield held
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def end(children: Sequence[subprocess.Popen]) -> None:
    """Interrupt the running processes that `start` returned, wait, and kill those that remain."""
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
    """Run the processes until one ends all others, none is left, or a signal arrives.

    SIGINT, SIGTERM and SIGHUP end all processes. Returns the exit status: 0 after a signal and
    after a process that `finishes`, else the status of the process that ended the others, or of
    the last one that failed. Raises NotInstalled, with nothing started.
    """
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))
    children: list[subprocess.Popen | None] = [*start(processes)]
    due: dict[int, float] = {}  # by index: when to start the process again
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
    """Return the exit status that a shell reports for a return code of Popen."""
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
