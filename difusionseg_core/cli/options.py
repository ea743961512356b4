"""Option types for argparse, and the options that several commands share."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from difusionseg_core.backends import BACKENDS
from difusionseg_core.backends.precision import PRECISIONS
from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.cameras.stamp_quality import STAMPS
from difusionseg_core.data.data_yaml import DataSetLayout
from difusionseg_core.imaging.camera_settings import typed_parameters
from difusionseg_core.predictor import PredictorOptions


def count(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, not '{text}'")
    return int(text)


def positive(text: str) -> float:
    """Return a number above 0."""
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not '{text}'")
    return value


def not_negative(text: str) -> float:
    """Return a number of 0 or more."""
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"expected a number of 0 or more, not '{text}'")
    return value


def size(text: str) -> tuple[int, int]:
    """Return height and width in pixels, written HEIGHTxWIDTH."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 480x640, not '{text}'")
    return int(height), int(width)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare what to run and where: the model, the device, the sampler."""
    parser.add_argument(
        "--model", default="lite", help="lite, a .safetensors file or an exported model"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:N, gpu (Intel's) or tensorrt"
    )
    parser.add_argument("--backend", default="auto", choices=BACKENDS)
    parser.add_argument(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="number format; auto takes the fastest that the device computes natively",
    )
    parser.add_argument("--steps", type=int, help="diffusion steps, 1 to 20 (default: the model's)")
    parser.add_argument("--schedule", help="published or chained (default: the model's)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument(
        "--draws", type=count, default=1, help="noise samples per frame (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")


def add_thermal_options(parser: argparse._ArgumentGroup) -> None:
    """Declare how thermal images become grey, as by the node's parameters of the same names."""
    parser.add_argument(
        "--thermal-mode",
        choices=("auto", "fixed", "percentile", "minmax"),
        help="thermal counts to grey (auto)",
    )
    parser.add_argument("--thermal-low", type=float, help="counts shown black in mode fixed")
    parser.add_argument("--thermal-high", type=float, help="counts shown white in mode fixed")
    parser.add_argument("--thermal-palette", help="pseudo-colours of the thermal images (auto)")
    parser.add_argument("--thermal-invert", action="store_true", help="hot is black")
    parser.add_argument(
        "--thermal-crop",
        type=int,
        nargs=4,
        metavar="N",
        help="rows and columns cut off: top, bottom, left, right [pixels]",
    )


def add_pairing_options(parser: argparse._ArgumentGroup) -> None:
    """Declare how a recording's images are paired, as by the node's parameters of these names."""
    parser.add_argument(
        "--slop", type=not_negative, help="largest time difference within a pair [s] (0.05)"
    )
    for role in ("rgb", "thermal"):
        parser.add_argument(
            f"--{role}-stamps",
            choices=STAMPS,
            help=f"time of {role} images: header (their stamp, default), arrival (when they were "
            "recorded), auto (arrival if they have no stamp)",
        )
    parser.add_argument("--queue-size", type=count, help="unpaired images kept per camera (10)")
    parser.add_argument("--thermal-time-offset", type=float, help="added to thermal stamps [s] (0)")


def pairing_options(args: argparse.Namespace, file: Path | None = None) -> PairingOptions:
    """The options that were given, else those of the node's parameter file `file`.

    Raises ValueError for a file that cannot be used, and OSError.
    """
    defaults = asdict(PairingOptions())
    values = {} if file is None else typed_parameters(file, defaults)
    given = {name: getattr(args, name) for name in defaults}
    values |= {name: value for name, value in given.items() if value is not None}
    for name in ("rgb_stamps", "thermal_stamps"):
        if values.get(name, "auto") not in STAMPS:
            raise ValueError(
                f"{file}: {name} is '{values[name]}'; it must be one of {', '.join(STAMPS)}"
            )
    return PairingOptions(**values)


def thermal_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of ThermalOptions that were given."""
    given = {
        "mode": args.thermal_mode,
        "low": args.thermal_low,
        "high": args.thermal_high,
        "palette": args.thermal_palette,
        "invert": args.thermal_invert or None,
        "crop": tuple(args.thermal_crop) if args.thermal_crop else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def predictor_options(args: argparse.Namespace) -> PredictorOptions:
    """Return the values of the options that `add_model_options` declares."""
    return PredictorOptions(
        model=args.model,
        device=args.device,
        backend=args.backend,
        precision=args.precision,
        compile=args.compile,
        steps=args.steps,
        schedule=args.schedule,
        draws=args.draws,
        seed=args.seed,
    )


def _number(text: str) -> float:
    """Return a finite number, or not-a-number."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--classes`, `--rgb-dir`, `--thermal-dir`, `--label-dir`."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="data.yaml with the classes, or a known data set such as pst900 (default: the "
        "data.yaml of the data set, or recognized by its folders)",
    )
    for side, what in (("rgb", "RGB"), ("thermal", "thermal"), ("label", "label")):
        parser.add_argument(
            f"--{side}-dir",
            metavar="NAME",
            help=f"folder of the {what} images in the data set, if not found by its name",
        )


def folders_from(args: argparse.Namespace) -> DataSetLayout | None:
    """Return the folders that the options name; None if they name none."""
    named = {"visible": args.rgb_dir, "thermal": args.thermal_dir, "labels": args.label_dir}
    return DataSetLayout("named folders", **named) if any(named.values()) else None
