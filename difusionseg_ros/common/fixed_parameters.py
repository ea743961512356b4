"""Parameters that a node reads once, at its start: declaration, checks, and --help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from difusionseg_ros.common.parameter_checks import report_foreign_files, report_unknown
from difusionseg_ros.common.program import ParameterHelp, type_name


@dataclass(frozen=True)
class Parameter:
    """A parameter of a node; `minimum` and `maximum` for numbers."""

    name: str
    default: Any
    description: str
    minimum: float = 0.0
    maximum: float = 0.0


def declare(node: Node, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Declare parameters, read-only, and return their values by name; report unknown ones.

    Raises ValueError, in one line, for a value of the wrong type or out of range.
    """
    values = {}
    for item in parameters:
        try:
            value = node.declare_parameter(item.name, item.default, _descriptor(item)).value
        except InvalidParameterTypeException as error:
            raise ValueError(
                f"parameter '{item.name}' has the wrong type; it must be a "
                f"{type_name(item.default)}, such as {item.default!r}"
            ) from error
        except InvalidParameterValueException as error:
            raise ValueError(
                f"parameter '{item.name}' is out of range; allowed: {item.minimum:g} to "
                f"{item.maximum:g}"
            ) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"parameter '{item.name}' is {value}, not a number")
        values[item.name] = value
    report_unknown(node, values)
    report_foreign_files(node)
    return values


def described(parameters: Sequence[Parameter]) -> list[ParameterHelp]:
    """Return the parameters for a program's `--help`."""
    return [
        ParameterHelp(
            item.name,
            item.default,
            item.description,
            f"{item.minimum:g} to {item.maximum:g}" if item.maximum > item.minimum else "",
        )
        for item in parameters
    ]


def _descriptor(item: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=item.description, read_only=True)
    if isinstance(item.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=item.minimum, to_value=item.maximum, step=0.0)
        ]
    elif type(item.default) is int:
        descriptor.integer_range = [
            IntegerRange(from_value=int(item.minimum), to_value=int(item.maximum), step=1)
        ]
    return descriptor
