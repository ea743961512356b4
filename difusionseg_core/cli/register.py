"""`difusionseg register`: find the homography from thermal to RGB pixels."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from difusionseg_core.cli.options import (
    add_pairing_options,
    add_thermal_options,
    count,
    pairing_options,
    thermal_options,
)
from difusionseg_core.data.image_files import write_png
from difusionseg_core.files import new_output
from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_core.imaging.calibration_files import parse_calibration
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.imaging.registration.estimation import register
from difusionseg_core.imaging.registration.files import checkerboard_sheet, node_parameters
from difusionseg_core.imaging.thermal.conversion import ThermalOptions
from difusionseg_core.recordings.calibrations import with_recorded_calibrations
from difusionseg_core.recordings.rosbag2 import Recording, is_recording
from difusionseg_core.recordings.sampled_pairs import sample_pairs

_EXAMPLE = """example:
  difusionseg register drive.mcap --output registration
  difusionseg predict drive.mcap --registration registration/registration.yaml --output results
  ros2 launch difusionseg_ros bringup.launch.py params_file:=registration/registration.yaml
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "register",
        help="find the homography from thermal to RGB pixels",
        description="Estimate the homography from thermal to RGB pixels, of images without lens "
        "distortion if both cameras' calibrations are known. Writes registration.yaml, parameters "
        "for the node and for --registration of other commands: transform, calibrations and "
        "thermal conversion; and checkerboard.png, cells of both cameras "
        "in turn before and after: if they fit, edges continue from cell to cell.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, help="a recording, or the folder of a data set")
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument("--frames", type=count, default=12, help="pairs to use (default: 12)")
    parser.add_argument("--rgb-topic", help="of a recording (default: .../rgb/image)")
    parser.add_argument("--thermal-topic", help="of a recording (default: .../thermal/image)")
    for camera in ("rgb", "thermal"):
        parser.add_argument(
            f"--{camera}-calibration",
            type=Path,
            metavar="FILE",
            help="YAML file of ROS's camera_calibration (default: camera_info of the recording)",
        )
    node = parser.add_argument_group("as the node's parameters")
    add_pairing_options(node)
    add_thermal_options(node)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register; raises ValueError, in one line, for input that cannot be read or registered."""
    cameras = _cameras(args)
    pairs = sample_pairs(
        args.input,
        args.frames,
        args.rgb_topic,
        args.thermal_topic,
        pairing_options(args),
        cameras.thermal,
        _warn,
    )
    if cameras.undistort:
        lenses = Alignment(rgb=cameras.rgb, thermal=cameras.thermal_camera)
        pairs = [lenses.undistorted(*pair) for pair in pairs]
        print("lens distortion is removed first; registration.yaml holds both calibrations")
    found = register(pairs)
    with new_output(args.output) as output:
        output.mkdir()
        parameters = node_parameters(found, args.input.name, len(pairs), cameras)
        (output / "registration.yaml").write_text(parameters)
        write_png(output / "checkerboard.png", checkerboard_sheet(pairs, found))
    print(found.summary)
    if found.warning:
        _warn(found.warning)
    print(f"results are in {args.output}")
    return 0


def _cameras(args: argparse.Namespace) -> CameraSettings:
    """Return the conversion that was asked for, and both calibrations if they are known.

    Raises ValueError for a calibration file that cannot be used, and for one without the other.
    """
    cameras = CameraSettings(
        thermal=ThermalOptions(**thermal_options(args)),
        rgb=_calibration(args.rgb_calibration),
        thermal_camera=_calibration(args.thermal_calibration),
    )
    given = cameras.rgb is not None or cameras.thermal_camera is not None
    if is_recording(args.input):
        with Recording(args.input) as recording:
            topics = recording.choose_topics(rgb=args.rgb_topic, thermal=args.thermal_topic)
        cameras, faults = with_recorded_calibrations(cameras, args.input, topics)
        if faults and not given and (topics.camera_info or topics.thermal_camera_info):
            _warn(f"images are not undistorted: {'; '.join(faults)}")
    if cameras.rgb is None or cameras.thermal_camera is None:
        if given:
            raise ValueError(
                "give both --rgb-calibration and --thermal-calibration; undistorted are the images "
                "of both cameras or of neither"
            )
        return cameras
    rectified = cameras.rgb.is_rectified and cameras.thermal_camera.is_rectified
    return replace(cameras, undistort=not rectified)


def _calibration(path: Path | None) -> Calibration | None:
    if path is None:
        return None
    try:
        return parse_calibration(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _warn(line: str) -> None:
    print(f"difusionseg register: warning: {line}", file=sys.stderr)
