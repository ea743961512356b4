"""`difusionseg evaluate`: score a model on a data set."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from difusionseg_core.cli.predict import add_model_options, make_predictor
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.images import write_png
from difusionseg_core.evaluation import ImageResult, Summary, evaluate_images
from difusionseg_core.staging import staged

_EXAMPLE = """example:
  difusionseg evaluate --data MSRS --split test --model lite --output results --baselines
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on a data set",
        description="Write metrics.json, per_image.csv, mask/ and fused/.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--split", help="train, val, test, ... where the folder has splits")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--without", choices=("rgb", "thermal"), help="take this camera away from the model"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="score visible, thermal, average and maximum as fused images, too",
    )
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate; a broken image is named and skipped, and the exit status is then 1."""
    from tqdm import tqdm

    data_set = open_data_set(args.data, args.split)
    predictor = make_predictor(args)
    if predictor.label_set.num_classes != data_set.label_set.num_classes:
        raise ValueError(
            f"the model has {predictor.label_set.num_classes} classes, "
            f"the data set {data_set.label_set.num_classes}"
        )
    summary = Summary(data_set.label_set)
    rows, problems = [], []
    with staged(args.output) as output:
        for folder in ("mask", "fused"):
            (output / folder).mkdir(parents=True)
        results = evaluate_images(data_set, predictor, args.without, args.baselines)
        for result in tqdm(results, total=len(data_set.pairs), unit="image", disable=None):
            if isinstance(result, ImageResult):
                summary.add(result)
                rows.append(result.row())
                write_png(output / "mask" / f"{result.frame.name}.png", result.prediction.labels)
                write_png(output / "fused" / f"{result.frame.name}.png", result.prediction.fused)
            else:
                problems.append(str(result))
                print(f"difusionseg: skipped: {result}", file=sys.stderr)
        if not rows:
            raise ValueError(f"no image of {args.data} could be evaluated")
        report = {
            "data": str(args.data),
            "split": args.split,
            "model": args.model,
            "steps": predictor.steps,
            "without": args.without,
            **summary.report(),
            "problems": problems,
        }
        (output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
        with open(output / "per_image.csv", "w", newline="") as file:
            columns = dict.fromkeys(column for row in rows for column in row)
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(rows)
    _print(report)
    print(f"results are in {args.output}")
    return 1 if problems else 0


def _print(report: dict) -> None:
    if "segmentation" in report:
        print(f"mIoU {report['segmentation']['mIoU']:.4f} (class 0 counted)")
    if "boxes" in report:
        by_class = ", ".join(f"{name} {f1:.3f}" for name, f1 in report["boxes"]["F1"].items())
        print(f"box F1 {report['boxes']['mean_F1']:.4f} ({by_class})")
    for picture, metrics in report["fusion"].items():
        values = (f"{key} {value:.3f}" for key, value in metrics.items() if value is not None)
        print(f"{picture}: " + ", ".join(values))
