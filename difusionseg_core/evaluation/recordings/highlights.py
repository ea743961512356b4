"""Frames of a recording for its page: a film strip, and the best and the worst frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import cv2
import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.evaluation.recordings.recorded_frames import RecordedFrame
from difusionseg_core.imaging.blur import blur_classes
from difusionseg_core.imaging.drawing import caption, contact_sheet, overlay
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.objects.object_drawing import draw_objects
from difusionseg_core.predictor import Prediction
from difusionseg_core.report.document import Figure

_SHOWN = 3
_STRIP_FRAMES, _STRIP_COLUMNS, _STRIP_WIDTH = 24, 6, 320


class Highlights:
    """Keeps the images of a few of `total` frames.

    Images show the objects, and the class ids `blur` blurred. The best and worst are
    ranked by mIoU if there is ground truth, otherwise by Qabf.
    """

    def __init__(
        self, label_set: LabelSet, has_truth: bool, total: int, blur: Collection[int] = ()
    ) -> None:
        self._label_set = label_set
        self._blur = blur
        self._key = "mIoU" if has_truth else "Qabf"
        self._every = max(1, -(-total // _STRIP_FRAMES))
        self._seen = 0
        self._strip_tiles: list[np.ndarray] = []
        self._best: list[tuple[float, str, bytes]] = []
        self._worst: list[tuple[float, str, bytes]] = []

    def consider(
        self, frame: RecordedFrame, prediction: Prediction, found: FrameObjects, row: Mapping
    ) -> None:
        """Keep the images of a frame that the page shows; `row` is its row of the time line."""
        if self._seen % self._every == 0:
            self._strip_tiles.append(self._tile(self._marked(prediction, found), row["seconds"]))
        self._seen += 1
        score = row.get(self._key)
        if score is None or not np.isfinite(score):
            return
        for kept, sign in ((self._best, 1), (self._worst, -1)):
            if len(kept) == _SHOWN and sign * score <= sign * kept[-1][0]:
                continue
            kept.append((score, row["stamp"], self._row(frame, prediction, found)))
            kept.sort(key=lambda item: -sign * item[0])
            del kept[_SHOWN:]

    def film_strip(self) -> Figure:
        """Return frames spread evenly over the recording, with their times."""
        tiles = self._strip_tiles
        columns = min(_STRIP_COLUMNS, len(tiles))
        blank = np.full_like(tiles[0], 255)
        tiles = tiles + [blank] * (-len(tiles) % columns)
        rows = [
            np.concatenate(tiles[start : start + columns], axis=1)
            for start in range(0, len(tiles), columns)
        ]
        text = "Fused images with their masks; times are seconds since the first pair."
        return Figure("film_strip.jpg", _jpeg(np.concatenate(rows)), text, wide=True)

    def rows(self) -> dict[str, list[Figure]]:
        """Return figures by title. A short recording has each frame once."""
        best = {stamp for _, stamp, _ in self._best}
        worst = [item for item in self._worst if item[1] not in best]
        return {
            title: [
                Figure(
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

    def _marked(self, prediction: Prediction, found: FrameObjects) -> np.ndarray:
        """Return the fused image with classes and objects."""
        fused = blur_classes(prediction.fused, prediction.labels, self._blur)
        image = overlay(fused, prediction.labels, self._label_set)
        captions = found.captions(self._label_set)
        return draw_objects(image, found.objects, captions, self._label_set.display_palette)

    def _tile(self, image: np.ndarray, seconds: float) -> np.ndarray:
        # All of one height, also if the images of a recording change their size.
        size = (_STRIP_WIDTH, _STRIP_WIDTH * 3 // 4)
        return caption(cv2.resize(image, size, interpolation=cv2.INTER_AREA), f"{seconds:.1f} s")

    def _row(self, frame: RecordedFrame, prediction: Prediction, found: FrameObjects) -> bytes:
        rgb, thermal, fused = (
            blur_classes(image, prediction.labels, self._blur)
            for image in (
                frame.rgb,
                cv2.cvtColor(frame.thermal, cv2.COLOR_GRAY2RGB),
                prediction.fused,
            )
        )
        tiles = {
            "RGB": rgb,
            "thermal": thermal,
            "fused": fused,
            "prediction": self._marked(prediction, found),
        }
        if frame.labels is not None:
            tiles["truth"] = overlay(rgb, frame.labels, self._label_set)
        return _jpeg(contact_sheet([list(tiles.values())], list(tiles)))


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
