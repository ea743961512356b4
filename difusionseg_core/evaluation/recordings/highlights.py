"""The best and the worst frames of a recording, as pictures for its page."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.imaging.drawing import colorize, contact_sheet
from difusionseg_core.predictor import Prediction
from difusionseg_core.report.document import Picture

_SHOWN = 3


class Highlights:
    """Keeps the pictures of a few frames, ranked by mIoU where there is truth, else by Qabf."""

    def __init__(self, label_set: LabelSet, has_truth: bool) -> None:
        self._label_set = label_set
        self._key = "mIoU" if has_truth else "Qabf"
        self._best: list[tuple[float, str, bytes]] = []
        self._worst: list[tuple[float, str, bytes]] = []

    def consider(self, frame: RecordedFrame, prediction: Prediction, row: Mapping) -> None:
        """Keep the frame if its score, in its row of the time line, is among the best or worst."""
        score = row.get(self._key)
        if score is None or not np.isfinite(score):
            return
        for kept, sign in ((self._best, 1), (self._worst, -1)):
            if len(kept) == _SHOWN and sign * score <= sign * kept[-1][0]:
                continue
            kept.append((score, row["stamp"], self._strip(frame, prediction)))
            kept.sort(key=lambda item: -sign * item[0])
            del kept[_SHOWN:]

    def strips(self) -> dict[str, list[Picture]]:
        """Pictures by title. A short recording has each frame once."""
        best = {stamp for _, stamp, _ in self._best}
        worst = [item for item in self._worst if item[1] not in best]
        return {
            title: [
                Picture(
                    f"{place}_{stamp.replace('.', '_')}.jpg",
                    jpeg,
                    f"{stamp} s: {self._key} {score:.3f}",
                    wide=True,
                )
                for score, stamp, jpeg in kept
            ]
            for title, place, kept in (
                ("Best frames", "best", self._best),
                ("Worst frames", "worst", worst),
            )
        }

    def _strip(self, frame: RecordedFrame, prediction: Prediction) -> bytes:
        tiles = {
            "RGB": frame.rgb,
            "thermal": cv2.cvtColor(frame.thermal, cv2.COLOR_GRAY2RGB),
            "fused": prediction.fused,
            "prediction": colorize(prediction.labels, self._label_set),
        }
        if frame.labels is not None:
            tiles["truth"] = colorize(frame.labels, self._label_set)
        sheet = contact_sheet([list(tiles.values())], list(tiles), classes=self._label_set)
        return cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
