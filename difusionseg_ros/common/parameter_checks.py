"""Report unknown parameters, and accept integers for doubles at run time."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from difusionseg_ros.common.start_arguments import as_declared, foreign_files

_QOS = "qos_overrides."


def report_unknown(node: Node, names: Iterable[str], others: Collection[str] = ()) -> None:
    """Log a warning for each parameter that the node received but does not have.

    `names` are the node's parameters, `others` those of other nodes in the process. Call this
    after declaring the parameters. For QoS overrides see `report_unknown_qos`.
    """
    names = list(names)
    for name in _given(node):
        if not name.startswith(_QOS) and name not in others and not node.has_parameter(name):
            nearest = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else "; see --help for the names"
            node.get_logger().warning(f"unknown parameter '{name}' is ignored{hint}")


def report_unknown_qos(node: Node) -> None:
    """Log a warning for each QoS override that matches no topic of the node.

    Call this after creating publishers and subscriptions.
    """
    declared = list(node.get_parameters_by_prefix(_QOS.rstrip(".")))
    for name in _given(node):
        if name.startswith(_QOS) and not node.has_parameter(name):
            nearest = difflib.get_close_matches(name.removeprefix(_QOS), declared, 1)
            hint = f"; did you mean {_QOS}{nearest[0]}?" if nearest else ""
            node.get_logger().warning(f"QoS override '{name}' matches no topic, ignored{hint}")


def report_foreign_files(node: Node, args: list[str] | None = None) -> None:
    """Log a warning for each parameter file on the command line that names only other nodes."""
    name = node.get_fully_qualified_name()
    for file, entries in foreign_files(sys.argv if args is None else args, name):
        node.get_logger().warning(
            f"parameter file {file} does not apply: it is for {', '.join(entries)}, this node is "
            f"{name}; use /** or {name} as its first key"
        )


class LenientParameters(Node):
    """A node that accepts integers for doubles: `ros2 param set NODE slop 1` sets 1.0.

    Setting a read-only parameter to its current value is no error, so that `ros2 param load`
    accepts a complete parameter file.
    """

    defaults: Mapping[str, Any] = {}  # of the parameters, by name

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Set the parameters one by one, as rclpy's method does."""
        return [self.set_parameters_atomically([item]) for item in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all or none of the parameters, as rclpy's method does."""
        changed = [self._as_declared(item) for item in parameter_list]
        changed = [item for item in changed if not self._is_unchanged_read_only(item)]
        if parameter_list and not changed:
            return SetParametersResult(successful=True)
        return super().set_parameters_atomically(changed)

    def _as_declared(self, item: Parameter) -> Parameter:
        value = as_declared(item.value, self.defaults.get(item.name))
        return item if value is item.value else Parameter(item.name, value=value)

    def _is_unchanged_read_only(self, item: Parameter) -> bool:
        if not self.has_parameter(item.name):
            return False
        present = self.get_parameter(item.name)
        same = (present.type_, present.value) == (item.type_, item.value)
        return same and self.describe_parameter(item.name).read_only


def _given(node: Node) -> list[str]:
    # rclpy has no public way to read the values of undeclared parameters.
    return sorted(getattr(node, "_parameter_overrides", {}))
