"""The fusion node's parameters: one dataclass with name, type, default, range and description.

The node declares and checks them here; a test compares the table in docs/node.md with them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter

from difusionseg_core.backends import BACKENDS
from difusionseg_core.backends.precision import PRECISIONS
from difusionseg_core.cameras.stamp_quality import STAMPS
from difusionseg_core.classes import PALETTES
from difusionseg_core.imaging.alignment import IDENTITY, Calibration
from difusionseg_core.imaging.calibration_files import parse_calibration
from difusionseg_core.imaging.thermal.conversion import PALETTE_CHOICES, ThermalOptions
from difusionseg_core.imaging.thermal.temperature import UNITS
from difusionseg_core.network.denoising.schedule import MAX_STEPS
from difusionseg_ros.common.program import ParameterHelp, type_name


class BadParameter(ValueError):
    """A parameter is invalid; the message is one line with its name and the allowed values."""


@dataclass(frozen=True)
class Limits:
    """The allowed values: from `minimum` to `maximum`, `length` numbers, or one of `choices`."""

    description: str
    minimum: float | None = None
    maximum: float | None = None
    length: int = 1
    choices: tuple[str, ...] = ()
    run_time: bool = False

    def text(self) -> str:
        """Return the allowed values as text, such as "1 to 20"; empty without a limit."""
        if self.choices:
            return ", ".join(self.choices)
        if self.length > 1:
            return f"{self.length} numbers"
        return "" if self.minimum is None else f"{self.minimum:g} to {self.maximum:g}"

    def allows(self, value: Any) -> bool:
        """Return whether a value of the right type is within the limits."""
        if self.choices:
            return value in self.choices
        if self.length > 1:
            return len(value) == self.length and all(map(math.isfinite, value))
        if self.minimum is None:
            return True
        return math.isfinite(value) and self.minimum <= value <= self.maximum


def _parameter(default: Any, description: str, **limits: Any) -> Any:
    return field(default=default, metadata={"limits": Limits(description, **limits)})


@dataclass(frozen=True)
class Settings:
    """The values of all parameters at one time. Raises BadParameter for impossible values."""

    model: str = _parameter(
        "lite",
        "the shipped network, lite, or the path of a .safetensors file of weights or of an "
        "exported model",
    )
    device: str = _parameter(
        "auto", "device that runs the network: auto, cpu, cuda, cuda:N, gpu (Intel's) or tensorrt"
    )
    backend: str = _parameter(
        "auto",
        "inference backend; auto selects the fastest one that is installed",
        choices=BACKENDS,
    )
    precision: str = _parameter(
        "auto",
        "number format of the network; auto takes the fastest that the device computes natively: "
        "bf16 on a CPU that has it, float16 on a GPU, else float32",
        choices=PRECISIONS,
    )
    on_out_of_memory: str = _parameter(
        "cpu",
        "when the GPU runs out of memory: cpu (fall back, slower) or stop (the node ends with "
        "status 1)",
        choices=("cpu", "stop"),
        run_time=True,
    )
    steps: int = _parameter(
        1,
        "diffusion steps per frame; more are slower and may be more accurate; the published "
        "network uses 3",
        minimum=1,
        maximum=MAX_STEPS,
        run_time=True,
    )

    slop: float = _parameter(
        0.05,
        "maximum time between the images of a pair [s]; 0 pairs equal stamps only",
        minimum=0.0,
        maximum=10.0,
        run_time=True,
    )
    queue_size: int = _parameter(
        10, "maximum number of unpaired images kept per camera", minimum=1, maximum=1000
    )
    thermal_time_offset: float = _parameter(
        0.0,
        "added to thermal stamps before pairing [s]; negative if the thermal camera stamps late",
        minimum=-1e10,
        maximum=1e10,
        run_time=True,
    )
    rgb_stamps: str = _parameter(
        "header",
        "time of RGB images: header (their stamp), arrival (when they reach the node), auto "
        "(arrival if they have no stamp)",
        choices=STAMPS,
        run_time=True,
    )
    thermal_stamps: str = _parameter(
        "header", "the same for thermal images", choices=STAMPS, run_time=True
    )
    camera_timeout: float = _parameter(
        2.0,
        "time without a usable image after which a camera counts as missing [s]",
        minimum=0.1,
        maximum=3600.0,
        run_time=True,
    )
    on_missing_camera: str = _parameter(
        "wait",
        "while one camera is missing: wait (no output) or degrade (output from the other alone)",
        choices=("wait", "degrade"),
        run_time=True,
    )

    rgb_transport: str = _parameter("raw", "transport of RGB images", choices=("raw", "compressed"))
    thermal_transport: str = _parameter(
        "raw",
        "transport of thermal images",
        choices=("raw", "compressed", "compressedDepth"),
    )
    rgb_bits: int = _parameter(
        16,
        "significant bits of RGB images with 16 bits a channel: 12 for a camera whose white is "
        "4095",
        minimum=8,
        maximum=16,
        run_time=True,
    )
    max_image_bytes: int = _parameter(
        25_000_000,
        "maximum size of an image, as message or decoded [bytes]; larger images are refused",
        minimum=1,
        maximum=2_000_000_000,
        run_time=True,
    )

    thermal_to_rgb: tuple[float, ...] = _parameter(
        IDENTITY,
        "homography from thermal to RGB pixels, row by row; `difusionseg register` finds it",
        length=9,
        run_time=True,
    )
    undistort: bool = _parameter(
        False,
        "remove the lens distortion of both images by their camera_info; outputs show the RGB "
        "camera without distortion",
        run_time=True,
    )
    rgb_calibration: str = _parameter(
        "",
        "the RGB camera's calibration for undistort, as the text of a YAML file of "
        "camera_calibration; empty: that of rgb/camera_info",
        run_time=True,
    )
    thermal_calibration: str = _parameter("", "the same for the thermal camera", run_time=True)

    thermal_mode: str = _parameter(
        "auto",
        "conversion of thermal counts to grey: auto (8-bit unchanged, others by percentile), "
        "fixed (thermal_low to thermal_high), percentile (smoothed over time), minmax (per frame)",
        choices=("auto", "fixed", "percentile", "minmax"),
        run_time=True,
    )
    thermal_low: float = _parameter(
        0.0,
        "counts shown as black in thermal_mode fixed",
        minimum=-1e6,
        maximum=1e6,
        run_time=True,
    )
    thermal_high: float = _parameter(
        255.0,
        "counts shown as white in thermal_mode fixed; must be above thermal_low",
        minimum=-1e6,
        maximum=1e6,
        run_time=True,
    )
    thermal_palette: str = _parameter(
        "auto",
        "palette of thermal images in pseudo-colours: auto (found from the colours), grey (luma), "
        "or a name",
        choices=PALETTE_CHOICES,
        run_time=True,
    )
    thermal_invert: bool = _parameter(
        False,
        "exchange black and white, for a thermal camera that shows hot as black",
        run_time=True,
    )
    thermal_crop: tuple[int, ...] = _parameter(
        (0, 0, 0, 0),
        "rows and columns cut off thermal images, such as telemetry rows: top, bottom, left, right "
        "[pixels]; thermal_to_rgb and camera_info then refer to the cropped image",
        length=4,
        run_time=True,
    )
    thermal_unit: str = _parameter(
        "auto",
        "meaning of the thermal counts: none, auto (by type and range), celsius, kelvin, "
        "centikelvin (0.01 K, FLIR TLinear), decikelvin (0.1 K), optris ((t + 100) x 10) or linear",
        choices=UNITS,
        run_time=True,
    )
    thermal_scale: float = _parameter(
        1.0,
        "degrees Celsius per count for thermal_unit linear",
        minimum=-1e6,
        maximum=1e6,
        run_time=True,
    )
    thermal_offset: float = _parameter(
        0.0,
        "degrees Celsius at count 0 for thermal_unit linear",
        minimum=-1e6,
        maximum=1e6,
        run_time=True,
    )
    emissivity: float = _parameter(
        1.0,
        "emissivity of the surfaces; 1 does not correct temperatures",
        minimum=0.05,
        maximum=1.0,
        run_time=True,
    )
    reflected_temperature: float = _parameter(
        20.0,
        "temperature that the surfaces reflect, if emissivity is below 1 [degrees Celsius]",
        minimum=-273.0,
        maximum=2000.0,
        run_time=True,
    )
    hot_spot_threshold: float = _parameter(
        0.0,
        "temperature from which the topic hot_spot and a diagnostic raise an alarm [degrees "
        "Celsius]; 0 turns the alarm off",
        minimum=0.0,
        maximum=5000.0,
        run_time=True,
    )
    object_score: float = _parameter(
        0.3,
        "lowest score of published objects; 0 publishes every candidate",
        minimum=0.0,
        maximum=1.0,
        run_time=True,
    )
    blur: tuple[str, ...] = _parameter(
        ("",),
        "names of classes that are blurred in fused image and overlay, such as [person]",
        run_time=True,
    )
    confidence_encoding: str = _parameter(
        "32FC1",
        "encoding of segmentation/confidence: 32FC1 (0 to 1) or mono8 (0 to 255)",
        choices=("32FC1", "mono8"),
        run_time=True,
    )
    overlay_opacity: float = _parameter(
        0.5,
        "opacity of the class colours in segmentation/overlay: 0 invisible, 1 opaque",
        minimum=0.0,
        maximum=1.0,
        run_time=True,
    )

    palette: str = _parameter(
        "display",
        "colours of the classes: display (clear on every image and with colour-blindness) or "
        "published (those of the data set)",
        choices=PALETTES,
    )

    autostart: bool = _parameter(
        True, "configure and activate at start, instead of waiting for lifecycle transitions"
    )
    bond: bool = _parameter(
        False, "send heartbeats to nav2's lifecycle manager while active; needs the package bond"
    )
    diagnostics_period: float = _parameter(
        1.0, "time between messages on /diagnostics [s]", minimum=0.05, maximum=60.0
    )
    log_period: float = _parameter(
        5.0,
        "minimum time between two log lines about the same fault [s]",
        minimum=0.0,
        maximum=3600.0,
        run_time=True,
    )

    def __post_init__(self) -> None:
        for name, limits in limits_by_name().items():
            if not limits.allows(getattr(self, name)):
                raise BadParameter(
                    f"parameter '{name}' is {getattr(self, name)!r}; allowed: {limits.text()}"
                )
        if not self.thermal_high > self.thermal_low:
            raise BadParameter(
                f"parameter 'thermal_high' is {self.thermal_high:g}; it must be above "
                f"thermal_low, which is {self.thermal_low:g}"
            )
        if min(self.thermal_crop) < 0:
            raise BadParameter(
                f"parameter 'thermal_crop' is {list(self.thermal_crop)}; the numbers of rows and "
                "columns must not be negative"
            )
        if abs(np.linalg.det(np.reshape(self.thermal_to_rgb, (3, 3)))) < 1e-12:
            raise BadParameter("parameter 'thermal_to_rgb' cannot be inverted; it is no homography")

        for name in ("rgb_calibration", "thermal_calibration"):
            try:
                self.calibration(name)
            except ValueError as error:
                raise BadParameter(f"parameter '{name}' {error}") from error

    def calibration(self, name: str) -> Calibration | None:
        """Return the calibration in a parameter's text; None if empty. Raises ValueError."""
        text = getattr(self, name)
        return parse_calibration(text) if text.strip() else None

    @property
    def thermal_options(self) -> ThermalOptions:
        """The conversion of thermal images to grey."""
        return ThermalOptions(
            self.thermal_mode,
            self.thermal_low,
            self.thermal_high,
            self.thermal_palette,
            self.thermal_invert,
            self.thermal_crop,
        )

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Return these settings with other values for some. Raises BadParameter."""
        return dataclasses.replace(self, **{name: _plain(value) for name, value in values.items()})


def limits_by_name() -> dict[str, Limits]:
    """Return limits of every parameter, in the order of the documentation."""
    return {item.name: item.metadata["limits"] for item in dataclasses.fields(Settings)}


def described() -> list[ParameterHelp]:
    """Return the parameters for a program's `--help`."""
    return [
        ParameterHelp(item.name, item.default, limits.description, limits.text())
        for item, limits in zip(
            dataclasses.fields(Settings), limits_by_name().values(), strict=True
        )
    ]


def declare_parameters(node: Node) -> Settings:
    """Declare all parameters on the node; return the values it was started with.

    Raises BadParameter for a value of the wrong type or out of range.
    """
    values = {}
    for item in dataclasses.fields(Settings):
        try:
            values[item.name] = _plain(node.declare_parameter(item.name, item.default).value)
        except InvalidParameterTypeException as error:
            raise BadParameter(
                f"parameter '{item.name}' has the wrong type; it must be of type "
                f"{type_name(item.default)}, such as {item.default!r}"
            ) from error
    settings = Settings(**values)
    # Set ranges only now: rclpy's error for a first value does not name the range.
    for item in dataclasses.fields(Settings):
        node.set_descriptor(item.name, _descriptor(item.default, item.metadata["limits"]))
    return settings


def checked_change(settings: Settings, parameters: list) -> tuple[Settings, SetParametersResult]:
    """Return new settings for an on-set callback, and its answer; the old ones if it refuses."""
    known = limits_by_name()
    values = {item.name: item.value for item in parameters if item.name in known}
    try:
        return settings.changed(values), SetParametersResult(successful=True)
    except BadParameter as error:
        return settings, SetParametersResult(successful=False, reason=str(error))


def _plain(value: Any) -> Any:
    """Return arrays as tuples, for any sequence type of rclpy."""
    return value if isinstance(value, str | int | float | bool) else tuple(value)


def _descriptor(default: Any, limits: Limits) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        type=Parameter.Type.from_parameter_value(default).value,
        description=limits.description,
        read_only=not limits.run_time,
        additional_constraints=f"one of: {limits.text()}" if limits.choices else "",
    )
    if limits.minimum is None or isinstance(default, tuple):
        return descriptor
    if isinstance(default, int):
        descriptor.integer_range = [
            IntegerRange(from_value=limits.minimum, to_value=limits.maximum, step=1)
        ]
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=limits.minimum, to_value=limits.maximum, step=0.0)
        ]
    return descriptor
