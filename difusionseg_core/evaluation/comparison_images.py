"""The images in which two evaluations of a data set differ most, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.data.file_names import images_by_name
from difusionseg_core.data.folder import DataSet, open_data_set
from difusionseg_core.data.frames import DataSetFrame, read_frame
from difusionseg_core.data.image_files import read_rgb
from difusionseg_core.data.label_files import read_labels
from difusionseg_core.evaluation.comparison import Comparison
from difusionseg_core.evaluation.data_sets.data_set_page import class_legend
from difusionseg_core.evaluation.data_sets.data_set_run import FUSED, MASK
from difusionseg_core.evaluation.data_sets.result_store import RUN
from difusionseg_core.imaging.camera_settings import read_still_settings
from difusionseg_core.imaging.drawing import contact_sheet, overlay
from difusionseg_core.report.document import Figure, Legend

_SHOWN = 3
"""Number of images that gained most, and of those that lost most."""


def difference_figures(
    comparison: Comparison, folders: Mapping[str, Path], name: str
) -> list[Figure | Legend | str]:
    """Return the images that gained and lost most in evaluation `name` against the first.

    `folders` holds the evaluations by name. A line reports images that are not available, as for
    recordings or a data set that was moved; the list is empty if no image differs.
    """
    first = next(iter(folders))
    gains = [(image, gain) for image, gain in comparison.largest.get(name, []) if gain]
    chosen = [one for one in gains[:_SHOWN] if one[1] > 0]
    chosen += [one for one in gains[-_SHOWN:] if one[1] < 0]
    if not chosen:
        return []
    try:
        data_set = _data_set(folders[first])
        sources = {key: _images(folders[key]) for key in (first, name)}
        figures = [_figure(one, gain, data_set, sources, comparison) for one, gain in chosen]
    except (ValueError, OSError, KeyError) as error:
        return [f"Images are not shown: {error}"]
    return [class_legend(data_set.known_label_set), *figures]


def _data_set(folder: Path) -> DataSet:
    if not (folder / RUN).is_file():
        raise ValueError(f"{folder} is not an evaluation of a data set")
    options = json.loads((folder / RUN).read_text())["options"]
    data_set = open_data_set(Path(options["data"]), options.get("split"))
    if options.get("registration"):
        data_set = data_set.with_cameras(read_still_settings(Path(options["registration"])))
    if data_set.label_set is None:
        raise ValueError(f"{data_set.folder} has no classes")
    return data_set


def _images(folder: Path) -> dict[str, dict[str, Path]]:
    """Return files of an evaluation, by kind (mask, fused) and image name."""
    options = json.loads((folder / RUN).read_text())["options"]
    files = {}
    for kind in (MASK, FUSED):
        path = Path(options[kind]) if options.get(kind) else folder / kind
        if path.is_dir():
            files[kind] = images_by_name(path)
    return files


def _figure(
    image: str,
    gain: float,
    data_set: DataSet,
    sources: Mapping[str, Mapping[str, Mapping[str, Path]]],
    comparison: Comparison,
) -> Figure:
    pair = next(pair for pair in data_set.pairs if pair.name == image)
    frame = read_frame(pair, data_set.label_set)
    tiles = {"RGB": frame.rgb}
    for name, files in sources.items():
        tiles[name] = _result(frame, files, data_set)
    if frame.labels is not None:
        tiles["truth"] = overlay(frame.rgb, frame.labels, data_set.known_label_set)
    sheet = contact_sheet([list(tiles.values())], [title[:36] for title in tiles])
    _, jpeg = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    last = list(sources)[-1]
    file = "".join(letter if letter.isalnum() else "_" for letter in f"{last}_{image}")
    text = f"{image}: {comparison.ranked_by} {gain:+.3f} in {last}"
    return Figure(f"difference_{file}.jpg", jpeg.tobytes(), text, wide=True)


def _result(
    frame: DataSetFrame, files: Mapping[str, Mapping[str, Path]], data_set: DataSet
) -> np.ndarray:
    fused = read_rgb(files[FUSED][frame.name]) if FUSED in files else frame.rgb
    if MASK not in files:
        return fused
    labels = read_labels(files[MASK][frame.name], data_set.label_set)
    below = fused if fused.shape == frame.rgb.shape else frame.rgb
    return overlay(below, labels, data_set.known_label_set)


def all_difference_figures(
    comparison: Comparison, folders: Mapping[str, Path]
) -> dict[str, Sequence[Figure | Legend | str]]:
    """Return `difference_figures` of every evaluation but the first, by name."""
    return {name: difference_figures(comparison, folders, name) for name in list(folders)[1:]}
