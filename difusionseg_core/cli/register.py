"""`difusionseg register`: find how the thermal image lies in the RGB image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from difusionseg_core.cli.options import count, not_negative
from difusionseg_core.data.image_files import write_png
from difusionseg_core.files import new_output
from difusionseg_core.imaging.registration import register
from difusionseg_core.imaging.registration_files import checkerboard_sheet, node_parameters
from difusionseg_core.recordings.sampled_pairs import sample_pairs

_EXAMPLE = """example:
  difusionseg register drive.mcap --output registration
  ros2 launch difusionseg_ros bringup.launch.py params_file:=registration/registration.yaml
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "register",
        help="find how the thermal image lies in the RGB image",
        description="Estimate the homography from thermal to RGB pixels. Writes "
        "registration.yaml, parameters for the node, and checkerboard.png, cells of both cameras "
        "in turn before and after: if they fit, edges continue from cell to cell.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, help="a recording, or the folder of a data set")
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument("--frames", type=count, default=12, help="pairs to use (default: 12)")
    parser.add_argument("--rgb-topic", help="of a recording (default: .../rgb/image)")
    parser.add_argument("--thermal-topic", help="of a recording (default: .../thermal/image)")
    parser.add_argument(
        "--slop",
        type=not_negative,
        default=0.05,
        help="largest time difference within a pair [s] (default: 0.05)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register; raises ValueError, in one line, for input that cannot be read or registered."""
    pairs = sample_pairs(args.input, args.frames, args.rgb_topic, args.thermal_topic, args.slop)
    found = register(pairs)
    with new_output(args.output) as output:
        output.mkdir()
        parameters = node_parameters(found, args.input.name, len(pairs))
        (output / "registration.yaml").write_text(parameters)
        write_png(output / "checkerboard.png", checkerboard_sheet(pairs, found))
    print(found.summary)
    if found.warning:
        print(f"difusionseg register: warning: {found.warning}", file=sys.stderr)
    print(f"results are in {args.output}")
    return 0
