"""`difusionseg evaluate-bag`: score a model on recordings, and the recordings themselves."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from difusionseg_core.cli.predict import add_model_options, make_predictor
from difusionseg_core.files import staged

if TYPE_CHECKING:
    from difusionseg_core.evaluation.recordings.batch import Outcome
    from difusionseg_core.evaluation.recordings.recording_run import Job

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
        "metrics.json, timeline.csv (a line a pair), rates.csv (a line a second), latency.csv, and "
        "report.html and report.md about all that. But for latencies and the part 'run' of "
        "metrics.json, figures are the same every time. Several recordings have a folder each, "
        "and summary.json and summary.md.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "recordings", type=Path, nargs="+", metavar="RECORDING", help="folder, .mcap or .db3 file"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="OUT",
        help="write the recording with fused/image, segmentation/mask and segmentation/confidence "
        "added; several recordings to a folder",
    )
    parser.add_argument("--rgb-topic", help="of RGB images (default: .../rgb/image)")
    parser.add_argument("--thermal-topic", help="of thermal images (default: .../thermal/image)")
    parser.add_argument(
        "--mask-topic", help="of class ids, the truth (default: .../ground_truth/mask, if any)"
    )
    node = parser.add_argument_group("as the node's parameters")
    node.add_argument("--slop", type=float, default=0.05, help="time within a pair [s] (0.05)")
    node.add_argument("--queue-size", type=int, default=10, help="images that wait (10)")
    node.add_argument(
        "--thermal-time-offset", type=float, default=0.0, help="added to thermal stamps [s] (0)"
    )
    node.add_argument(
        "--thermal-to-rgb",
        type=float,
        nargs=9,
        metavar="H",
        help="homography, row by row (default: none)",
    )
    parser.add_argument(
        "--fusion-every",
        type=_positive,
        default=1,
        metavar="N",
        help="score every Nth fused image only: it takes longer than the network (default: 1)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=_positive,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="recordings at a time (default: half as many as cores)",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="use a Dask cluster, whose workers see the files under the same paths",
    )
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate; what cannot be used is named, and the exit status is then 1."""
    with ExitStack() as stack:
        output = stack.enter_context(staged(args.output))
        record = None if args.record is None else stack.enter_context(staged(args.record))
        if len(args.recordings) == 1:
            (job,) = _jobs(args, [output], [record])
            ((_, outcome),) = _outcomes([job], args)
            if isinstance(outcome, str):
                raise ValueError(outcome)
            faults = bool(outcome["faults"])
            _print(str(job.recording), outcome)
        else:
            faults = _run_several(args, output, record)
    print(f"results are in {args.output}")
    return 1 if faults else 0


def _run_several(args: argparse.Namespace, output: Path, record: Path | None) -> bool:
    """Evaluate into folders by name; returns whether there were any faults."""
    from tqdm import tqdm

    from difusionseg_core.evaluation.recordings.recording_run import write_json
    from difusionseg_core.evaluation.recordings.recordings_table import summary_row, table, total

    names = _unique_names(args.recordings)
    output.mkdir()
    if record is not None:
        record.mkdir()
    jobs = _jobs(
        args,
        [output / name for name in names],
        [None if record is None else record / name for name in names],
    )
    outcomes: dict[str, Outcome] = {}
    bar = tqdm(_outcomes(jobs, args), total=len(jobs), unit="recording", disable=None)
    for job, outcome in bar:
        outcomes[job.output.name] = outcome
        if isinstance(outcome, str):
            print(f"difusionseg: skipped: {outcome}", file=sys.stderr)
    reports = {name: outcomes[name] for name in names if not isinstance(outcomes[name], str)}
    if not reports:
        raise ValueError("none of the recordings could be evaluated")
    for name, report in reports.items():
        _print_faults(report, name)
    rows = [summary_row(name, report) for name, report in reports.items()]
    over_all = total(list(reports.values()))
    problems = [outcome for outcome in outcomes.values() if isinstance(outcome, str)]
    write_json(
        output / "summary.json",
        {"recordings": rows, "total": over_all, "problems": sorted(problems)},
    )
    (output / "summary.md").write_text(table(rows))
    print(table(rows), end="")
    if "segmentation" in over_all:
        print(f"mIoU {over_all['segmentation']['mIoU']:.4f} over all (class 0 counted)")
    return bool(problems) or any(report["faults"] for report in reports.values())


def _jobs(args: argparse.Namespace, outputs: list[Path], records: list[Path | None]) -> list[Job]:
    from difusionseg_core.evaluation.recordings.header_scan import Pairing
    from difusionseg_core.evaluation.recordings.recording_run import Job
    from difusionseg_core.imaging.alignment import IDENTITY

    pairing = Pairing(args.slop, args.thermal_time_offset, args.queue_size)
    pairing.pairer()  # refuses what cannot be, before anything is read
    return [
        Job(
            recording=recording.absolute() if args.cluster else recording,
            output=output.absolute(),
            record=record and record.absolute(),
            make_predictor=partial(make_predictor, args),
            rgb_topic=args.rgb_topic,
            thermal_topic=args.thermal_topic,
            mask_topic=args.mask_topic,
            pairing=pairing,
            thermal_to_rgb=tuple(args.thermal_to_rgb or IDENTITY),
            fusion_every=args.fusion_every,
        )
        for recording, output, record in zip(args.recordings, outputs, records, strict=True)
    ]


def _outcomes(jobs: list[Job], args: argparse.Namespace) -> Iterator[tuple[Job, Outcome]]:
    from difusionseg_core.evaluation.recordings.batch import evaluate_here, evaluate_on_cluster

    if args.cluster:
        return evaluate_on_cluster(jobs, args.cluster)
    return evaluate_here(jobs, args.workers)


def _unique_names(recordings: list[Path]) -> list[str]:
    """A folder's name for each: that of the recording, numbered where several bear it."""
    names: list[str] = []
    for recording in recordings:
        stem = recording.resolve().stem
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def _print(name: str, report: dict) -> None:
    cameras, offset = report["cameras"], report["offset_ms"]
    for role, camera in cameras.items():
        if "rate_hz" in camera:
            print(
                f"{role}: {camera['messages']} images, {camera['rate_hz']:.2f} Hz, jitter "
                f"{camera['jitter_ms']:.1f} ms, {camera['gaps']['count']} gaps"
            )
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
    _print_faults(report, name)


def _print_faults(report: dict, name: str) -> None:
    for line in report["faults"]:
        print(f"difusionseg: {name}: {line}", file=sys.stderr)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not '{text}'")
    return int(text)
