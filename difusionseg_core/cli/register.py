"""`difusionseg register`: find how the thermal image lies in the RGB image."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import read_rgb, read_rgb_thermal, read_thermal, write_png
from difusionseg_core.files import staged
from difusionseg_core.imaging.alignment import Alignment
from difusionseg_core.imaging.drawing import contact_sheet
from difusionseg_core.imaging.registration import Registration, checkerboard, register
from difusionseg_core.imaging.thermal import to_uint8
from difusionseg_core.pairing import NearestStampPairer
from difusionseg_core.recordings.rosbag2 import Recording

Pair = tuple[np.ndarray, np.ndarray]

_EXAMPLE = """example:
  difusionseg register drive.mcap --output registration
  ros2 launch difusionseg_ros bringup.launch.py params_file:=registration/registration.yaml
"""
_SHOWN = 3  # frames on the picture
_TILE = 640  # width of a board on the picture, pixels


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "register",
        help="find how the thermal image lies in the RGB image",
        description="Estimate the homography from thermal to RGB pixels. Writes "
        "registration.yaml, parameters for the node, and checkerboard.png, both cameras in turn "
        "on a board before and after: where they fit, edges go on from cell to cell.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, help="a recording, or the folder of a data set")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.add_argument("--frames", type=int, default=12, help="pairs to look at (default: 12)")
    parser.add_argument("--rgb-topic", help="of a recording (default: .../rgb/image)")
    parser.add_argument("--thermal-topic", help="of a recording (default: .../thermal/image)")
    parser.add_argument(
        "--slop", type=float, default=0.05, help="largest time within a pair [s] (default: 0.05)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register; raises ValueError, in one line, for input that cannot be read or brought to fit."""
    if args.frames < 1:
        raise ValueError(f"--frames must be 1 or more, not {args.frames}")
    recorded = args.input.is_file() or (args.input / "metadata.yaml").is_file()
    pairs = list(_recorded_pairs(args) if recorded else _folder_pairs(args.input, args.frames))
    found = register(pairs)
    with staged(args.output) as output:
        output.mkdir()
        (output / "registration.yaml").write_text(_parameters(found, args.input, len(pairs)))
        write_png(output / "checkerboard.png", _picture(pairs[:_SHOWN], found))
    print(
        f"{found.agreeing} of {found.patches} patches agree; they lay {found.before:.2f} px off "
        f"before and lie {found.residual:.2f} px off now (root mean square, RGB pixels)"
    )
    print(f"results are in {args.output}")
    return 0


def _folder_pairs(folder: Path, frames: int) -> Iterator[Pair]:
    pairs = open_data_set(folder).pairs
    for pair in pairs[:: -(-len(pairs) // frames)]:
        # Not `read_frame`: before registration the two cameras may have different sizes.
        if pair.visible == pair.thermal:
            yield read_rgb_thermal(pair.visible)
        else:
            yield read_rgb(pair.visible), to_uint8(read_thermal(pair.thermal))


def _recorded_pairs(args: argparse.Namespace) -> Iterator[Pair]:
    with Recording(args.input) as recording:
        topics = recording.choose_topics(args.rgb_topic, args.thermal_topic)
        pairer = NearestStampPairer(round(args.slop * 1e9), queue_size=10)

        def matched() -> Iterator:
            for message in recording.messages([topics.rgb, topics.thermal]):
                add = pairer.add_rgb if message.topic == topics.rgb else pairer.add_thermal
                yield from add(message.stamp_ns, message)
            yield from pairer.flush()

        every = max(1, recording.count(topics.rgb) // args.frames)
        chosen = list(islice(matched(), 0, None, every))[: args.frames]
        if not chosen:
            raise ValueError(
                f"{args.input} has no pair of images within {args.slop:g} s; set --slop"
            )
        for pair in chosen:
            rgb, thermal = pair.rgb.image(), to_uint8(_one_channel(pair.thermal.image()))
            yield rgb, thermal


def _one_channel(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 0])


def _parameters(found: Registration, source: Path, frames: int) -> str:
    numbers = ", ".join(f"{value:.9g}" for value in found.matrix.ravel())
    numbers = ", ".join(
        number if any(sign in number for sign in ".e") else f"{number}.0"
        for number in numbers.split(", ")
    )
    return (
        f"# Found by `difusionseg register` from {frames} pairs of {source.name}: "
        f"{found.agreeing} of {found.patches} patches agree,\n"
        f"# {found.residual:.2f} px off (root mean square), {found.before:.2f} px before.\n"
        "/**/fusion_node:\n"
        "  ros__parameters:\n"
        f"    thermal_to_rgb: [{numbers}]\n"
    )


def _picture(pairs: list[Pair], found: Registration) -> np.ndarray:
    align = Alignment(tuple(found.matrix.ravel().tolist()))
    rows = []
    for rgb, thermal in pairs:
        before = cv2.resize(thermal, rgb.shape[1::-1])
        boards = [checkerboard(rgb, _grey(image)) for image in (before, align(rgb, thermal)[1])]
        rows.append(boards)
    titles = (f"before: {found.before:.2f} px off", f"after: {found.residual:.2f} px off")
    return contact_sheet(rows, titles, _TILE)


def _grey(image: np.ndarray) -> np.ndarray:
    # Equalised: edges are to be seen in the dark parts of a thermal image, too.
    return cv2.cvtColor(cv2.equalizeHist(image), cv2.COLOR_GRAY2RGB)
