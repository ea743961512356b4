"""Parameters of the fusion node that the page shows and, if allowed, changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from difusionseg_ros.fusion.parameters import limits_by_name

Answer = Callable[[str], None]
"""Called in the ROS thread with the reason for refusing a change; empty if it was accepted."""


@dataclass(frozen=True)
class Slider:
    """A parameter and the range of its slider, a part of the parameter's range."""

    name: str
    label: str
    minimum: float
    maximum: float
    step: float
    whole: bool = False


SLIDERS = (
    Slider("steps", "Diffusion steps", 1, 20, 1, whole=True),
    Slider("overlay_opacity", "Class colour opacity", 0.0, 1.0, 0.05),
    Slider("slop", "Largest time within a pair [s]", 0.0, 0.5, 0.005),
)
_SLIDERS_BY_NAME = {slider.name: slider for slider in SLIDERS}


class NodeSettings:
    """Reads and sets the parameters of a node that have a slider.

    `request_values` and `set` may be called from any thread; `values` are the last known ones.
    """

    def __init__(self, node: Node, target: str) -> None:
        self._get: Client = node.create_client(GetParameters, f"{target}/get_parameters")
        self._set: Client = node.create_client(SetParameters, f"{target}/set_parameters")
        self._target = target
        self._pending: Future | None = None
        self.values: dict[str, float] = {}

    def request_values(self) -> None:
        """Request the current values; do nothing while the node is not running."""
        if not self._get.service_is_ready():
            self.values = {}
            self._pending = None
            return
        if self._pending is not None and not self._pending.done():
            return
        names = [slider.name for slider in SLIDERS]
        self._pending = self._get.call_async(GetParameters.Request(names=names))
        self._pending.add_done_callback(self._take_values)

    def describe(self) -> list[dict[str, object]]:
        """Return the sliders for the page, with their current values (None: unknown)."""
        limits = limits_by_name()
        return [
            {
                "name": slider.name,
                "label": slider.label,
                "description": limits[slider.name].description,
                "minimum": slider.minimum,
                "maximum": slider.maximum,
                "step": slider.step,
                "value": self.values.get(slider.name),
            }
            for slider in SLIDERS
        ]

    def set(self, name: object, value: object, answer: Answer) -> None:
        """Set a parameter to a number; the node checks its range."""
        refused = self._refusal(name, value)
        if refused:
            answer(refused)
            return
        assert isinstance(name, str) and isinstance(value, int | float)  # else refused
        slider = _SLIDERS_BY_NAME[name]
        parameter = ParameterMessage(name=slider.name, value=_parameter_value(slider, value))
        request = SetParameters.Request(parameters=[parameter])
        self._set.call_async(request).add_done_callback(lambda done: answer(_answered(done)))

    def _refusal(self, name: object, value: object) -> str:
        """Return why the value cannot be sent to the node; empty if it can."""
        if name not in _SLIDERS_BY_NAME:
            return f"parameter '{name}' cannot be changed here"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"parameter '{name}' must be a number, not {value!r}"
        if not math.isfinite(value):
            return f"parameter '{name}' must be a finite number"
        if not self._set.service_is_ready():
            return f"{self._target} is not running"
        return ""

    def _take_values(self, done: Future) -> None:
        response = done.result() if done.exception() is None else None
        if response is None:
            return
        numbers = (
            value.integer_value
            if value.type == ParameterType.PARAMETER_INTEGER
            else value.double_value
            if value.type == ParameterType.PARAMETER_DOUBLE
            else None
            for value in response.values
        )
        pairs = zip((slider.name for slider in SLIDERS), numbers, strict=False)
        self.values = {name: number for name, number in pairs if number is not None}


def _parameter_value(slider: Slider, value: float) -> ParameterValue:
    if slider.whole:
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=round(value))
    return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float(value))


def _answered(done: Future) -> str:
    response = done.result() if done.exception() is None else None
    if response is None:
        return str(done.exception())
    (result,) = response.results
    return "" if result.successful else result.reason or "the node refused the value"
