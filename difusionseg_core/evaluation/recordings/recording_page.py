"""The page of one evaluated recording."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.data_sets.data_set_page import class_legend
from difusionseg_core.evaluation.metric_terms import TERMS
from difusionseg_core.evaluation.recordings.highlights import Highlights
from difusionseg_core.report import charts
from difusionseg_core.report.document import Cell, Figure, Report, Section, Table

_POINTS = 300  # of a line; what lies between is averaged
_SHARES_SHOWN = 5


def recording_page(
    metrics: Mapping, folder: Path, label_set: LabelSet, highlights: Highlights
) -> Report:
    """Return the page of `metrics`, which metrics.json in `folder` holds, and of the time line."""
    pairs = metrics["pairs"]
    sections = [
        Section("Cameras", [_cameras(metrics["cameras"])]),
        Section("Pairs", [_pairs(metrics)]),
        Section("Time line", _time_line(metrics, folder, label_set)),
    ]
    if "segmentation" in metrics:
        sections.append(_segmentation(metrics["segmentation"], label_set))
    tables = [_objects(metrics["objects"])]
    if "identities" in metrics:
        tables.append(_identities(metrics["identities"]))
    sections.append(Section("Objects", tables))
    if "fusion" in metrics:
        fusion = {key: value for key, value in metrics["fusion"].items() if key != "frames"}
        note = f"Means over {metrics['fusion']['frames']} frames; better when higher, but MSE."
        row = ["fused image", *map(_number, fusion.values())]
        sections.append(Section("Fused images", [Table(["", *fusion], [row], note)]))
    legend = class_legend(label_set)
    sections.insert(0, Section("At a glance", [legend, highlights.film_strip()]))
    sections += [
        Section(title, [legend, *figures])
        for title, figures in highlights.rows().items()
        if figures
    ]
    sections.append(Section("Latency", [_latency(metrics["run"]["latency_ms"])]))
    if metrics["warnings"]:
        sections.insert(0, Section("Warnings", list(metrics["warnings"])))
    if metrics["faults"]:
        sections.append(Section("Faults", list(metrics["faults"])))
    sections.append(_run(metrics))
    return Report(
        title=f"Recording {Path(metrics['recording']).name}",
        subtitle=f"{pairs['evaluated']} of {pairs['paired']} pairs of {metrics['recording']}",
        sections=sections,
        headline=_headline(metrics),
        terms=TERMS,
    )


def _headline(metrics: Mapping) -> list[tuple[str, str]]:
    figures = [
        (f"{metrics['pairs']['evaluated']}", "pairs"),
        (f"{metrics['offset_ms']['median']:+.1f} ms", "time offset, median"),
    ]
    if "segmentation" in metrics:
        figures.append((_number(metrics["segmentation"]["mIoU"]), "mIoU, class 0 counted"))
    if "fusion" in metrics:
        figures.append((_number(metrics["fusion"]["Qabf"]), "Qabf"))
    return figures


def _cameras(cameras: Mapping) -> Table:
    rows = []
    for role, camera in cameras.items():
        interval, delay = camera.get("interval_ms") or {}, camera.get("recorded_after_stamp_ms")
        rows.append(
            [
                role,
                str(camera["messages"]),
                _number(camera.get("rate_hz")),
                *(_number(interval.get(key)) for key in ("median", "p95", "max")),
                _number(camera.get("jitter_ms")),
                str(camera.get("gaps", {}).get("count", 0)),
                *(str(camera[key]) for key in ("late", "jumps", "refused")),
                _number((delay or {}).get("median")),
            ]
        )
    columns = ["", "messages", "rate [Hz]", "interval [ms]", "95 %", "longest", "jitter [ms]"]
    columns += ["gaps", "late", "jumps back", "refused", "recorded after stamp [ms]"]
    note = (
        "Jitter: standard deviation of the intervals that are no gaps. Gap: more than 1.5 times "
        "the median interval. Late: not newer than the message before."
    )
    return Table(columns, rows, note)


def _pairs(metrics: Mapping) -> Table:
    rows = [[key.replace("_", " "), str(value)] for key, value in metrics["pairs"].items()]
    rows += [[key.replace("_", " "), str(value)] for key, value in metrics["dropped"].items()]
    offsets = metrics["offset_ms"]
    rows += [[f"time offset [ms], {key}", f"{value:+.2f}"] for key, value in offsets.items()]
    note = "Time offset: the thermal stamp minus the RGB stamp; p5 and p95 are percentiles."
    return Table(["", ""], rows, note)


def _time_line(metrics: Mapping, folder: Path, label_set: LabelSet) -> list[Figure]:
    count = metrics["pairs"]["evaluated"]
    rates = _averaged(folder / "rates.csv")
    seconds = rates.pop("second")
    cameras = {name: (seconds, values) for name, values in rates.items()}
    line, latency = (_averaged(folder / f"{name}.csv", count) for name in ("timeline", "latency"))
    times = line["seconds"]
    shares = {
        name: line[f"share_{name}"]
        for label, name in enumerate(label_set.class_names)
        if label != label_set.background
    }
    largest = sorted(shares, key=lambda name: -np.nanmax(shares[name]))[:_SHARES_SHOWN]
    lines = {
        "time offset [ms]": {"offset": (times, line["offset_ms"])},
        "share of pixels": {name: (times, shares[name]) for name in largest},
        "confidence": {"confidence": (times, line["confidence"])},
        "latency [s]": {
            name: (times, latency[name]) for name in ("conversion", "inference", "total")
        },
    }
    if "segmentation" in metrics:
        lines["mIoU"] = {"mIoU": (times, line["mIoU"])}
    return [
        Figure(
            "rates.png",
            charts.time_lines({"messages and pairs a second": cameras}),
            "By the time of recording. A pair counts when its later image was recorded.",
        ),
        Figure(
            "timeline.png",
            charts.time_lines(lines),
            f"By the time of recording, averaged to {_POINTS} points at most; the classes with the "
            "largest shares.",
        ),
    ]


def _averaged(path: Path, count: int | None = None) -> dict[str, np.ndarray]:
    """Return columns of a table of `count` rows (None: count first), averaged to few points.

    NaN if no cell is filled.
    """
    if count is None:
        count = sum(1 for _ in _rows(path))
    points = min(count, _POINTS)
    sums: dict[str, np.ndarray] = {}
    for index, row in enumerate(_rows(path)):
        point = index * points // count
        for name, cell in row.items():
            if cell:
                total = sums.setdefault(name, np.zeros((2, points)))
                total[:, point] += float(cell), 1
            else:
                sums.setdefault(name, np.zeros((2, points)))
    return {
        name: np.divide(total, filled, out=np.full(points, np.nan), where=filled > 0)
        for name, (total, filled) in sums.items()
    }


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def _segmentation(scores: Mapping, label_set: LabelSet) -> Section:
    confusion = np.array(scores["confusion"], np.int64)
    true = confusion.sum(1, keepdims=True)
    by_class = Table(
        ["class", "IoU", "true pixels"],
        [
            [
                Cell(name, label_set.display_palette[label]),
                _number(scores["IoU"].get(name)),
                f"{share:.2%}",
            ]
            for (label, name), share in zip(
                enumerate(label_set.class_names), true[:, 0] / max(true.sum(), 1), strict=True
            )
        ],
        f"mIoU {_number(scores['mIoU'])} over {scores['frames']} frames: {scores['protocol']}.",
    )
    shares = np.divide(confusion, true, out=np.full(confusion.shape, np.nan), where=true > 0)
    matrix = Figure(
        "confusion.png",
        charts.confusion(shares, label_set.class_names),
        "Share of the pixels of a true class (row) predicted as each class (column), in per cent.",
    )
    return Section("Segmentation", [by_class, matrix])


def _objects(by_class: Mapping) -> Table:
    keys = ("detections", "tracks", "mean", "maximum")
    rows = [[name, *(_number(row.get(key)) for key in keys)] for name, row in by_class.items()]
    note = (
        "Tracks are objects followed from frame to frame; mean and maximum are temperatures. "
        "objects.json and objects.csv list every object."
    )
    return Table(["class", "detections", "tracks", "mean [C]", "maximum [C]"], rows, note)


def _identities(by_class: Mapping) -> Table:
    keys = ("objects", "boxes", "found", "id_switches")
    rows = [[name, *(str(row[key]) for key in keys)] for name, row in by_class.items()]
    note = (
        "Of the objects with known identity: their boxes in all frames (both sides 12 px or more), "
        "those found (IoU 0.5 or more), and how often an object was found under another id."
    )
    return Table(["class", "known objects", "boxes", "found", "ID switches"], rows, note)


def _latency(stages: Mapping) -> Table:
    keys = ("median", "p95", "max")
    rows = [
        [stage, *(_number(of_stage[key]) for key in keys)] for stage, of_stage in stages.items()
    ]
    return Table(["stage [ms]", "median", "95 %", "longest"], rows)


def _run(metrics: Mapping) -> Section:
    run = metrics["run"]
    rows = [[key, str(value)] for key, value in metrics["pairing"].items()]
    rows += [["steps", str(metrics["steps"])], ["device", run["device"]]]
    rows += [["backend", run["backend"]], ["seconds in all", f"{run['seconds']:.1f}"]]
    rows += [[key, str(value)] for key, value in run["machine"].items()]
    return Section("What was run", [Table(["", ""], rows)])


def _number(value: float | None) -> str:
    """Return a number as text; a dash if there is none."""
    return "–" if value is None else f"{value:.4g}"
