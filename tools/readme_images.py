"""The README's images, made from the sample recording with the shipped weights.

    python -m tools.readme_images

It writes animation.webp (fused image and mask of every frame), demo.jpg (cameras, fused image
and mask of four frames), and fused.jpg (the fused images of six synthetic scenes beside the
pixel-wise maximum and average) to docs/images. Masks are shown with a legend, the tracked objects
and their temperatures.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from difusionseg_core import Predictor
from difusionseg_core.files import write_file
from difusionseg_core.imaging.drawing import contact_sheet, legend, overlay, side_by_side
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal.temperature import TemperatureScale
from difusionseg_core.objects.frame_objects import ObjectFinder
from difusionseg_core.objects.object_drawing import draw_objects
from difusionseg_core.prediction.sources import open_recording
from difusionseg_core.scenes import CONDITIONS, draw

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 3_000_000
_TILE = 400  # width of an image, pixels
_FRAME_MS = 200
_RATE = 10.0  # frames a second of the sample recording
_QUALITIES = (75, 60, 45, 30)
_SHEET_ROWS = 4
_SCENES_OF_EACH_LIGHT = 2
_OBJECT_SCORE = 0.3  # the node's default


@dataclass(frozen=True)
class ReadmeFrame:
    """The images of a frame, (H, W, 3) uint8 RGB; `classes` shows mask and objects."""

    rgb: np.ndarray
    thermal: np.ndarray
    fused: np.ndarray
    classes: np.ndarray


def frames(recording: Path, predictor: Predictor) -> Iterator[ReadmeFrame]:
    """All frames of a recording; objects are followed from one to the next."""
    grey, finder = ThermalConversion(ThermalOptions()), ObjectFinder()
    for number, pair in enumerate(open_recording(recording).pairs):
        rgb, counts = pair.read()
        thermal = grey(counts)
        result = predictor(rgb, thermal)
        found = finder.find(
            number / _RATE,
            result.objects,
            result.labels,
            result.confidence,
            result.fused,
            TemperatureScale("auto").celsius(counts),
            _OBJECT_SCORE,
        )
        label_set = predictor.label_set
        marked = overlay(result.fused, result.labels, label_set)
        captions = found.captions(label_set)
        marked = draw_objects(marked, found.objects, captions, label_set.display_palette)
        yield ReadmeFrame(rgb, np.dstack([thermal] * 3), result.fused, marked)


def animation(recording: Path, model: str, most: int) -> bytes:
    """Return a WebP animation of at most `most` evenly spaced frames, below MAX_BYTES.

    Raises ValueError if it is larger even at the lowest quality.
    """
    predictor = Predictor.from_pretrained(model, device="cpu")
    every = max(1, -(-open_recording(recording).total // most))
    pages = []
    for number, frame in enumerate(frames(recording, predictor)):
        if number % every == 0:
            row = side_by_side([frame.fused, frame.classes], ("fused", "classes"), _TILE)
            pages.append(np.vstack([row, legend(predictor.label_set, row.shape[1])]))
    for quality in _QUALITIES:
        encoded = _webp(pages, quality)
        if len(encoded) < MAX_BYTES:
            return encoded
    raise ValueError(f"the animation has {len(encoded)} bytes; use fewer --frames")


def sheet(recording: Path, model: str) -> bytes:
    """Return a JPEG of four evenly spaced frames: RGB, thermal, fused image and mask."""
    predictor = Predictor.from_pretrained(model, device="cpu")
    total = open_recording(recording).total
    shown = {round((row + 0.5) * total / _SHEET_ROWS) for row in range(_SHEET_ROWS)}
    rows = [
        [frame.rgb, frame.thermal, frame.fused, frame.classes]
        for number, frame in enumerate(frames(recording, predictor))
        if number in shown
    ]
    titles = ["RGB", "thermal", "fused", "classes"]
    return _jpeg(contact_sheet(rows, titles, tile_width=_TILE, classes=predictor.label_set))


def fused_scenes(model: str) -> bytes:
    """Return a JPEG of synthetic scenes: both cameras, their maximum, average and fused image."""
    predictor = Predictor.from_pretrained(model, device="cpu")
    rows = []
    for number in range(_SCENES_OF_EACH_LIGHT * len(CONDITIONS)):
        scene = draw(number, condition=CONDITIONS[number % len(CONDITIONS)])
        thermal = np.dstack([scene.thermal] * 3)
        average = np.mean([scene.rgb, thermal], axis=0).astype(np.uint8)
        fused = predictor(scene.rgb, scene.thermal).fused
        rows.append([scene.rgb, thermal, np.maximum(scene.rgb, thermal), average, fused])
    titles = ["RGB", "thermal", "maximum", "average", "lite"]
    return _jpeg(contact_sheet(rows, titles, tile_width=_TILE))


def _jpeg(page: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(page).save(file, "JPEG", quality=85)
    return file.getvalue()


def _webp(pages: list[np.ndarray], quality: int) -> bytes:
    first, *others = [Image.fromarray(page) for page in pages]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=_FRAME_MS,
        loop=0,
        quality=quality,
    )
    return file.getvalue()


def main() -> int:
    """Write the images; return the exit status."""
    parser = argparse.ArgumentParser(prog="readme_images", description=__doc__.split("\n")[0])
    parser.add_argument("--input", type=Path, default=ROOT / "sample", help="a recording")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images", help="folder")
    parser.add_argument("--model", default="lite", help="lite, or a .safetensors file")
    parser.add_argument(
        "--frames", type=int, default=44, help="maximum number of frames (default: 44)"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name, encoded in (
        ("animation.webp", animation(options.input, options.model, options.frames)),
        ("demo.jpg", sheet(options.input, options.model)),
        ("fused.jpg", fused_scenes(options.model)),
    ):
        write_file(options.output / name, encoded)
        print(f"{options.output / name}: {len(encoded) / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
