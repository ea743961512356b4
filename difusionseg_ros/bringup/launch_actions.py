"""Turns what bringup.py describes into actions of ROS's `launch`. Only launch files import this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launch import Action, LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from difusionseg_ros.bringup.description import Argument
from difusionseg_ros.bringup.processes import Process


def actions(
    arguments: Sequence[Argument],
    processes: Callable[[Mapping[str, str]], list[Process]],
) -> list[Action]:
    """Actions that declare `arguments` and start what `processes` makes of their values."""

    def start(context: LaunchContext) -> list[Action]:
        values = {item.name: LaunchConfiguration(item.name).perform(context) for item in arguments}
        return [_node(process) for process in processes(values)]

    declared = [
        DeclareLaunchArgument(item.name, default_value=item.default, description=item.description)
        for item in arguments
    ]
    return [*declared, OpaqueFunction(function=start)]


def _node(process: Process) -> Node:
    parameters = [process.params_file] if process.params_file else []
    if process.parameters:
        parameters.append(process.parameters)
    return Node(
        package=process.package,
        executable=process.executable,
        arguments=list(process.arguments),
        namespace=process.namespace,
        parameters=parameters,
        remappings=list(process.remaps.items()),
        output="screen",
        on_exit=_on_exit(process),
    )


def _on_exit(process: Process) -> Callable[[ProcessExited, LaunchContext], Any] | None:
    if process.finishes:
        return _finishing_ended
    return _essential_ended if process.essential else None


def _finishing_ended(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """End everything, and well where the process did."""
    if event.returncode:
        _essential_ended(event, context)
    return [Shutdown(reason=f"{event.process_name} is done")]


def _essential_ended(event: ProcessExited, context: LaunchContext) -> None:
    """End everything, with a status other than 0, which launch's own `Shutdown` would leave."""
    if not context.is_shutdown:
        raise RuntimeError(f"{event.process_name} ended with {event.returncode}")
