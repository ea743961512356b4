"""Start and end of every executable: help, arguments, signals, ROS."""

from __future__ import annotations

import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from difusionseg_ros.common.middleware import use_image_transport
from difusionseg_ros.common.start_arguments import own_arguments, with_doubles

_TYPE_NAMES = {str: "string", int: "integer", float: "double", bool: "bool"}
_WIDTH = 100
_CHECK_PERIOD = 0.1  # seconds


@dataclass(frozen=True)
class ParameterHelp:
    """A parameter for `--help`; `allowed` is the range as text, empty without a limit."""

    name: str
    default: Any
    description: str
    allowed: str = ""


@dataclass(frozen=True)
class Program:
    """An executable: its name, its description (first line: a summary), and its parameters."""

    name: str
    description: str
    parameters: Sequence[ParameterHelp]


def type_name(default: Any) -> str:
    """Return the name of a parameter's type by its default, such as "double array"."""
    if isinstance(default, list | tuple):
        return f"{_TYPE_NAMES[type(default[0])] if default else 'string'} array"
    return _TYPE_NAMES[type(default)]


Work = Callable[[threading.Event, list[str]], int]


def run(program: Program, args: list[str] | None, work: Work) -> int:
    """Run `work(stop, arguments)` between the start and the end of ROS; returns the exit status.

    `args` is the command line with the program's name first; None: that of this process. `work`
    gets the arguments for ROS. SIGINT and SIGTERM set `stop`; `work` must then return soon. A
    ValueError or OSError from `work` is logged in one line, with status 1. Unknown arguments give
    status 2.
    """
    args = sys.argv if args is None else args
    unknown = own_arguments(args[1:])
    if {"-h", "--help"} & set(unknown):
        print(help_text(program))
        return 0
    if "--version" in unknown:
        print(f"{program.name} {version()}")
        return 0
    if unknown:
        print(
            f"{program.name}: unknown argument '{unknown[0]}'; parameters follow --ros-args as "
            "-p NAME:=VALUE (see --help)",
            file=sys.stderr,
        )
        return 2

    # Not rclpy's handlers, which shut ROS down while a frame is being processed.
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    use_image_transport()
    defaults = {item.name: item.default for item in program.parameters}
    with ExitStack() as copies:
        given = with_doubles(args, defaults, copies)
        try:
            rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # unreadable arguments or parameter file
            print(f"{program.name}: {_one_line(error)}", file=sys.stderr)
            return 1
        try:
            return work(stop, given)
        except (ValueError, OSError) as error:
            rclpy.logging.get_logger(program.name).error(_one_line(error))
            return 1
        finally:
            rclpy.try_shutdown()


def spin_until(is_over: Callable[[], bool], *nodes: Node) -> None:
    """Run the callbacks of nodes in this thread until `is_over()`, which is asked every 0.1 s."""
    executor = SingleThreadedExecutor()
    try:
        for node in nodes:
            executor.add_node(node)
        while not is_over():
            executor.spin_once(timeout_sec=_CHECK_PERIOD)
    finally:
        executor.shutdown()  # before ROS ends; Python may delete it later, with a traceback


def help_text(program: Program) -> str:
    """Return the text of `--help`."""
    lines = [
        f"usage: {program.name} [--help] [--version] [--ros-args [-p NAME:=VALUE] "
        "[--params-file FILE] [-r FROM:=TO]]",
        "",
        program.description.strip(),
        "",
        "parameters:",
    ]
    for item in program.parameters:
        kind = type_name(item.default)
        allowed = f"; {item.allowed}" if item.allowed else ""
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        lines.append(f"  {item.name} ({kind}, default {default!r}{allowed})")
        lines += textwrap.wrap(
            item.description, _WIDTH, initial_indent=8 * " ", subsequent_indent=8 * " "
        )
    return "\n".join(lines)


def version() -> str:
    """Return the version in this package's package.xml."""
    share = get_package_share_directory("difusionseg_ros")
    return ElementTree.parse(Path(share, "package.xml")).findtext("version", "unknown")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
