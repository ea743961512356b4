"""Settings that make a registered pair of both cameras' images, from the node's parameter file.

`difusionseg register` writes such a file (registration.yaml), the node takes it as a parameter
file, and the commands as `--registration`; it may contain all parameters of the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from difusionseg_core.imaging.alignment import IDENTITY, Alignment, Calibration
from difusionseg_core.imaging.calibration_files import parse_calibration
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal.temperature import TemperatureScale

_THERMAL = {
    "thermal_mode": "mode",
    "thermal_low": "low",
    "thermal_high": "high",
    "thermal_palette": "palette",
    "thermal_invert": "invert",
    "thermal_crop": "crop",
}
_TEMPERATURE = {
    "thermal_unit": "unit",
    "thermal_scale": "scale",
    "thermal_offset": "offset",
    "emissivity": "emissivity",
    "reflected_temperature": "reflected",
}
_AUTO = TemperatureScale("auto")
_OTHERS = ("thermal_to_rgb", "undistort", "rgb_bits", "max_image_bytes")


@dataclass(frozen=True)
class CameraSettings:
    """The node's parameters for conversion, undistortion and alignment of images.

    `thermal_to_rgb` (9 numbers, row-major) maps thermal to RGB pixels, `rgb_bits` are the
    significant bits of RGB images with 16 bits a channel, and larger images than `max_image_bytes`
    are refused. `temperature` is what thermal counts mean. `rgb` and `thermal_camera` are
    calibrations for `undistort`, None for those of camera_info. Both images are undistorted or
    neither, to match `thermal_to_rgb`.
    """

    thermal: ThermalOptions = field(default_factory=ThermalOptions)
    thermal_to_rgb: tuple[float, ...] = IDENTITY
    undistort: bool = False
    rgb_bits: int = 16
    max_image_bytes: int = 25_000_000
    temperature: TemperatureScale = _AUTO
    rgb: Calibration | None = None
    thermal_camera: Calibration | None = None

    @property
    def alignment(self) -> Alignment:
        """The alignment with these calibrations."""
        if not (self.undistort and self.rgb and self.thermal_camera):
            return Alignment(self.thermal_to_rgb)
        return Alignment(self.thermal_to_rgb, self.rgb, self.thermal_camera)

    def prepared(self, rgb: np.ndarray, thermal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map (H, W, 3) RGB and thermal pixels of a still pair to the registered pair, 8-bit grey.

        The thermal range is that of this image alone.
        """
        aligned_rgb, aligned = self.alignment(rgb, ThermalConversion(self.thermal)(thermal))
        assert aligned_rgb is not None and aligned is not None  # neither image was missing
        return aligned_rgb, aligned


def read_camera_settings(path: Path) -> CameraSettings:
    """Read a parameter file (YAML) of the node; other parameters are ignored.

    Raises ValueError, in one line, for a file that is not a parameter file, or a value that cannot
    be used, and OSError.
    """
    values = node_parameters(path)
    thermal = _options(path, values, _THERMAL, ThermalOptions())
    temperature = replace(_AUTO, **_options(path, values, _TEMPERATURE, _AUTO))
    others = typed_parameters(path, {name: getattr(CameraSettings(), name) for name in _OTHERS})
    calibrations: dict[str, Any] = {
        field: _calibration(path, name, values[name])
        for field, name in (("rgb", "rgb_calibration"), ("thermal_camera", "thermal_calibration"))
        if values.get(name)
    }
    settings = CameraSettings(
        ThermalOptions(**thermal), temperature=temperature, **others, **calibrations
    )
    if len(settings.thermal_to_rgb) != 9:
        raise ValueError(
            f"{path}: thermal_to_rgb has {len(settings.thermal_to_rgb)} numbers; it must have 9"
        )
    return settings


def node_parameters(path: Path) -> dict[str, Any]:
    """Return all parameters of the file, for any node name.

    Raises as `read_camera_settings`.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    found: dict[str, Any] = {}

    def collect(entry: object) -> None:
        if not isinstance(entry, Mapping):
            return
        for key, value in entry.items():
            if key == "ros__parameters" and isinstance(value, Mapping):
                found.update(value)
            else:
                collect(value)

    collect(content)
    if not found:
        raise ValueError(
            f"{path} has no ros__parameters; pass a parameter file of the node, such as the "
            "registration.yaml that 'difusionseg register' writes"
        )
    return found


def typed_parameters(path: Path, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Those parameters of the file that are named in `defaults`, of the type of the default.

    Raises as `read_camera_settings`.
    """
    values = node_parameters(path)
    return {
        name: _like(path, name, values[name], default)
        for name, default in defaults.items()
        if name in values
    }


def _options(
    path: Path, values: Mapping[str, Any], names: Mapping[str, str], defaults: object
) -> dict[str, Any]:
    """Return options by name, of the parameters in `names` that the file has."""
    return {
        option: _like(path, name, values[name], getattr(defaults, option))
        for name, option in names.items()
        if name in values
    }


def read_still_settings(path: Path) -> CameraSettings:
    """Read settings as `read_camera_settings` does, for image files, which lack camera_info.

    Raises ValueError also for `undistort` without both calibrations.
    """
    settings = read_camera_settings(path)
    if settings.undistort and not (settings.rgb and settings.thermal_camera):
        raise ValueError(
            f"{path} sets undistort without rgb_calibration and thermal_calibration, which image "
            "files need; 'difusionseg register' writes them if it is given the calibrations"
        )
    return settings


def _calibration(path: Path, name: str, text: Any) -> Calibration:
    text = _like(path, name, text, "")
    try:
        return parse_calibration(text)
    except ValueError as error:
        raise ValueError(f"{path}: {name}: {error}") from error


def _like(path: Path, name: str, value: Any, default: Any) -> Any:
    """Return the value as the type of the default; integers are taken for numbers."""
    if isinstance(default, bool | str):
        if type(value) is type(default):
            return value
    elif isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in value
    ):
        return tuple(type(default[0])(number) for number in value)
    raise ValueError(f"{path}: {name} is {value!r}; it must be like {default!r}")
