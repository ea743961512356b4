"""`difusionseg evaluate-bag`: score a model on recordings, and the recordings themselves."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from difusionseg_core.cli.options import (
    add_model_options,
    add_pairing_options,
    count,
    pairing_options,
    predictor_options,
)
from difusionseg_core.parallel import available_cores

if TYPE_CHECKING:
    from difusionseg_core.imaging.camera_settings import CameraSettings

_EXAMPLE = """examples:
  difusionseg evaluate-bag sample --output results
  difusionseg evaluate-bag drives/*.mcap --output results --workers 4 --fusion-every 10
  difusionseg evaluate-bag drives/*.mcap --output /nas/results --cluster tcp://scheduler:8786
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "evaluate-bag",
        help="score a model on rosbag2 recordings, and their timing",
        description="Pair a recording's images as the node does, run the model, and write "
        "metrics.json, timeline.csv (a line per pair), rates.csv (a line per second), latency.csv, "
        "objects.json, objects.csv "
        "and a report about them (report.html, report.md). Except for latencies and the part 'run' "
        "of metrics.json, the figures are reproducible. Several recordings get a folder each, and "
        "a common summary.json and summary.md.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "recordings", type=Path, nargs="+", metavar="RECORDING", help="folder, .mcap or .db3 file"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="OUT",
        help="also write the recording with fused/image, segmentation/mask, "
        "segmentation/confidence, objects and objects/temperature added; several recordings into a "
        "folder",
    )
    parser.add_argument("--rgb-topic", help="topic of RGB images (default: .../rgb/image)")
    parser.add_argument(
        "--thermal-topic", help="topic of thermal images (default: .../thermal/image)"
    )
    parser.add_argument(
        "--mask-topic",
        help="topic of the ground truth, images of class ids (default: .../ground_truth/mask, if "
        "there is one)",
    )
    node = parser.add_argument_group("as the node's parameters")
    node.add_argument(
        "--params-file",
        "--registration",
        type=Path,
        metavar="FILE",
        help="parameter file of the node, such as registration.yaml: pairing, thermal conversion, "
        "registration, undistortion, model and steps are taken from it, unless given here",
    )
    add_pairing_options(node)
    node.add_argument(
        "--thermal-to-rgb",
        type=float,
        nargs=9,
        metavar="H",
        help="homography from thermal to RGB pixels, row by row (default: none)",
    )
    node.add_argument(
        "--object-score", type=float, default=0.3, help="lowest score of objects, 0 to 1 (0.3)"
    )
    node.add_argument(
        "--blur",
        nargs="+",
        default=(),
        metavar="CLASS",
        help="classes to blur in report and recording, such as person; the recording then leaves "
        "out the camera images (default: none)",
    )
    parser.add_argument(
        "--fusion-every",
        type=count,
        default=1,
        metavar="N",
        help="score only every Nth fused image: scoring takes longer than the network (default: 1)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=count,
        default=max(1, available_cores() // 2),
        metavar="N",
        help="recordings evaluated at a time (default: half the number of cores)",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="use a Dask cluster whose workers see the files under the same paths",
    )
    add_model_options(parser)
    parser.set_defaults(run=run, defaults=_take_defaults(parser))


def run(args: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 if something cannot be used."""
    cameras = _complete(args)
    from difusionseg_core.evaluation.recordings.batch import BatchJob, evaluate_recordings
    from difusionseg_core.evaluation.recordings.recording_run import RecordingOptions

    options = RecordingOptions(
        predictor=predictor_options(args),
        rgb_topic=args.rgb_topic,
        thermal_topic=args.thermal_topic,
        mask_topic=args.mask_topic,
        pairing=pairing_options(args, args.params_file),
        cameras=cameras,
        fusion_every=args.fusion_every,
        object_score=args.object_score,
        blur=tuple(name for name in args.blur if name),
    )
    result = evaluate_recordings(
        BatchJob(
            recordings=tuple(args.recordings),
            output=args.output,
            options=options,
            record=args.record,
            workers=args.workers,
            cluster=args.cluster,
        )
    )
    if result.table is None:
        for report in result.reports.values():
            _print(report)
    else:
        print(result.table, end="")
        if result.total and "segmentation" in result.total:
            print(f"mIoU {result.total['segmentation']['mIoU']:.4f} over all (class 0 counted)")
    for name, report in result.reports.items():
        for line in report["warnings"]:
            print(f"difusionseg: warning: {name}: {line}", file=sys.stderr)
        for line in report["faults"]:
            print(f"difusionseg: {name}: {line}", file=sys.stderr)
    print(f"results are in {args.output}")
    faults = any(report["faults"] for report in result.reports.values())
    return 1 if result.problems or faults else 0


_FROM_FILE = (
    *("thermal_to_rgb", "model", "device", "backend", "precision", "steps"),
    *("object_score", "blur"),
)
"""Options that are parameters of the node by the same name."""


def _take_defaults(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return the defaults of options in `_FROM_FILE`; the parser then omits options not given."""
    defaults = {}
    for action in parser._actions:
        if action.dest in _FROM_FILE:
            defaults[action.dest], action.default = action.default, argparse.SUPPRESS
    return defaults


def _complete(args: argparse.Namespace) -> CameraSettings:
    """Add missing options from the parameter file or defaults; return the camera settings."""
    from difusionseg_core.imaging.camera_settings import (
        CameraSettings,
        node_parameters,
        read_camera_settings,
    )

    values, cameras = dict(args.defaults), CameraSettings()
    if args.params_file is not None:
        cameras = read_camera_settings(args.params_file)
        parameters = node_parameters(args.params_file)
        values |= {name: parameters[name] for name in _FROM_FILE if name in parameters}
    for name, value in values.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    return replace(
        cameras,
        thermal_to_rgb=tuple(args.thermal_to_rgb or cameras.thermal_to_rgb),
    )


def _print(report: dict[str, Any]) -> None:
    for role, camera in report["cameras"].items():
        if "rate_hz" in camera:
            print(
                f"{role}: {camera['messages']} images, {camera['rate_hz']:.2f} Hz, jitter "
                f"{camera['jitter_ms']:.1f} ms, {camera['gaps']['count']} gaps"
            )
    offset = report["offset_ms"]
    print(
        f"{report['pairs']['evaluated']} of {report['pairs']['paired']} pairs evaluated; time "
        f"offset {offset['median']:+.1f} ms ({offset['p95']:+.1f} ms at 95 %, "
        f"{offset['max']:+.1f} ms at most)"
    )
    if "segmentation" in report:
        print(f"mIoU {report['segmentation']['mIoU']:.4f} (class 0 counted)")
    if "fusion" in report:
        values = {key: value for key, value in report["fusion"].items() if key != "frames"}
        print(", ".join(f"{key} {value:.3f}" for key, value in values.items() if value is not None))
