"""`difusionseg synthesize`: synthetic street scenes as a data-set folder or a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from difusionseg_core.cli.options import count, positive, size
from difusionseg_core.parallel import available_cores
from difusionseg_core.recordings.rosbag2 import STORAGES
from difusionseg_core.scenes import CONDITIONS
from difusionseg_core.scenes.output import SceneSeries, write_folder, write_recording

HELP = "draw street scenes with RGB image, thermal image, exact mask and boxes"
_EXAMPLE = """examples:
  difusionseg synthesize --output drawn --scenes 1000
      1000 different pairs with masks and boxes: drawn/vi, ir, Segmentation_labels, boxes
  difusionseg synthesize --output drive --format mcap --scenes 2 --frames 25 --conditions day night
      a recording of 5 s: a day scene, then a night scene
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "synthesize",
        help=HELP,
        description=HELP,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="new folder or recording to write"
    )
    parser.add_argument(
        "--format",
        choices=("folder", *STORAGES),
        default="folder",
        help="data-set folder, or rosbag2 recording with that storage (default: folder)",
    )
    parser.add_argument(
        "--scenes", type=count, default=100, help="number of different scenes (default: 100)"
    )
    parser.add_argument(
        "--frames", type=count, default=1, help="frames of each scene; objects move (default: 1)"
    )
    parser.add_argument(
        "--rate", type=positive, default=10.0, help="frames per second of a scene (default: 10)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of the first scene; the others follow (default: 0)",
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        metavar="CONDITION",
        default=[],
        help="light of the scenes in turn: day, dusk, night (default: mixed)",
    )
    parser.add_argument(
        "--size", type=size, default=(480, 640), metavar="HEIGHTxWIDTH", help="default: 480x640"
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=90,
        help="JPEG quality of RGB images in a recording, 1 to 100 (default: 90)",
    )
    parser.add_argument(
        "--workers",
        type=count,
        default=available_cores(),
        help="processes that draw (default: one per core)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw the requested scenes. Raises ValueError or OSError, in one line."""
    if not 1 <= args.quality <= 100:
        raise ValueError(f"--quality must be 1 to 100, not {args.quality}")
    series = SceneSeries(
        args.scenes, args.frames, args.rate, args.seed, tuple(args.conditions), args.size
    )
    if args.format == "folder":
        write_folder(series, args.output, args.workers)
    else:
        write_recording(series, args.output, args.format, args.quality, args.workers)
    print(f"{args.output}: {len(series)} frames of {args.scenes} scenes")
    return 0
