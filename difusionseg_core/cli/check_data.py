"""`difusionseg check-data`: report contents and problems of a data set, with samples."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from difusionseg_core.cli.options import add_data_options, folders_from
from difusionseg_core.data.check import DataSetReport, make_report, summarize_frames
from difusionseg_core.data.first_data_yaml import write_first_data_yaml
from difusionseg_core.data.folder import DataSet, find_data_set, list_splits
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import write_png
from difusionseg_core.data.sample_page import sample_page

_DESCRIPTION = """Count pairs, sizes, classes, day and night, and name every file that is missing,
cannot be read or does not fit; the exit status is then 1.

A data set has a folder of RGB images (rgb, vi, vis, visible, color), one of thermal images (ir,
infrared, thermal, lwir, t, ...) and, with masks, one of labels (labels, label, masks, ...). A
data.yaml in it names other folders and the classes. MSRS, MFNet, FMB and PST900 are recognized.
Splits are folders of these, lists of names beside them (train.txt, ...), or folders in each
camera's folder (visible/train, ...).
"""
_EXAMPLE = """examples:
  difusionseg check-data msrs --output checked
      all splits of msrs, with checked/samples.png and checked/report.json
  difusionseg check-data mfnet --split train
  difusionseg check-data yard --write-data-yaml
      a first yard/data.yaml with the ids in the masks, for you to name
"""
_SAMPLES = 8  # frames on the page, of all splits together


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "check-data",
        help="count the contents of a data set and find its problems",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DIR", help="a data set, or a split of it")
    parser.add_argument("--split", help="one split (default: all there are)")
    add_data_options(parser)
    parser.add_argument("--output", type=Path, help="folder for samples.png and report.json")
    parser.add_argument(
        "--write-data-yaml",
        action="store_true",
        help="write a first DIR/data.yaml from the masks; one that exists stays as it is",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the requested splits. Raises DataError if there is no data set."""
    folders = folders_from(args)
    splits: list[str | None] = [args.split]
    if args.split is None:
        splits = [*list_splits(args.data, args.classes, folders)] or [None]

    def found() -> list[DataSet]:
        return [find_data_set(args.data, split, args.classes, folders) for split in splits]

    data_sets = found()
    if args.write_data_yaml:
        print(f"{write_first_data_yaml(args.data, data_sets)}: give the classes their names\n")
        data_sets = found()
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
    reports, samples = [], []
    for data_set in data_sets:
        summaries = list(
            tqdm(
                summarize_frames(data_set),
                total=len(data_set.pairs),
                desc=data_set.split,
                unit="pair",
                disable=None,
            )
        )
        reports.append(make_report(data_set, summaries))
        _print(reports[-1])
        good = [
            pair
            for pair, summary in zip(data_set.pairs, summaries, strict=True)
            if not summary.problem
        ]
        count = min(max(_SAMPLES // len(data_sets), 1), len(good))
        chosen = [good[number * len(good) // count] for number in range(count)]
        samples += [read_frame(pair, data_set.label_set) for pair in chosen] if args.output else []
    if samples:
        write_png(args.output / "samples.png", sample_page(samples, data_sets[0].label_set))
    if args.output:
        text = json.dumps([asdict(report) for report in reports], indent=2)
        (args.output / "report.json").write_text(text + "\n")
    return 1 if any(report.problems for report in reports) else 0


def _print(report: DataSetReport) -> None:
    listed = report.split and Path(report.folder).name != report.split
    split = f", split '{report.split}'" if listed else ""
    print(f"{report.folder}{split}: {report.pairs} pairs in the layout of {report.layout}")
    if report.classes and report.label_set != report.layout:
        print(f"classes of {report.label_set}")
    sizes = ", ".join(f"{count} of {size}" for size, count in report.sizes.items())
    print(f"sizes (height x width): {sizes or 'none'}")
    print(f"day {report.day}, night {report.night} (known by {report.day_night_by})")
    if report.classes:
        print(f"{'class':<16}{'pixels':>10}{'images':>8}{'boxes':>8}")
    else:
        print("no labels")
    for one in report.classes:
        print(f"{one.name:<16}{one.share:>10.3%}{one.images:>8}{one.boxes:>8}")
    if report.ignored:
        print(f"ignored (255): {report.ignored:.3%} of all pixels")
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    print(f"problems: {len(report.problems) or 'none'}\n")
