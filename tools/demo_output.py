"""The demo's output folder: images by frame, a contact sheet and a summary."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.image_files import write_png
from difusionseg_core.imaging.drawing import contact_sheet, overlay
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou

FUSED, MASK, OVERLAY = "fused", "mask", "overlay"  # folders of images
SHEET, SUMMARY = "contact_sheet.png", "summary.json"


class OutputRefused(ValueError):
    """The output folder must not be replaced; the message is one line that says why."""


@contextmanager
def replaced(output: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `output` on success and is deleted on an error.

    Raises OutputRefused if `output` exists and is not the result of an earlier run.
    """
    output = output.absolute()
    _refuse_foreign(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the result, since a rename works only within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as stage:
        made = Path(stage, "made")
        made.mkdir()
        yield made
        _refuse_foreign(output)
        if output.exists():
            output.rename(Path(stage, "former"))
        made.rename(output)


class Album:
    """Writes the images of each frame to a folder, and keeps those of the contact sheet."""

    def __init__(self, folder: Path, label_set: LabelSet) -> None:
        self._folder = folder
        self._label_set = label_set
        self._rows: list[list[np.ndarray]] = []
        self._confusion: np.ndarray | None = None
        for name in (FUSED, MASK, OVERLAY):
            (folder / name).mkdir()

    def add(self, name: str, fused: np.ndarray, labels: np.ndarray, marked: np.ndarray) -> None:
        """Write a frame's outputs: (H, W, 3), (H, W), (H, W, 3) uint8."""
        for folder, image in ((FUSED, fused), (MASK, labels), (OVERLAY, marked)):
            write_png(self._folder / folder / f"{name}.png", image)

    def score(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Count a frame for the mean IoU. Raises ValueError if the sizes differ."""
        counts = confusion_matrix(truth, labels, self._label_set.num_classes)
        self._confusion = counts if self._confusion is None else self._confusion + counts

    def add_to_sheet(
        self,
        rgb: np.ndarray,
        thermal: np.ndarray,
        fused: np.ndarray,
        marked: np.ndarray,
        truth: np.ndarray | None,
    ) -> None:
        """Add a row to the contact sheet; `truth` (H, W) class ids, None for all rows or none."""
        row = [rgb, np.dstack([to_uint8(thermal)] * 3), fused, marked]
        if truth is not None:
            row.append(overlay(rgb, truth, self._label_set))
        self._rows.append(row)

    def finish(self, summary: dict, expected: float | None = None) -> float | None:
        """Write the sheet and the summary; return the mean IoU, None without ground truth.

        The sheet says the mean IoU, and the `expected` one if it is given.

        Mean over the classes that occur in the truth or the predictions, unlabelled (0) among them.
        """
        score = None if self._confusion is None else mean_iou(self._confusion)
        titles = ["RGB", "thermal", "fused", "classes", "ground truth"]
        note = "" if score is None else f"mean IoU {score:.2f} over the classes that occur"
        if note and expected is not None:
            note += f"; expected with the shipped weights: {expected:.2f}"
        titles = titles[: len(self._rows[0])]
        sheet = contact_sheet(self._rows, titles, classes=self._label_set, note=note)
        write_png(self._folder / SHEET, sheet)
        text = json.dumps({**summary, "mean_iou": score}, indent=2)
        (self._folder / SUMMARY).write_text(text + "\n")
        return score


def _refuse_foreign(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputRefused(f"{output} is not a folder; choose another --output")
    names = {item.name for item in output.iterdir()}
    ours = {FUSED, MASK, OVERLAY, SHEET, SUMMARY}
    if names and not (names <= ours and SUMMARY in names):
        raise OutputRefused(
            f"{output} is not the output of an earlier run; choose another --output"
        )
