"""`difusionseg predict`: fuse and segment image files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from difusionseg_core.cli.options import add_model_options, predictor_options
from difusionseg_core.data.folder import pair_images
from difusionseg_core.data.image_files import read_rgb, read_thermal, write_png
from difusionseg_core.imaging.drawing import overlay

_EXAMPLE = """example:
  difusionseg predict --rgb data/vi --thermal data/ir --model lite --output results
"""
_SHOWN = 10  # lines about images without partner


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "predict",
        help="fuse and segment image files",
        description="Write fused/, mask/ (8-bit class ids), overlay/ as PNG, named as the input.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rgb", type=Path, required=True, help="a file or a folder")
    parser.add_argument("--thermal", type=Path, required=True, help="a file or a folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict every pair; a damaged image is named and skipped, and the exit status is then 1."""
    from tqdm import tqdm

    pairs, alone = pair_images(args.rgb, args.thermal)
    predictor = predictor_options(args).open()
    folders = {name: args.output / name for name in ("fused", "mask", "overlay")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for line in alone[:_SHOWN]:
        print(f"difusionseg: skipped: {line}", file=sys.stderr)
    if len(alone) > _SHOWN:
        print(f"difusionseg: skipped: {len(alone) - _SHOWN} more", file=sys.stderr)
    for pair in tqdm(pairs, unit="pair", disable=None):
        name = pair.name
        try:
            result = predictor(read_rgb(pair.visible), read_thermal(pair.thermal))
        except ValueError as error:
            print(f"difusionseg: skipped {name}: {error}", file=sys.stderr)
            failed += 1
            continue
        write_png(folders["fused"] / f"{name}.png", result.fused)
        write_png(folders["mask"] / f"{name}.png", result.labels)
        marked = overlay(result.fused, result.labels, predictor.label_set)
        write_png(folders["overlay"] / f"{name}.png", marked)
    print(
        f"{len(pairs) - failed} of {len(pairs)} pairs are in {args.output} "
        f"({predictor.backend}, {predictor.device})"
    )
    return 1 if failed or alone else 0
