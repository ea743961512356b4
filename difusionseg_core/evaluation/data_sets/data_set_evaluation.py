"""One evaluation of a data set from start to end: score every image, then summarise and report."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tqdm import tqdm

from difusionseg_core.classes import MSRS
from difusionseg_core.data.data_yaml import DataSetLayout
from difusionseg_core.data.file_names import images_by_name
from difusionseg_core.data.folder import DataSet, ImagePair, open_data_set
from difusionseg_core.data.groups import find_groups
from difusionseg_core.data.image_files import DataError
from difusionseg_core.evaluation.data_sets.data_set_page import EvaluatedImages, evaluation_page
from difusionseg_core.evaluation.data_sets.data_set_run import (
    FUSED,
    MASK,
    Failure,
    run_model,
    score_images,
)
from difusionseg_core.evaluation.data_sets.image_scores import MODEL, ImageScores
from difusionseg_core.evaluation.data_sets.result_store import Store
from difusionseg_core.evaluation.data_sets.score_summary import summarize, table_row
from difusionseg_core.evaluation.machine import machine
from difusionseg_core.imaging.camera_settings import read_still_settings
from difusionseg_core.metrics import average_precision
from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.object_file import (
    OBJECTS_FILE,
    object_entries,
    read_objects,
    write_objects,
)
from difusionseg_core.predictor import Predictor, PredictorOptions, find_weights
from difusionseg_core.report.document import write_report


@dataclass(frozen=True)
class DataSetJob:
    """Options of an evaluation.

    Either `model` is given, or finished results are scored instead: at least one of the folders
    `mask` and `fused` (NAME.png) and the file `objects` (objects.json). `boxes` is a folder of box
    files that replaces those of the data set; with `require_boxes` it is an error if objects
    cannot be scored. `groups` are text files of names or folders of images that are also scored
    separately. `without` is "rgb" or "thermal": a camera that is withheld from the model.
    `baselines` also scores simple fusions, and the model with each camera alone. `registration` is
    the file of 'difusionseg register' for images that are not registered.
    """

    data: Path
    output: Path
    split: str | None = None
    model: PredictorOptions | None = None
    mask: Path | None = None
    fused: Path | None = None
    objects: Path | None = None
    boxes: Path | None = None
    require_boxes: bool = False
    groups: tuple[Path, ...] = ()
    without: str | None = None
    baselines: bool = False
    classes: str | None = None
    folders: DataSetLayout | None = None
    registration: Path | None = None


def evaluate_data_set(job: DataSetJob) -> dict[str, object]:
    """Write metrics.json, per_image.csv, the report, and a model's masks and fused images.

    A stopped run continues where it stopped. Returns what metrics.json holds; "problems" lists the
    images that were skipped, one line each. Raises ValueError (DataError among them), OSError or
    ImportError, in one line.
    """
    data_set = open_data_set(job.data, job.split, job.classes, job.folders)
    data_set = _with_boxes(data_set, job.boxes)
    if job.registration is not None:
        data_set = data_set.with_cameras(read_still_settings(job.registration))
    groups = find_groups(data_set, job.groups)
    masks, fused = (_files_in(folder, data_set.pairs) for folder in (job.mask, job.fused))
    if not any(pair.labels or pair.boxes for pair in data_set.pairs):
        found = f"{data_set.folder} has no ground truth: neither masks nor boxes"
        if masks:
            raise DataError(f"{found}, so masks cannot be scored")
        if job.model:
            print(f"{found}; only fused images are scored")
    predictor = None if job.model is None else _predictor(job.model, data_set)
    _check_boxes(job, data_set)
    if data_set.label_set is None:  # nothing is labelled: use the model's classes
        data_set = data_set.with_classes(predictor.label_set if predictor else MSRS)
    label_set = data_set.known_label_set

    store = Store(job.output, _options(job, data_set, predictor))
    remaining = [pair for pair in data_set.pairs if pair.name not in store.done]
    if store.done:
        print(f"continuing after {len(store.done)} of {len(data_set.pairs)} images")
    if predictor is None:
        objects = None if job.objects is None else read_objects(job.objects, label_set)
        results = score_images(remaining, label_set, masks, fused, objects, job.baselines)
    else:
        results = run_model(
            remaining, label_set, predictor, store.folder, job.without, job.baselines
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
        raise ValueError(f"no image of {job.data} could be evaluated")
    return _finish(job, data_set, groups, store, problems)


def _with_boxes(data_set: DataSet, folder: Path | None) -> DataSet:
    """Return the data set with box files of another folder; images without a file have none."""
    if folder is None:
        return data_set
    if data_set.label_set is None:
        data_set = data_set.with_classes(MSRS)
    if not data_set.known_label_set.has_same_classes(MSRS):
        raise DataError(f"box files name classes of MSRS, but {data_set.folder} has others")
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    files = {path.stem: path for path in folder.glob("*.txt")}
    pairs = [replace(pair, boxes=files.get(pair.name)) for pair in data_set.pairs]
    if not any(pair.boxes for pair in pairs):
        raise DataError(f"{folder} has no box file (NAME.txt) of an image of {data_set.folder}")
    return replace(data_set, pairs=pairs)


def _files_in(folder: Path | None, pairs: Sequence[ImagePair]) -> dict[str, Path] | None:
    """Return the image file of every pair, by name."""
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


def _check_boxes(job: DataSetJob, data_set: DataSet) -> None:
    """Check what scoring objects needs: pycocotools, and boxes in the data set."""
    boxed = any(pair.boxes for pair in data_set.pairs)
    if job.require_boxes and not boxed:
        raise DataError(
            f"{data_set.folder} has no box files; name a folder of them: --boxes FOLDER"
        )
    if job.require_boxes and not average_precision.is_available():
        raise ImportError(average_precision.MISSING)
    if boxed and not average_precision.is_available():
        print(average_precision.MISSING)


def _predictor(options: PredictorOptions, data_set: DataSet) -> Predictor:
    predictor = options.open()
    expected, own = data_set.label_set, predictor.label_set
    if expected is None:
        return predictor
    if own.num_classes != expected.num_classes:
        raise ValueError(
            f"the model has {own.num_classes} classes ({own.name}), the data set "
            f"{expected.num_classes} ({expected.name})"
        )
    if not own.has_same_classes(expected):
        print(
            f"difusionseg: warning: the classes of the model are {', '.join(own.class_names)}; "
            f"those of the data set are {', '.join(expected.class_names)}; equal ids are compared",
            file=sys.stderr,
        )
    return predictor


def _options(job: DataSetJob, data_set: DataSet, predictor: Predictor | None) -> dict[str, object]:
    """Return what determines the results; a stopped run continues only with the same options."""
    options: dict[str, object] = {
        "data": str(job.data),
        "split": job.split,
        "names": _digest("\n".join(pair.name for pair in data_set.pairs).encode()),
        "boxes": _text(job.boxes),
        "baselines": job.baselines,
    }
    if job.registration is not None:
        options["registration"] = str(job.registration)
        options["registration_digest"] = _digest(job.registration.read_bytes())
    if predictor is None or job.model is None:
        names = ("mask", "fused", "objects")
        return options | {name: _text(getattr(job, name)) for name in names}
    return options | {
        "model": str(job.model.model),
        "weights": _digest(find_weights(job.model.model).read_bytes()),
        "backend": predictor.backend,
        "device": predictor.device,
        "precision": predictor.precision,
        "steps": predictor.steps,
        "schedule": job.model.schedule,
        "draws": job.model.draws,
        "seed": job.model.seed,
        "without": job.without,
    }


def _finish(
    job: DataSetJob,
    data_set: DataSet,
    groups: Mapping[str, set[str]],
    store: Store,
    problems: list[str],
) -> dict[str, object]:
    """Write the results over all images, and move the folder to its final name."""
    scores = [store.done[pair.name] for pair in data_set.pairs if pair.name in store.done]
    shown = ("data", "split", "model", "steps", "without", "mask", "fused", "objects", "boxes")
    metrics = {key: store.options[key] for key in shown if store.options.get(key) is not None}
    metrics |= summarize(scores, data_set.known_label_set, groups) | {"problems": problems}
    (store.folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    _write_table(store.folder / "per_image.csv", scores)
    if job.model and any(MODEL in one.objects for one in scores):
        entries = [
            entry
            for one in scores
            for entry in object_entries(
                one.name,
                [DetectedObject(*box) for box in one.objects[MODEL]],
                data_set.known_label_set,
            )
        ]
        write_objects(store.folder / OBJECTS_FILE, entries)
    about: dict[str, object] = {"machine": machine()}
    seconds = [one.seconds for one in scores if one.seconds is not None]
    if seconds:
        about["seconds_per_image"] = median(seconds)
    images = EvaluatedImages(
        data_set,
        fused=store.folder / FUSED if job.model else job.fused,
        mask=store.folder / MASK if job.model else job.mask,
    )
    page = evaluation_page(metrics, scores, images, {"options": store.options, **about})
    write_report(page, store.folder)
    store.finish([one.name for one in scores], about)
    return metrics


def _write_table(path: Path, scores: Sequence[ImageScores]) -> None:
    rows = [table_row(one) for one in scores]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, dict.fromkeys(column for row in rows for column in row))
        table.writeheader()
        table.writerows(rows)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
