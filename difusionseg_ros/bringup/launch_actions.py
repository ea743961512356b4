"""Convert the description of bringup to actions of ROS's `launch`. Only launch files import this.

Other launch files can include ours. Then our declarations stay in our file, we read no launch
argument of the parent by accident, and the parent continues if our nodes end: our launch file ends
the launch only if it was started directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import launch.logging
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import Action, LaunchContext
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
from launch_ros.actions import Node

from difusionseg_ros.bringup.arguments import Argument, read_arguments
from difusionseg_ros.bringup.description import Describe
from difusionseg_ros.bringup.processes import NotInstalled, Process
from difusionseg_ros.bringup.surroundings import Surroundings

_LOG = launch.logging.get_logger("difusionseg_ros")


def actions(arguments: Sequence[Argument], describe: Describe) -> list[Action]:
    """Return actions that declare `arguments` and start the processes that `describe` returns."""
    declared = [
        DeclareLaunchArgument(
            item.included_name,
            default_value=item.default,
            description=item.description
            + (f" (on the command line also {item.name}:=)" if item.prefix else ""),
        )
        for item in arguments
    ]
    start = OpaqueFunction(function=partial(_start, arguments=arguments, describe=describe))
    return [GroupAction([*declared, start])]


def _start(
    context: LaunchContext, arguments: Sequence[Argument], describe: Describe
) -> list[Action]:
    given = context.launch_configurations
    command_line = _own_command_line(context)
    alone = command_line is not None
    try:
        if command_line is not None:
            values = read_arguments(command_line, arguments)
        else:
            values = {item.name: given[item.included_name] for item in arguments}
            _report_unused(given, arguments)
        around = Surroundings(given.get("ros_namespace", ""), given.get("ros_remaps", ()))
        return _Nodes(describe(values, around), alone).actions
    except Exception as error:
        if alone:
            raise  # launch logs this in one line and ends with status 1
        _LOG.error(f"nothing is started: {error}. The rest of the launch continues")
        return []


def _own_command_line(context: LaunchContext) -> list[str] | None:
    """Return the arguments from `ros2 launch`; None if another launch file includes ours."""
    members = context.get_locals_as_dict()
    root = getattr(members.get("event"), "launch_description", None)
    entities = [
        entity
        for entity in getattr(root, "entities", ())
        if not isinstance(entity, SetLaunchConfiguration)
    ]
    if len(entities) != 1 or not isinstance(entities[0], IncludeLaunchDescription):
        return None
    asked_for = Path(entities[0].launch_description_source.location)
    if asked_for.resolve() != Path(members.get("current_launch_file_path", "")).resolve():
        return None
    return [
        ":=".join(
            perform_substitutions(context, normalize_to_list_of_substitutions(part))
            for part in argument
        )
        for argument in entities[0].launch_arguments
    ]


def _report_unused(given: dict[str, str], arguments: Sequence[Argument]) -> None:
    """Log which launch arguments of the parent have the names of ours but are not used."""
    unused = [
        item
        for item in arguments
        if item.prefix and item.name in given and given[item.included_name] == item.default
    ]
    if unused:
        _LOG.info(
            f"not using {', '.join(item.name for item in unused)} of the including launch file; "
            f"ours are named {', '.join(item.included_name for item in unused)}"
        )


class _Nodes:
    """The nodes of one launch file as `actions`, and the reaction to the end of each.

    `alone`: the launch has no other nodes, and ends with these. Raises NotInstalled.
    """

    def __init__(self, processes: Sequence[Process], alone: bool) -> None:
        self._alone = alone
        self._has_an_end = any(process.finishes for process in processes)
        self._ending = False
        for process in processes:
            _check_installed(process)
        self.actions: list[Action] = [self._node(process) for process in processes]

    def _node(self, process: Process) -> Node:
        parameters: list[object] = [process.params_file] if process.params_file else []
        if process.parameters:
            parameters.append(process.parameters)
        return Node(
            package=process.package,
            executable=process.executable,
            arguments=list(process.arguments),
            namespace=process.namespace or None,
            parameters=parameters,
            remappings=list(process.remaps.items()),
            output="screen",
            respawn=process.respawn_delay is not None,
            respawn_delay=process.respawn_delay,
            on_exit=partial(self._ended, process),
        )

    def _ended(
        self, process: Process, event: ProcessExited, context: LaunchContext
    ) -> list[Action]:
        """React to the end of a process; a RuntimeError ends the launch with status 1."""
        if context.is_shutdown or self._ending:
            return []
        status = event.returncode
        text = f"{event.process_name} ended with status {status}"
        if process.finishes and status == 0:
            _LOG.info(text)
            return self._end(text)
        if process.respawn_delay is not None and not (self._alone and status == 1):
            _LOG.error(f"{text}; starting it again in {process.respawn_delay:g} s")
            return []
        if not process.essential and not (process.failure_ends_all and status):
            return []
        if self._alone:
            raise RuntimeError(text)  # `Shutdown` would end with status 0
        _LOG.error(f"{text}; the rest of the launch continues without it")
        return self._end(text) if self._has_an_end else []

    def _end(self, reason: str) -> list[Action]:
        """End our nodes, and the launch if it has no others."""
        self._ending = True
        if self._alone:
            return [Shutdown(reason=reason)]
        return [
            EmitEvent(event=ShutdownProcess(process_matcher=matches_action(node)))
            for node in self.actions
        ]


def _check_installed(process: Process) -> None:
    try:
        get_package_prefix(process.package)
    except PackageNotFoundError:
        raise NotInstalled(f"package {process.package} is not installed") from None
