"""Predict the pairs of a source into a folder, and continue stopped runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from difusionseg_core.data.image_files import read_rgb, write_png
from difusionseg_core.files import write_file
from difusionseg_core.imaging.alignment import Alignment
from difusionseg_core.imaging.drawing import overlay, side_by_side
from difusionseg_core.imaging.thermal_conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.video import VideoWriter
from difusionseg_core.prediction.sources import InputPair, PairSource
from difusionseg_core.predictor import Prediction, Predictor

FUSED, MASK, OVERLAY, OBJECTS = "fused", "mask", "overlay", "objects.json"
_VIDEO_RATE = 10.0  # frames a second of a video made of images
_TITLES = ("RGB", "thermal", "fused", "classes")
_TILE = 480  # width of an image in a video, pixels


@dataclass(frozen=True)
class PredictionOptions:
    """Where results go and how images are prepared.

    `video` is the path of an MP4 to write, or None. `overwrite` predicts finished pairs again.
    `show` is called with each (H, W, 3) uint8 RGB row of images, and returns whether to continue.
    """

    output: Path
    thermal: ThermalOptions = field(default_factory=ThermalOptions)
    alignment: Alignment = field(default_factory=Alignment)
    video: Path | None = None
    overwrite: bool = False
    show: Callable[[np.ndarray], bool] | None = None


@dataclass
class PredictionCounts:
    """Numbers of pairs by outcome; `seconds` of the predicted ones, with reading and writing."""

    predicted: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    network_seconds: float = 0.0


def predict_pairs(
    source: PairSource,
    predictor: Predictor,
    options: PredictionOptions,
    report: Callable[[str], None],
    advance: Callable[[], None] = lambda: None,
) -> PredictionCounts:
    """Write fused/, mask/ and overlay/ as PNG, and objects.json if the model finds objects.

    `report` gets a line for each pair that cannot be predicted, `advance` is called after each
    pair. Finished pairs are skipped, but are in the video.
    """
    return _Run(predictor, options, report).run(source, advance)


class _Run:
    def __init__(
        self, predictor: Predictor, options: PredictionOptions, report: Callable[[str], None]
    ) -> None:
        self._predictor = predictor
        self._options = options
        self._report = report
        self._thermal_grey: ThermalConversion | None = None
        self._objects = _ObjectsFile(options.output / OBJECTS)
        self._counts = PredictionCounts()

    def run(self, source: PairSource, advance: Callable[[], None]) -> PredictionCounts:
        if source.rate is not None:  # one camera's frames, which share a range
            self._thermal_grey = ThermalConversion(self._options.thermal)
        self._options.output.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            video = None
            if self._options.video is not None:
                rate = source.rate or _VIDEO_RATE
                video = stack.enter_context(VideoWriter(self._options.video, rate))
            stack.callback(self._objects.write)
            for pair in source.pairs:
                if not self._finish(pair, video):
                    break
                advance()
        return self._counts

    def _finish(self, pair: InputPair, video: VideoWriter | None) -> bool:
        """Predict a pair, or skip it; False to stop."""
        files = {name: self._file(name, pair.name) for name in (FUSED, MASK, OVERLAY)}
        done = not self._options.overwrite and all(file.exists() for file in files.values())
        if done:
            self._counts.skipped += 1
            if video is None and self._options.show is None:
                return True
        begin = perf_counter()
        try:
            rgb, thermal = self._prepared(pair)
            images = self._read(files) if done else self._predict(pair, rgb, thermal, files)
        except ValueError as error:
            self._report(f"{pair.name}: {error}")
            self._counts.failed += 1
            return True
        if not done:
            self._counts.predicted += 1
            self._counts.seconds += perf_counter() - begin
        if video is None and self._options.show is None:
            return True
        row = side_by_side(
            [rgb, cv2.cvtColor(thermal, cv2.COLOR_GRAY2RGB), *images], _TITLES, _TILE
        )
        if video is not None:
            video.write(row)
        return self._options.show is None or self._options.show(row)

    def _prepared(self, pair: InputPair) -> tuple[np.ndarray, np.ndarray]:
        rgb, thermal = pair.read()
        thermal_grey = self._thermal_grey or ThermalConversion(self._options.thermal)
        aligned_rgb, aligned = self._options.alignment(rgb, thermal_grey(thermal))
        assert aligned_rgb is not None and aligned is not None  # neither image was missing
        return aligned_rgb, aligned

    def _predict(
        self, pair: InputPair, rgb: np.ndarray, thermal: np.ndarray, files: dict[str, Path]
    ) -> list[np.ndarray]:
        """Write the results; return the fused image and the overlay."""
        result = self._predictor(rgb, thermal)
        self._counts.network_seconds += sum(result.timings.values())
        marked = overlay(result.fused, result.labels, self._predictor.label_set)
        for name, image in ((FUSED, result.fused), (MASK, result.labels), (OVERLAY, marked)):
            files[name].parent.mkdir(parents=True, exist_ok=True)
            write_png(files[name], image)
        self._objects.add(pair.name, result, self._predictor.label_set.class_names)
        return [result.fused, marked]

    def _read(self, files: dict[str, Path]) -> list[np.ndarray]:
        return [read_rgb(files[FUSED]), read_rgb(files[OVERLAY])]

    def _file(self, kind: str, name: str) -> Path:
        return self._options.output / kind / f"{name}.png"


class _ObjectsFile:
    """A list of objects; objects of images that are not predicted again are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: list[dict[str, object]] = []
        self._new: list[dict[str, object]] = []
        self._images: set[str] = set()
        if path.exists():
            try:
                self._kept = json.loads(path.read_text("utf-8"))
            except ValueError as error:
                raise ValueError(f"{path} is not JSON: {error}; remove it") from error

    def add(self, name: str, result: Prediction, class_names: tuple[str, ...]) -> None:
        """Add the objects of an image, if the model finds objects."""
        if result.objects is None:
            return
        self._images.add(name)
        self._new += [
            {
                "image": name,
                "class": class_names[each.label],
                "score": round(float(each.score), 4),
                "bbox": [round(side, 2) for side in (each.x, each.y, each.width, each.height)],
            }
            for each in result.objects
        ]

    def write(self) -> None:
        """Write the file, if there is anything to write."""
        if self._images:
            kept = [each for each in self._kept if each["image"] not in self._images]
            write_file(self._path, json.dumps(kept + self._new, indent=1) + "\n")
