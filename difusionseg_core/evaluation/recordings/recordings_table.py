"""One table over several recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from difusionseg_core.evaluation.recordings.recording_scores import FUSION_METRICS
from difusionseg_core.metrics.segmentation import mean_iou

_COLUMNS = {
    "recording": "{}",
    "pairs": "{:d}",
    "rgb_hz": "{:.1f}",
    "thermal_hz": "{:.1f}",
    "offset_median_ms": "{:+.1f}",
    "dropped_rgb": "{:d}",
    "dropped_thermal": "{:d}",
    "refused": "{:d}",
    "mIoU": "{:.4f}",
    "Qabf": "{:.3f}",
    "VIF": "{:.3f}",
    "latency_ms": "{:.0f}",
}


def summary_row(name: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recording's metrics.json in one row; None for missing values.

    `latency_ms` is the median time from messages to mask.
    """
    cameras, dropped = report["cameras"], report["dropped"]
    refused = ("rgb_refused", "thermal_refused", "pairs_refused")
    return {
        "recording": name,
        "pairs": report["pairs"]["evaluated"],
        "rgb_hz": cameras["rgb"].get("rate_hz"),
        "thermal_hz": cameras["thermal"].get("rate_hz"),
        "offset_median_ms": report["offset_ms"]["median"],
        "dropped_rgb": dropped["rgb_without_partner"],
        "dropped_thermal": dropped["thermal_without_partner"],
        "refused": sum(dropped[cause] for cause in refused),
        "mIoU": report.get("segmentation", {}).get("mIoU"),
        "Qabf": report.get("fusion", {}).get("Qabf"),
        "VIF": report.get("fusion", {}).get("VIF"),
        "latency_ms": report["run"]["latency_ms"]["total"]["median"],
    }


def total(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return figures over all pairs of all recordings; segmentation from one confusion matrix."""
    summed: dict[str, Any] = {"pairs": sum(report["pairs"]["evaluated"] for report in reports)}
    labelled = [report["segmentation"] for report in reports if "segmentation" in report]
    if labelled:
        confusion = np.sum([one["confusion"] for one in labelled], axis=0)
        frames = sum(one["frames"] for one in labelled)
        summed["segmentation"] = {"frames": frames, "mIoU": mean_iou(confusion)}
    fused = [report["fusion"] for report in reports if "fusion" in report]
    if fused:
        frames = [one["frames"] for one in fused]
        summed["fusion"] = {"frames": sum(frames)}
        for name in FUSION_METRICS:
            values = [one[name] for one in fused]
            if None not in values:
                summed["fusion"][name] = float(np.average(values, weights=frames))
    return summed


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return markdown; columns that no row fills are left out."""
    names = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    lines = [names, ["---"] * len(names)]
    lines += [
        ["" if row[name] is None else _COLUMNS[name].format(row[name]) for name in names]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
