"""`difusionseg predict`: fuse and segment images, videos and recordings."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from difusionseg_core.cli.options import (
    add_model_options,
    add_pairing_options,
    add_thermal_options,
    pairing_options,
    predictor_options,
    thermal_options,
)
from difusionseg_core.imaging.camera_settings import CameraSettings, read_camera_settings

_EXAMPLE = """examples:
  difusionseg predict --rgb data/vi --thermal data/ir --output results
  difusionseg predict --rgb 'vi/*.png' --thermal 'ir/*.png' --output results --video results.mp4
  difusionseg predict --rgb rgb.mp4 --thermal thermal.mp4 --output results --show
  difusionseg predict drive.mcap --registration registration/registration.yaml --output results
"""
_WINDOW_WIDTH = 1280  # pixels
_SHOWN = 10  # lines about images without partner


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "predict",
        help="fuse and segment images, videos and recordings",
        description="Write fused/, mask/ (8-bit class ids) and overlay/ as PNG, named as the "
        "input, and objects.json: boxes, ids of tracks in a video or recording, temperatures of "
        "radiometric cameras (thermal_unit in --registration). Pairs whose results exist are "
        "skipped, so that a stopped run can be continued.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "recording", type=Path, nargs="?", metavar="RECORDING", help="a rosbag2 recording"
    )
    parser.add_argument("--rgb", help="an image, a folder (with all below it), a pattern, a video")
    parser.add_argument("--thermal", help="the same of the thermal camera")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--video", type=Path, metavar="FILE", help="also write an MP4, side by side"
    )
    parser.add_argument("--overwrite", action="store_true", help="predict finished pairs again")
    parser.add_argument("--show", action="store_true", help="show results in a window; q: quit")
    node = parser.add_argument_group("as the node's parameters")
    node.add_argument(
        "--registration",
        type=Path,
        metavar="FILE",
        help="parameter file of the node, such as registration.yaml of 'difusionseg register'",
    )
    add_thermal_options(node)
    node.add_argument(
        "--undistort",
        action="store_true",
        help="remove lens distortion, by the calibrations of --registration or of a recording",
    )
    recorded = parser.add_argument_group("for a recording")
    recorded.add_argument("--rgb-topic", help="topic of RGB images")
    recorded.add_argument("--thermal-topic", help="topic of thermal images")
    add_pairing_options(recorded)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict every pair; the exit status is 1 if a pair cannot be predicted."""
    from tqdm import tqdm

    from difusionseg_core.prediction.run import PredictionOptions, predict_pairs
    from difusionseg_core.prediction.sources import open_files, open_recording

    settings = read_camera_settings(args.registration) if args.registration else CameraSettings()
    thermal = replace(settings.thermal, **thermal_options(args))
    if args.recording is not None:
        if args.rgb or args.thermal:
            raise ValueError("give a recording, or --rgb and --thermal, not both")
        pairing = pairing_options(args, args.registration)
        source = open_recording(
            args.recording, args.rgb_topic, args.thermal_topic, pairing, _report
        )
    elif args.rgb and args.thermal:
        source = open_files(args.rgb, args.thermal, thermal.palette)
    else:
        raise ValueError("give --rgb and --thermal, or a recording")
    settings = _with_calibrations(settings, args)
    for line in source.alone[:_SHOWN]:
        _report(f"skipped: {line}")
    if len(source.alone) > _SHOWN:
        _report(f"skipped: {len(source.alone) - _SHOWN} more")

    show = _open_window() if args.show else None
    predictor = predictor_options(args).open()
    options = PredictionOptions(
        args.output,
        thermal,
        settings.alignment,
        settings.temperature,
        args.video,
        args.overwrite,
        show,
    )
    with tqdm(total=source.total, unit="pair", disable=None) as progress:

        def report(line: str) -> None:
            progress.clear()
            _report(f"skipped {line}")

        counts = predict_pairs(source, predictor, options, report, progress.update)
    finished = f", {counts.skipped} were finished before" if counts.skipped else ""
    done = counts.predicted + counts.skipped
    print(
        f"{done} of {done + counts.failed} pairs are in {args.output}{finished} "
        f"({predictor.backend}, {predictor.device})"
    )
    if counts.predicted:
        seconds, network = counts.seconds, counts.network_seconds
        print(
            f"{1000 * seconds / counts.predicted:.0f} ms per pair with reading and writing, "
            f"{1000 * network / counts.predicted:.0f} ms of it the network"
        )
    return 1 if counts.failed or source.alone else 0


def _with_calibrations(settings: CameraSettings, args: argparse.Namespace) -> CameraSettings:
    """Return the settings with the lenses of the recording, if lens distortion is to be removed.

    Raises ValueError if one is not known.
    """
    if not (args.undistort or settings.undistort):
        return settings
    settings = replace(settings, undistort=True)
    if settings.rgb and settings.thermal_camera:
        return settings
    if args.recording is None:
        raise ValueError(
            "--undistort needs a recording with camera_info, or the calibrations of both cameras "
            "in the --registration file"
        )
    from difusionseg_core.recordings.calibrations import with_recorded_calibrations
    from difusionseg_core.recordings.rosbag2 import Recording

    with Recording(args.recording) as recording:
        topics = recording.choose_topics(rgb=args.rgb_topic, thermal=args.thermal_topic)
    settings, faults = with_recorded_calibrations(settings, args.recording, topics)
    if faults:
        raise ValueError(f"{args.recording} cannot be undistorted: {'; '.join(faults)}")
    return settings


def _open_window() -> Callable[[np.ndarray], bool]:
    """Return a function that shows an image, and says whether to continue. Raises ValueError."""
    import cv2

    # Asked first, since OpenCV's Qt ends the process if there is none.
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or "WAYLAND_DISPLAY" in os.environ
    ):
        raise ValueError("--show needs a display, and there is none; leave it out, or use --video")
    try:
        cv2.namedWindow("difusionseg", cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise ValueError(
            "--show needs an OpenCV with windows; 'pip uninstall opencv-python-headless', then "
            "'pip install opencv-python', or use --video"
        ) from error

    sized = False

    def show(image: np.ndarray) -> bool:
        nonlocal sized
        if not sized:
            height, width = image.shape[:2]
            cv2.resizeWindow("difusionseg", _WINDOW_WIDTH, round(height * _WINDOW_WIDTH / width))
            sized = True
        cv2.imshow("difusionseg", image[..., ::-1])
        return cv2.waitKey(1) & 0xFF != ord("q")

    return show


def _report(line: str) -> None:
    print(f"difusionseg: {line}", file=sys.stderr)
