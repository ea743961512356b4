"""A first `data.yaml` for a folder whose classes are not described yet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from difusionseg_core.classes import IGNORE, MOST_CLASSES
from difusionseg_core.data.data_yaml import DATA_YAML
from difusionseg_core.data.folder import DataSet
from difusionseg_core.data.image_files import DataError
from difusionseg_core.data.label_files import read_ids

_HEAD = """\
# Written by 'difusionseg check-data'. Give the classes their names, then check the folder again.
"""


def write_first_data_yaml(folder: Path, data_sets: list[DataSet]) -> Path:
    """Write `folder`/data.yaml with the folders, ids or colours, and splits that were found.

    Raises DataError if there is one already, or if there are no labels or too many different ids.
    """
    path = folder / DATA_YAML
    ids, colors, damaged = _contents(data_sets)
    if not ids and not colors:
        reason = f" ({damaged[0]})" if damaged else ""
        raise DataError(f"{folder} has no labels to read classes from{reason}")
    if ids and colors:
        raise DataError(f"{folder} holds masks of ids and masks in colours; describe it by hand")
    lines = [_HEAD, *_folders(folder, data_sets)]
    lines += _of_ids(ids) if ids else _of_colors(colors)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError:
        raise DataError(f"{path} exists already; nothing was written") from None
    return path


def _contents(
    data_sets: list[DataSet],
) -> tuple[Counter[int], Counter[tuple[int, int, int]], list[str]]:
    """Return pixels by id, pixels by colour, and the label files that cannot be read."""
    ids: Counter[int] = Counter()
    colors: Counter[tuple[int, int, int]] = Counter()
    damaged = []
    for file in (pair.labels for data_set in data_sets for pair in data_set.pairs):
        if file is None:
            continue
        try:
            mask = read_ids(file)
        except DataError as error:
            damaged.append(str(error))
            continue
        if mask.ndim == 2:
            found, counts = np.unique(mask, return_counts=True)
            ids.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        else:
            found, counts = np.unique(mask.reshape(-1, 3), axis=0, return_counts=True)
            tuples = (tuple(color) for color in found.tolist())
            colors.update(dict(zip(tuples, counts.tolist(), strict=True)))
        for kinds in (ids, colors):
            if len(kinds) > MOST_CLASSES + 1:
                raise DataError(
                    f"{file.parent}: more than {MOST_CLASSES} different ids or colours; "
                    "these are not masks of class ids"
                )
    return ids, colors, damaged


def _folders(folder: Path, data_sets: list[DataSet]) -> list[str]:
    layout = data_sets[0].layout
    lines = [
        f"{side}: {name}"
        for side in ("visible", "thermal", "labels")
        if (name := getattr(layout, side))
    ]
    lists = [
        one.split for one in data_sets if one.split and (folder / f"{one.split}.txt").is_file()
    ]
    if lists:
        lines.append("splits:")
        lines += [f"  {split}: {split}.txt" for split in lists]
    return lines


def _of_ids(ids: Counter[int]) -> list[str]:
    """Return names for the ids found; those beyond 0 to K - 1 are mapped into that range."""
    found = sorted(ids)
    if set(found) <= {0, IGNORE} and len(found) == 2:  # a mask of black and white
        mapped, count = {IGNORE: 1}, 2
    else:
        classes = [one for one in found if one != IGNORE]
        if classes and classes[-1] < 2 * len(classes):  # few ids are merely absent
            mapped, count = {}, classes[-1] + 1
        else:
            mapped = {old: new for new, old in enumerate(classes) if old != new}
            count = len(classes)
    if count > MOST_CLASSES:
        raise DataError(f"expected up to {MOST_CLASSES} classes, found ids up to {found[-1]}")
    back = {new: old for old, new in mapped.items()}
    lines = ["names:"]
    for label in range(count):
        stored = back.get(label, label)
        name = "background" if stored == 0 else f"class_{label}"
        note = f", {stored} in the masks" if stored != label else ""
        lines.append(f"  {label}: {name}  # {ids[stored]:,} pixels{note}")
    # Without an id 0, nothing tells which class is no object.
    lines.append(f"background: {'null' if 0 in back else 0}")
    lines.append(f"ignore: {'null' if mapped.get(IGNORE) else IGNORE}")
    if mapped:
        lines.append("map: {" + ", ".join(f"{o}: {n}" for o, n in mapped.items()) + "}")
    return lines


def _of_colors(colors: Counter[tuple[int, int, int]]) -> list[str]:
    """Return names for the colours found, black or else the most frequent one first."""
    white = (255, 255, 255)
    black = (0, 0, 0)
    ordered = [color for color, _ in colors.most_common() if color not in (black, white)]
    ordered = ([black] if black in colors else []) + ordered
    names, palette = ["names:"], ["palette:"]
    for label, color in enumerate(ordered):
        name = "background" if label == 0 else f"class_{label}"
        names.append(f"  {label}: {name}  # {colors[color]:,} pixels")
        palette.append(f"  - {list(color)}")
    note = ["# White is ignored; give it a name and a line in the palette if it is a class."]
    return names + palette + ["background: 0"] + (note if white in colors else [])
