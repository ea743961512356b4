"""`difusionseg evaluate`: score a model, or somebody's pictures, on a data set."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from difusionseg_core.classes import MSRS
from difusionseg_core.cli.predict import add_model_options, make_predictor
from difusionseg_core.data.folder import DataSet, Pair, open_data_set
from difusionseg_core.data.groups import find_groups
from difusionseg_core.data.image_files import DataError, images_by_name

if TYPE_CHECKING:
    from difusionseg_core.evaluation.data_sets.image_scores import ImageScores
    from difusionseg_core.evaluation.data_sets.result_store import Store
    from difusionseg_core.predictor import Predictor

_DESCRIPTION = """Run a data set through a model, or take finished pictures (--mask, --fused), and
write metrics.json, per_image.csv, report.html, report.md, and a model's mask/ and fused/.
A run that was stopped goes on where it was when the same command is given again; meanwhile its
results are in OUTPUT.unfinished. A broken image is named and skipped; the exit status is then 1.
"""

_EXAMPLE = """examples:
  difusionseg evaluate --data MSRS --split test --model lite --output results --baselines
  difusionseg evaluate --data MSRS --split test --mask theirs/mask --output them
  difusionseg compare results them
"""


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
    parser.add_argument("--split", help="train, val, test, ... where the folder has splits")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--mask", type=Path, help="score the class maps (NAME.png) of this folder, run no model"
    )
    parser.add_argument(
        "--fused", type=Path, help="score the fused images of this folder, run no model"
    )
    parser.add_argument(
        "--boxes", type=Path, help="box files (NAME.txt) instead of those of the data set"
    )
    parser.add_argument(
        "--groups",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="score these images apart, too: a text file of names, or a folder of images, each",
    )
    parser.add_argument(
        "--without", choices=("rgb", "thermal"), help="take this camera away from the model"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="score visible, thermal, average and maximum as fused images, too, and the model with "
        "one camera alone",
    )
    add_model_options(parser)
    parser.set_defaults(run=run, model=None)


def run(args: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 where an image was skipped."""
    from tqdm import tqdm

    from difusionseg_core.evaluation.data_sets.data_set_run import (
        Failure,
        run_model,
        score_pictures,
    )
    from difusionseg_core.evaluation.data_sets.result_store import Store

    finished = args.mask is not None or args.fused is not None
    if finished and (args.model or args.without):
        raise ValueError("--mask and --fused score finished pictures; leave out --model, --without")
    data_set = _with_boxes(open_data_set(args.data, args.split), args.boxes)
    groups = find_groups(data_set, args.groups)
    masks, fused = (_files_of(folder, data_set.pairs) for folder in (args.mask, args.fused))
    truth = any(pair.labels or pair.boxes for pair in data_set.pairs)
    if not truth and (masks or not finished):
        told = f"{data_set.folder} has no ground truth: neither class maps nor boxes"
        if masks:
            raise DataError(f"{told} to score masks against")
        print(f"{told}; only fused images are scored")
    predictor = None if finished else _predictor_for(data_set, args)

    store = Store(args.output, _options(args, data_set, predictor))
    todo = [pair for pair in data_set.pairs if pair.name not in store.done]
    if store.done:
        print(f"going on after {len(store.done)} of {len(data_set.pairs)} images")
    if finished:
        results = score_pictures(todo, data_set.label_set, masks, fused, args.baselines)
    else:
        results = run_model(
            todo, data_set.label_set, predictor, store.folder, args.without, args.baselines
        )
    problems = []
    with tqdm(
        total=len(data_set.pairs), initial=len(store.done), unit="image", disable=None
    ) as progress:
        for result in results:
            if isinstance(result, Failure):
                problems.append(result.message)
                progress.write(f"difusionseg: skipped: {result.message}", file=sys.stderr)
            else:
                store.add(result)
            progress.update()
    if not store.done:
        store.discard()
        raise ValueError(f"no image of {args.data} could be evaluated")
    scores = [store.done[pair.name] for pair in data_set.pairs if pair.name in store.done]
    _finish(args, data_set, groups, store, scores, problems)
    return 1 if problems else 0


def _with_boxes(data_set: DataSet, folder: Path | None) -> DataSet:
    """The data set with the box files of another folder; images without one have no boxes to
    score against.
    """
    if folder is None:
        return data_set
    if data_set.label_set is not MSRS:
        raise DataError(f"box files name classes of MSRS, but {data_set.folder} has others")
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    files = {path.stem: path for path in folder.glob("*.txt")}
    pairs = [replace(pair, boxes=files.get(pair.name)) for pair in data_set.pairs]
    if not any(pair.boxes for pair in pairs):
        raise DataError(f"{folder} holds no box file (NAME.txt) of an image of {data_set.folder}")
    return replace(data_set, pairs=pairs)


def _files_of(folder: Path | None, pairs: list[Pair]) -> dict[str, Path] | None:
    """The pictures of every image, by name."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    files = images_by_name(folder)
    missing = [pair.name for pair in pairs if pair.name not in files]
    if missing:
        more = f", and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(f"{folder} lacks {', '.join(missing[:3])}{more}")
    return files


def _predictor_for(data_set: DataSet, args: argparse.Namespace) -> Predictor:
    args.model = args.model or "lite"
    predictor = make_predictor(args)
    if predictor.label_set.num_classes != data_set.label_set.num_classes:
        raise ValueError(
            f"the model has {predictor.label_set.num_classes} classes, "
            f"the data set {data_set.label_set.num_classes}"
        )
    return predictor


def _options(
    args: argparse.Namespace, data_set: DataSet, predictor: Predictor | None
) -> dict[str, object]:
    """What decides the results; a stopped run goes on with the same only."""
    from difusionseg_core.predictor import find_weights

    options: dict[str, object] = {
        "data": str(args.data),
        "split": args.split,
        "names": _digest("\n".join(pair.name for pair in data_set.pairs).encode()),
        "boxes": _text(args.boxes),
        "baselines": args.baselines,
    }
    if predictor is None:
        return options | {"mask": _text(args.mask), "fused": _text(args.fused)}
    return options | {
        "model": args.model,
        "weights": _digest(find_weights(args.model).read_bytes()),
        "backend": predictor.backend,
        "device": predictor.device,
        "precision": predictor.precision,
        "steps": predictor.steps,
        "schedule": args.schedule,
        "draws": args.draws,
        "seed": args.seed,
        "without": args.without,
    }


def _finish(
    args: argparse.Namespace,
    data_set: DataSet,
    groups: dict[str, set[str]],
    store: Store,
    scores: list[ImageScores],
    problems: list[str],
) -> None:
    """Write what is made of all images, and give the folder its name."""
    from difusionseg_core.evaluation.benchmark import machine
    from difusionseg_core.evaluation.data_sets.data_set_page import Pictures, evaluation_page
    from difusionseg_core.evaluation.data_sets.data_set_run import FUSED, MASK
    from difusionseg_core.evaluation.data_sets.score_summary import summarize, table_row
    from difusionseg_core.report.document import HTML, write_report

    shown = ("data", "split", "model", "steps", "without", "mask", "fused", "boxes")
    metrics = {key: store.options[key] for key in shown if store.options.get(key) is not None}
    metrics |= summarize(scores, data_set.label_set, groups) | {"problems": problems}
    (store.folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    rows = [table_row(one) for one in scores]
    with open(store.folder / "per_image.csv", "w", newline="") as file:
        table = csv.DictWriter(file, dict.fromkeys(column for row in rows for column in row))
        table.writeheader()
        table.writerows(rows)
    seconds = [one.seconds for one in scores if one.seconds is not None]
    about = {"machine": machine()}
    if seconds:
        about["seconds_per_image"] = median(seconds)
    pictures = Pictures(
        data_set,
        fused=store.folder / FUSED if args.model else args.fused,
        mask=store.folder / MASK if args.model else args.mask,
    )
    page = evaluation_page(metrics, scores, pictures, {"options": store.options, **about})
    write_report(page, store.folder)
    store.finish([one.name for one in scores], about)
    _print(metrics)
    print(f"results are in {args.output}, a page to read in {args.output / HTML}")


def _print(metrics: dict) -> None:
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
    for picture, values in metrics.get("fusion", {}).items():
        texts = (f"{key} {value:.3f}" for key, value in values.items() if value is not None)
        print(f"{picture}: " + ", ".join(texts))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
