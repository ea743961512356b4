"""`difusionseg average`: the mean of several trainings' weights."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLE = """example:
  difusionseg average runs/a/lite.safetensors runs/b/lite.safetensors --output lite.safetensors
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "average",
        help="average the weights of several trainings",
        description="Write the mean of weights files, tensor by tensor ('model soup', Wortsman et "
        "al., ICML 2022). Trainings that began at the same weights and saw other data orders often "
        "make a better model together than each alone.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights", type=Path, nargs="+", help="two or more .safetensors files")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Average and write. Raises ValueError for files that do not belong together."""
    if len(args.weights) < 2:
        raise ValueError("one file has no mean; name two or more weights files")
    if args.output.suffix != ".safetensors":
        raise ValueError(f"--output must end in .safetensors, not '{args.output.name}'")
    if not args.output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {args.output.parent}")
    from difusionseg_core.checkpoints.weights_file import average_weights

    info = average_weights(args.weights, args.output)
    print(f"{args.output}: {info.model}, the mean of {len(args.weights)} files")
    return 0
