"""A camera's calibration as YAML, as ROS's camera_calibration writes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from difusionseg_core.imaging.alignment import Calibration

_LENGTHS = {"camera_matrix": 9, "rectification_matrix": 9, "projection_matrix": 12}


@lru_cache(maxsize=8)
def parse_calibration(text: str) -> Calibration:
    """Return the calibration of a camera_info YAML text. Raises ValueError, in one line."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise ValueError("is no calibration: expected image_width, camera_matrix, ...")
    try:
        return Calibration(
            width=int(content["image_width"]),
            height=int(content["image_height"]),
            model=str(content["distortion_model"]),
            d=_numbers(content, "distortion_coefficients"),
            k=_numbers(content, "camera_matrix"),
            r=_numbers(content, "rectification_matrix"),
            p=_numbers(content, "projection_matrix"),
        )
    except KeyError as error:
        raise ValueError(f"is no calibration: it has no {error.args[0]}") from None
    except TypeError as error:
        raise ValueError(f"is no calibration: {error}") from None


def calibration_yaml(calibration: Calibration) -> str:
    """Return the text that `parse_calibration` reads."""
    matrices = (
        ("camera_matrix", 3, calibration.k),
        ("distortion_coefficients", 1, calibration.d),
        ("rectification_matrix", 3, calibration.r),
        ("projection_matrix", 3, calibration.p),
    )
    lines = [f"image_width: {calibration.width}", f"image_height: {calibration.height}"]
    lines.append(f"distortion_model: {calibration.model}")
    for name, rows, values in matrices:
        columns = len(values) // rows
        data = ", ".join(f"{value:.12g}" for value in values)
        lines.append(f"{name}: {{rows: {rows}, cols: {columns}, data: [{data}]}}")
    return "\n".join(lines) + "\n"


def _numbers(content: Mapping[str, Any], name: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in content[name]["data"])
    except ValueError as error:
        raise ValueError(f"has a {name} that is not numbers: {error}") from None
    if len(numbers) != _LENGTHS.get(name, len(numbers)):
        raise ValueError(f"has {len(numbers)} numbers in {name}; it must have {_LENGTHS[name]}")
    return numbers
