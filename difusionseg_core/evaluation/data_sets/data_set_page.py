"""The page of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.file_names import images_by_name
from difusionseg_core.data.folder import DataSet, ImagePair
from difusionseg_core.data.frames import DataSetFrame, read_frame
from difusionseg_core.data.image_files import read_rgb
from difusionseg_core.data.label_files import read_labels
from difusionseg_core.evaluation.data_sets.image_scores import MODEL, ImageScores
from difusionseg_core.evaluation.data_sets.score_summary import table_row
from difusionseg_core.evaluation.metric_terms import TERMS
from difusionseg_core.imaging.drawing import contact_sheet, overlay
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.metrics.boundary import TOLERANCE
from difusionseg_core.report import charts
from difusionseg_core.report.document import Cell, Figure, Legend, Report, Section, Table

MAP_SCORES = {
    "mIoU": "mean IoU",
    "mAcc": "mean class accuracy",
    "accuracy": "overall accuracy",
    "fwIoU": "frequency-weighted IoU",
    "boundary_F1": "boundary F1",
}
_SHOWN = 3
"""Best and worst images on the page, each."""
_RANKED_BY = {
    "mIoU_without_0": "mIoU without class 0",
    "boxes_found": "share of boxes found",
    "Qabf": "Qabf",
}
"""What images are ranked by: the first that was measured."""
_HISTOGRAMS: tuple[str, ...] = (
    "mIoU",
    "mIoU_without_0",
    "boundary_F1",
    "boxes_found",
    "ECE",
    "EN",
    "MI",
    "SCD",
    "VIF",
)
_HISTOGRAMS += ("Qabf", "SSIM", "MS_SSIM")


@dataclass(frozen=True)
class EvaluatedImages:
    """The folders of an evaluation's images; None for images that were not scored."""

    data_set: DataSet
    fused: Path | None
    mask: Path | None

    def strip(self, name: str) -> np.ndarray:
        """Return RGB, thermal, fused image, prediction and truth of one image, side by side.

        Masks are shown over images; the legend of the page has their colours.
        """
        frame = read_frame(self._pair(name), self.data_set.label_set)
        label_set = self.data_set.known_label_set
        tiles = {
            "RGB": _with_boxes(frame, label_set),
            "thermal": cv2.cvtColor(to_uint8(frame.thermal), cv2.COLOR_GRAY2RGB),
        }
        if self.fused:
            tiles["fused"] = read_rgb(images_by_name(self.fused)[name])
        if self.mask:
            labels = read_labels(images_by_name(self.mask)[name])
            tiles["prediction"] = overlay(self._below(frame, tiles), labels, label_set)
        if frame.labels is not None:
            tiles["truth"] = overlay(frame.rgb, frame.labels, label_set)
        return contact_sheet([list(tiles.values())], list(tiles))

    @staticmethod
    def _below(frame: DataSetFrame, tiles: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the background of a prediction: the fused image, which also shows night scenes."""
        fused = tiles.get("fused")
        return fused if fused is not None and fused.shape == frame.rgb.shape else frame.rgb

    def _pair(self, name: str) -> ImagePair:
        return next(pair for pair in self.data_set.pairs if pair.name == name)


def evaluation_page(
    metrics: Mapping, images: Sequence[ImageScores], evaluated: EvaluatedImages, run: Mapping
) -> Report:
    """Return the page of `metrics` (see `summarize`), of `images` and of the `run`.

    `run` holds its options, machine and time.
    """
    label_set = evaluated.data_set.known_label_set
    rows = [table_row(image) for image in images]
    sections = []
    if "segmentation" in metrics:
        sections += _segmentation(metrics, label_set)
    if "boxes" in metrics:
        sections.append(_boxes(metrics, label_set))
    if "objects" in metrics:
        sections.append(_objects(metrics))
    if "fusion" in metrics:
        sections.append(_fusion(metrics))
    if "groups" in metrics:
        sections.append(_groups(metrics))
    if "calibration" in metrics:
        sections.append(_calibration(metrics["calibration"]))
    sections.append(_histograms(rows))
    sections += _best_and_worst(rows, evaluated)
    if metrics["problems"]:
        sections.append(Section("Skipped", list(metrics["problems"])))
    sections.append(_run(run))
    return Report(
        title=_title(metrics),
        subtitle=f"{metrics['images']} images of {metrics['data']}"
        + (f", split {metrics['split']}" if "split" in metrics else ""),
        sections=sections,
        headline=_headline(metrics),
        terms=TERMS,
    )


def _title(metrics: Mapping) -> str:
    if "model" not in metrics:
        return "Evaluation of finished images"
    model = Path(metrics["model"]).stem
    steps = "1 step" if metrics["steps"] == 1 else f"{metrics['steps']} steps"
    return f"Evaluation of {model}, {steps}" + (
        f", without {metrics['without']}" if "without" in metrics else ""
    )


def _headline(metrics: Mapping) -> list[tuple[str, str]]:
    figures = []
    if "segmentation" in metrics:
        figures.append((_number(metrics["segmentation"].get("mIoU")), "mIoU, class 0 counted"))
    if "boxes" in metrics:
        figures.append((_number(metrics["boxes"]["mean_F1"]), "box F1"))
    if "objects" in metrics:
        figures.append((_number(metrics["objects"]["AP50"]), "AP50 of objects"))
    if MODEL in metrics.get("fusion", {}):
        figures += [(_number(metrics["fusion"][MODEL][key]), key) for key in ("Qabf", "VIF", "SCD")]
    return figures


def _segmentation(metrics: Mapping, label_set: LabelSet) -> list[Section]:
    scores = metrics["segmentation"]
    sources = {MODEL: scores} | {
        f"{source} camera only": of_source["segmentation"]
        for source, of_source in metrics.get("baselines", {}).items()
    }
    averages = Table(
        ["", *MAP_SCORES.values()],
        [
            row
            for source, values in sources.items()
            for row in (
                [f"{source}, all classes", *(_number(values.get(key)) for key in MAP_SCORES)],
                [
                    f"{source}, without class 0",
                    *(_number(values["without_class_0"].get(key)) for key in MAP_SCORES),
                ],
            )
        ],
        "Against the masks of the data set, from one confusion matrix over all images; pixels "
        "labelled 255 are left out, and classes that do not occur. Boundary F1: outlines within "
        f"{100 * TOLERANCE} % of the diagonal (Csurka et al., BMVC 2013), over all images.",
    )
    confusion = np.array(scores["confusion"], np.int64)
    true = confusion.sum(1)
    by_class = Table(
        ["class", "IoU", "accuracy", "boundary F1", "share of true pixels"],
        [
            [
                Cell(name, label_set.display_palette[label]),
                *(
                    _number(scores[key].get(name))
                    for key in ("class_IoU", "class_accuracy", "class_boundary_F1")
                ),
                f"{true[label] / max(true.sum(), 1):.2%}",
            ]
            for label, name in enumerate(label_set.class_names)
        ],
        "The colours are those of prediction and truth below.",
    )
    shares = np.divide(
        confusion, true[:, None], out=np.full(confusion.shape, np.nan), where=true[:, None] > 0
    )
    figure = Figure(
        "confusion.png",
        charts.confusion(shares, label_set.class_names),
        "Share of the pixels of a true class (row) predicted as each class (column), in per cent.",
    )
    return [
        Section("Segmentation", [averages]),
        Section("By class", [by_class]),
        Section("Confusion matrix", [figure]),
    ]


def _boxes(metrics: Mapping, label_set: LabelSet) -> Section:
    sources = {MODEL: metrics["boxes"]} | {
        f"{source} camera only": of_source["boxes"]
        for source, of_source in metrics.get("baselines", {}).items()
    }
    names = list(metrics["boxes"]["F1"])
    rows = [
        [
            source,
            _number(scores["mean_F1"]),
            *(_number(scores["F1"][name]) for name in names),
            *(f"{scores['found'][name]} of {scores['boxes'][name]}" for name in names),
        ]
        for source, scores in sources.items()
    ]
    columns = ["", "mean F1", *(f"F1 {name}" for name in names), *(f"{n} found" for n in names)]
    return Section(
        "Boxes", [Table(columns, rows, metrics["protocols"]["boxes"].capitalize() + ".")]
    )


def _objects(metrics: Mapping) -> Section:
    sources = {MODEL: metrics["objects"]} | {
        f"{source} camera only": of_source["objects"]
        for source, of_source in metrics.get("baselines", {}).items()
        if "objects" in of_source
    }
    names = list(metrics["objects"]["boxes"])
    rows = [
        [
            source,
            _number(scores["AP50"]),
            _number(scores["AP"]),
            *(_number(scores["AP50_by_class"].get(name)) for name in names),
        ]
        for source, scores in sources.items()
    ]
    counts = ", ".join(f"{count} {name}" for name, count in metrics["objects"]["boxes"].items())
    note = f"True boxes: {counts}. {metrics['protocols']['objects'].capitalize()}."
    columns = ["", "AP50", "AP", *(f"AP50 {name}" for name in names)]
    return Section("Objects", [Table(columns, rows, note)])


def _fusion(metrics: Mapping) -> Section:
    by_source = metrics["fusion"]
    keys = list(next(iter(by_source.values())))
    rows = [
        [source, *(_number(values[key]) for key in keys)] for source, values in by_source.items()
    ]
    note = (
        "Means over images. All but MSE are better when higher. MI, SCD and VIF are sums over the "
        "two sources, CC, SSIM, MS_SSIM and MSE means; an image equal to both sources has no PSNR."
    )
    return Section("Fused images", [Table(["", *keys], rows, note)])


def _groups(metrics: Mapping) -> Section:
    columns: dict[str, tuple[str, ...]] = {}
    if "segmentation" in metrics:
        for key, name in MAP_SCORES.items():
            columns[name] = ("segmentation", key)
    if "boxes" in metrics:
        columns["box F1"] = ("boxes", "mean_F1")
    if "objects" in metrics:
        columns["AP50"] = ("objects", "AP50")
    if "calibration" in metrics:
        columns["ECE"] = ("calibration", "ECE")
    if MODEL in metrics.get("fusion", {}):
        for key in ("MI", "SCD", "VIF", "Qabf", "SSIM"):
            columns[key] = ("fusion", MODEL, key)
    rows = [
        [name, str(one["images"]), *(_number(_value_at(one, keys)) for keys in columns.values())]
        for name, one in {"all": metrics, **metrics["groups"]}.items()
    ]
    return Section("By group", [Table(["", "images", *columns], rows)])


def _value_at(values: Mapping, keys: Sequence[str]) -> float | None:
    """Return the number at `values[keys[0]][keys[1]]...`; None if it is missing."""
    for key in keys[:-1]:
        values = values.get(key, {})
    return values.get(keys[-1])


def _calibration(scores: Mapping) -> Section:
    pixels, hits, confidence = np.array(scores["bins"]).T
    filled = np.maximum(pixels, 1)
    figure = Figure(
        "calibration.png",
        charts.reliability(confidence / filled, hits / filled, pixels / max(pixels.sum(), 1)),
        f"Expected calibration error {scores['ECE']:.4f}: distance of accuracy from confidence in "
        f"{len(pixels)} equal bins, mean over pixels (Guo et al., ICML 2017).",
    )
    return Section("Confidence", [figure])


def _histograms(rows: Sequence[Mapping]) -> Section:
    values = {
        key: [row[key] for row in rows if key in row and np.isfinite(row[key])]
        for key in _HISTOGRAMS
    }
    values = {key: numbers for key, numbers in values.items() if numbers}
    caption = (
        "Number of images by score. The mIoU of an image is over the classes in it; without class "
        "0 it is that of the objects, if there are any."
    )
    return Section(
        "Scores of single images",
        [Figure("histograms.png", charts.histograms(values), caption)] if values else [],
    )


def _best_and_worst(rows: Sequence[Mapping], evaluated: EvaluatedImages) -> list[Section]:
    key = next((key for key in _RANKED_BY if any(key in row for row in rows)), None)
    if key is None:
        return []
    ranked = sorted((row for row in rows if key in row), key=lambda row: -row[key])
    count = min(_SHOWN, -(-len(ranked) // 2))
    worst = ranked[::-1][: min(count, len(ranked) - count)]
    return [
        Section(
            title,
            [
                class_legend(evaluated.data_set.known_label_set),
                *(_strip(place, row, key, evaluated) for row in chosen),
            ],
        )
        for title, place, chosen in (
            ("Best images", "best", ranked[:count]),
            ("Worst images", "worst", worst),
        )
        if chosen
    ]


def class_legend(label_set: LabelSet) -> Legend:
    """Return the colours of masks; the background is not coloured."""
    entries = enumerate(zip(label_set.class_names, label_set.display_palette, strict=True))
    return Legend(
        [
            Cell(name.replace("_", " "), color)
            for label, (name, color) in entries
            if label != label_set.background
        ]
    )


def _strip(place: str, row: Mapping, key: str, evaluated: EvaluatedImages) -> Figure:
    _, jpeg = cv2.imencode(
        ".jpg", evaluated.strip(row["name"])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    name = "".join(letter if letter.isalnum() else "_" for letter in row["name"])
    caption = f"{row['name']}: {_RANKED_BY[key]} {row[key]:.3f}"
    return Figure(f"{place}_{name}.jpg", jpeg.tobytes(), caption, wide=True)


def _with_boxes(frame: DataSetFrame, label_set: LabelSet) -> np.ndarray:
    image = frame.rgb.copy()
    for box in frame.boxes or ():
        corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
        cv2.rectangle(image, *corners, (255, 255, 255), 3)
        cv2.rectangle(image, *corners, label_set.display_palette[box.label], 1)
    return image


def _run(run: Mapping) -> Section:
    rows = [[key, str(value)] for key, value in run["options"].items() if value is not None]
    rows += [[key, str(value)] for key, value in run["machine"].items()]
    if "seconds_per_image" in run:
        rows.append(["seconds per image (median, model alone)", f"{run['seconds_per_image']:.3f}"])
    return Section("What was run", [Table(["", ""], rows)])


def _number(value: float | None) -> str:
    """Return a score for a table; a dash if there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    digits = 4 if abs(value) < 1 else 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f}"
