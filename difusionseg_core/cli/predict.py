"""`difusionseg predict`: fuse and segment image files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from difusionseg_core.cli.options import add_model_options, predictor_options
from difusionseg_core.data.file_names import images_by_name
from difusionseg_core.data.image_files import DataError, read_rgb, read_thermal, write_png
from difusionseg_core.imaging.drawing import overlay

_EXAMPLE = """example:
  difusionseg predict --rgb data/vi --thermal data/ir --model lite --output results
"""


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

    pairs = find_pairs(args.rgb, args.thermal)
    predictor = predictor_options(args).open()
    folders = {name: args.output / name for name in ("fused", "mask", "overlay")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, rgb_file, thermal_file in tqdm(pairs, unit="pair", disable=None):
        try:
            rgb = read_rgb(rgb_file)
            result = predictor(rgb, read_thermal(thermal_file))
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
    return 1 if failed else 0


def find_pairs(rgb: Path, thermal: Path) -> list[tuple[str, Path, Path]]:
    """(name, RGB file, thermal file) of two files, or of two folders by name.

    Raises DataError where a file or partner is missing.
    """
    for path in (rgb, thermal):
        if not path.exists():
            raise DataError(f"there is no file or folder {path}")
    if rgb.is_file() and thermal.is_file():
        return [(rgb.stem, rgb, thermal)]
    if rgb.is_file() or thermal.is_file():
        raise DataError("--rgb and --thermal must be two files or two folders")
    rgb_files, thermal_files = images_by_name(rgb), images_by_name(thermal)
    if not rgb_files:
        raise DataError(f"{rgb} holds no images")
    alone = sorted(rgb_files.keys() ^ thermal_files.keys())
    if alone:
        raise DataError(f"{len(alone)} images have no partner of the same name, first '{alone[0]}'")
    return [(name, path, thermal_files[name]) for name, path in sorted(rgb_files.items())]
