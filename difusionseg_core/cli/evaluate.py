"""`difusionseg evaluate`: score a model, or finished images, on a data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from difusionseg_core.cli.options import (
    add_data_options,
    add_model_options,
    folders_from,
    predictor_options,
)

_DESCRIPTION = """Run a model on a data set, or take finished images (--mask, --fused), and write
metrics.json, per_image.csv, report.html, report.md, and a model's mask/ and fused/. If a run was
stopped, the same command continues it; until it is complete, results are in OUTPUT.unfinished.
Damaged images are named and skipped; the exit status is then 1.
"""

_EXAMPLE = """examples:
  difusionseg evaluate --data MSRS --split test --model lite --output results --baselines
  difusionseg evaluate --data MSRS --split test --mask theirs/mask --output them
  difusionseg compare results them
"""

_OF_DATA_SET = Path()
"""`--boxes` without a folder."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on a data set",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--split", help="train, val, test, ... if the folder has splits")
    add_data_options(parser)
    parser.add_argument(
        "--registration",
        type=Path,
        metavar="FILE",
        help="registration.yaml of 'difusionseg register', for images that are not registered",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to create")
    parser.add_argument(
        "--mask", type=Path, help="score the masks (NAME.png) of this folder; no model is run"
    )
    parser.add_argument(
        "--fused", type=Path, help="score the fused images of this folder; no model is run"
    )
    parser.add_argument(
        "--objects",
        type=Path,
        metavar="FILE",
        help="score the boxes of this objects.json; no model is run",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        nargs="?",
        const=_OF_DATA_SET,
        metavar="FOLDER",
        help="score objects as boxes (COCO's average precision), or fail if that is impossible; "
        "with FOLDER, use its box files (NAME.txt) instead of those of the data set",
    )
    parser.add_argument(
        "--groups",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="groups of images to score separately as well: each a text file of names, or a folder",
    )
    parser.add_argument(
        "--without", choices=("rgb", "thermal"), help="camera whose images the model does not get"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="also score visible, thermal, average and maximum as fused images, and the model with "
        "one camera alone",
    )
    add_model_options(parser)
    parser.set_defaults(run=run, model=None)


def run(args: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 if an image was skipped."""
    from difusionseg_core.evaluation.data_sets.data_set_evaluation import (
        DataSetJob,
        evaluate_data_set,
    )
    from difusionseg_core.report.document import HTML

    finished = any(given is not None for given in (args.mask, args.fused, args.objects))
    if finished and (args.model or args.without):
        raise ValueError(
            "--mask, --fused and --objects score finished results; omit --model and --without"
        )
    args.model = args.model or "lite"
    metrics = evaluate_data_set(
        DataSetJob(
            data=args.data,
            output=args.output,
            split=args.split,
            model=None if finished else predictor_options(args),
            mask=args.mask,
            fused=args.fused,
            objects=args.objects,
            boxes=None if args.boxes == _OF_DATA_SET else args.boxes,
            require_boxes=args.boxes is not None,
            groups=tuple(args.groups),
            without=args.without,
            baselines=args.baselines,
            classes=args.classes,
            folders=folders_from(args),
            registration=args.registration,
        )
    )
    _print(metrics)
    print(f"results are in {args.output}; open {args.output / HTML} to read them")
    return 1 if metrics["problems"] else 0


def _print(metrics: dict[str, Any]) -> None:
    if "segmentation" in metrics:
        scores = metrics["segmentation"]
        line = ", ".join(
            f"{key} {scores[key]:.4f}"
            for key in ("mIoU", "mAcc", "accuracy", "fwIoU", "boundary_F1")
            if key in scores
        )
        print(f"{line} (class 0 counted)")
    if "boxes" in metrics:
        by_class = ", ".join(f"{name} {f1:.3f}" for name, f1 in metrics["boxes"]["F1"].items())
        print(f"box F1 {metrics['boxes']['mean_F1']:.4f} ({by_class})")
    if "objects" in metrics:
        scores = metrics["objects"]
        by_class = ", ".join(f"{name} {ap:.3f}" for name, ap in scores["AP50_by_class"].items())
        print(f"AP50 {scores['AP50'] or 0:.4f} ({by_class}), AP {scores['AP'] or 0:.4f}")
    for image, values in metrics.get("fusion", {}).items():
        texts = (f"{key} {value:.3f}" for key, value in values.items() if value is not None)
        print(f"{image}: " + ", ".join(texts))
