"""Predict the pairs of a source into a folder, and continue stopped runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from difusionseg_core.data.image_files import read_rgb, write_png
from difusionseg_core.imaging.alignment import Alignment
from difusionseg_core.imaging.drawing import overlay, side_by_side
from difusionseg_core.imaging.thermal.conversion import (
    ThermalConversion,
    ThermalOptions,
    cropped,
)
from difusionseg_core.imaging.thermal.temperature import TemperatureScale, UnitGuess
from difusionseg_core.imaging.video import VideoWriter
from difusionseg_core.objects.frame_objects import FrameObjects, ObjectFinder
from difusionseg_core.objects.object_drawing import draw_objects
from difusionseg_core.objects.object_file import OBJECTS_FILE, tracked_entries, write_objects
from difusionseg_core.prediction.sources import InputPair, PairSource
from difusionseg_core.predictor import Prediction, Predictor

FUSED, MASK, OVERLAY = "fused", "mask", "overlay"
_VIDEO_RATE = 10.0  # frames a second of a video made of images
_TITLES = ("RGB", "thermal", "fused", "classes")
_TILE = 480  # width of an image in a video, pixels
_SHOWN_SCORE = 0.3  # lowest score of objects in overlays, the node's default


@dataclass(frozen=True)
class PredictionOptions:
    """Where results go and how images are prepared.

    `temperature` is what 16-bit and float counts mean. `video` is the path of an MP4 to write, or
    None. `overwrite` predicts finished pairs again. `show` is called with each (H, W, 3) uint8 RGB
    row of images, and returns whether to continue.
    """

    output: Path
    thermal: ThermalOptions = field(default_factory=ThermalOptions)
    alignment: Alignment = field(default_factory=Alignment)
    temperature: TemperatureScale = TemperatureScale("auto")
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
    """Write fused/, mask/ and overlay/ as PNG, and objects.json.

    Objects of a video or recording have the ids of their tracks, those with known thermal counts
    their temperatures.
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
        self._objects = _ObjectsFile(options.output / OBJECTS_FILE)
        self._guess: UnitGuess | None = None
        self._finder: ObjectFinder | None = None
        self._counts = PredictionCounts()

    def run(self, source: PairSource, advance: Callable[[], None]) -> PredictionCounts:
        if source.rate is not None:  # one camera's frames, which share a range
            self._thermal_grey = ThermalConversion(self._options.thermal)
            self._guess = UnitGuess()
            self._finder = ObjectFinder(first_id=self._objects.largest_id + 1)
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
            rgb, thermal, degrees = self._prepared(pair)
            if done:
                images = self._read(files)
            else:
                images = self._predict(pair, rgb, thermal, degrees, files)
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

    def _prepared(self, pair: InputPair) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """RGB, thermal grey and temperatures (None if unknown) in the RGB camera's pixels."""
        rgb, thermal = pair.read()
        degrees = self._degrees(thermal)
        if degrees is not None:
            degrees = self._options.alignment.align_thermal(degrees, rgb.shape[1::-1], np.nan)
        thermal_grey = self._thermal_grey or ThermalConversion(self._options.thermal)
        aligned_rgb, aligned = self._options.alignment(rgb, thermal_grey(thermal))
        assert aligned_rgb is not None and aligned is not None  # neither image was missing
        return aligned_rgb, aligned, degrees

    def _degrees(self, thermal: np.ndarray) -> np.ndarray | None:
        if thermal.ndim != 2:  # colours have no temperature
            return None
        counts, scale = cropped(thermal, self._options.thermal.crop), self._options.temperature
        if scale.unit == "auto" and self._guess is not None:
            scale = replace(scale, unit=self._guess(counts))
        return scale.celsius(counts)

    def _predict(
        self,
        pair: InputPair,
        rgb: np.ndarray,
        thermal: np.ndarray,
        degrees: np.ndarray | None,
        files: dict[str, Path],
    ) -> list[np.ndarray]:
        """Write the results; return the fused image and the overlay."""
        result = self._predictor(rgb, thermal)
        self._counts.network_seconds += sum(result.timings.values())
        found = self._found(pair, result, degrees)
        marked = self._marked(result, found)
        for name, image in ((FUSED, result.fused), (MASK, result.labels), (OVERLAY, marked)):
            files[name].parent.mkdir(parents=True, exist_ok=True)
            write_png(files[name], image)
        self._objects.add(pair.name, tracked_entries(pair.name, found, self._predictor.label_set))
        return [result.fused, marked]

    def _found(
        self, pair: InputPair, result: Prediction, degrees: np.ndarray | None
    ) -> FrameObjects:
        """All objects; followed from frame to frame in a video or recording."""
        finder = self._finder or ObjectFinder()
        return finder.find(
            pair.seconds or 0.0,
            result.objects,
            result.labels,
            result.confidence,
            result.fused,
            degrees,
            least_score=0.0,
        )

    def _marked(self, result: Prediction, found: FrameObjects) -> np.ndarray:
        """The fused image with the mask and the objects that are sure enough."""
        label_set = self._predictor.label_set
        objects = zip(found.objects, found.captions(label_set), strict=True)
        shown = [(one, text) for one, text in objects if one.score >= _SHOWN_SCORE]
        marked = overlay(result.fused, result.labels, label_set)
        boxes, texts = [one for one, _ in shown], [text for _, text in shown]
        return draw_objects(marked, boxes, texts, label_set.display_palette)

    def _read(self, files: dict[str, Path]) -> list[np.ndarray]:
        return [read_rgb(files[FUSED]), read_rgb(files[OVERLAY])]

    def _file(self, kind: str, name: str) -> Path:
        return self._options.output / kind / f"{name}.png"


class _ObjectsFile:
    """A list of objects; objects of images that are not predicted again are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: list[dict[str, Any]] = []
        self._new: list[dict[str, object]] = []
        self._images: set[str] = set()
        if path.exists():
            try:
                self._kept = json.loads(path.read_text("utf-8"))
            except ValueError as error:
                raise ValueError(f"{path} is not JSON: {error}; remove it") from error

    @property
    def largest_id(self) -> int:
        """The largest track id in the file; 0 if there is none."""
        return max((int(each.get("id", 0)) for each in self._kept), default=0)

    def add(self, name: str, entries: list[dict[str, object]]) -> None:
        """Add the objects of an image."""
        self._images.add(name)
        self._new += entries

    def write(self) -> None:
        """Write the file, if there is anything to write."""
        if self._images:
            kept = [each for each in self._kept if each["image"] not in self._images]
            write_objects(self._path, kept + self._new)
