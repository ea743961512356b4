"""`data.yaml`: the classes and the folders of a data set.

    names: [background, car, person]    # or {0: background, 1: car, 2: person}
    palette: [[0, 0, 0], [0, 0, 255], [255, 0, 0]]    # optional
    background: 0                       # optional: id, name, or null for none
    ignore: 255                         # optional: id, or list of ids, that count nowhere
    map: {7: 1, 9: 255}                 # optional: ids in the label files -> class ids
    visible: rgb                        # optional: folders, if their names are not the usual ones
    thermal: thermal
    labels: labels
    suffixes: {visible: _rgb, thermal: _ir, labels: _mask}    # optional
    splits: {train: train.txt, val: val.txt}                  # optional: lists or folders

The data sets in `sets/` are described in the same way.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from difusionseg_core.classes import IGNORE, LabelSet
from difusionseg_core.data.file_names import read_text
from difusionseg_core.data.image_files import DataError
from difusionseg_core.data.label_files import LabelCoding

DATA_YAML = "data.yaml"

_SETS = Path(__file__).parent / "sets"
_SIDES = ("visible", "thermal", "labels")
_FOLDERS = (*_SIDES, "boxes")
_SPLIT_KEYS = ("train", "val", "test")  # also accepted beside `names`, as in other trainers
_KEYS = (
    *("name", "names", "nc", "palette", "background", "ignore", "map"),
    *_FOLDERS,
    *("suffixes", "splits", *_SPLIT_KEYS, "recognized_by"),
)
_LARGEST_ID = (1 << 16) - 1


@dataclass(frozen=True)
class DataSetLayout:
    """A description of a data set. Folders are relative to the data set; None if not given.

    `label_set` is None if the classes are not known; data without labels need none. The folders of
    a `shipped` data set are looked for under other names if they are missing.
    `recognized_by` names folders beside those of images and labels that must be there for a
    shipped data set to be recognized without being named.
    """

    name: str
    visible: str | None = None
    thermal: str | None = None
    labels: str | None = None
    boxes: str | None = None
    label_set: LabelSet | None = None
    coding: LabelCoding = field(default_factory=LabelCoding)
    suffixes: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    recognized_by: tuple[str, ...] = ()
    shipped: bool = False


def read_data_yaml(path: Path) -> DataSetLayout:
    """Read a data.yaml. Raises DataError, in one line, that names the file and the key."""
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise DataError(f"{path}{where}: not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected keys such as 'names:', found {type(content).__name__}")
    try:
        return _layout(content, path.parent.name if path.name == DATA_YAML else path.stem)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


@cache
def shipped_layouts() -> dict[str, DataSetLayout]:
    """Return the data sets that this package describes, by the name of their file."""
    files = sorted(_SETS.glob("*.yaml"), key=lambda path: (path.stem != "msrs", path.stem))
    return {path.stem: replace(read_data_yaml(path), shipped=True) for path in files}


def find_layout(classes: Path | str) -> DataSetLayout:
    """Return what `--classes` names: a data.yaml, a folder with one, or a shipped data set.

    Raises DataError.
    """
    path = Path(classes)
    if path.is_dir():
        path = path / DATA_YAML
    if path.is_file():
        return read_data_yaml(path)
    shipped = shipped_layouts()
    if str(classes).lower() in shipped:
        return shipped[str(classes).lower()]
    raise DataError(
        f"there is no file {path} with classes, and no known data set of that name "
        f"({', '.join(shipped)})"
    )


def _layout(content: dict[Any, Any], name: str) -> DataSetLayout:
    for key in content:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(_KEYS)}"
            raise ValueError(f"unknown key '{key}'; {hint}")
    label_set = LabelSet.from_mapping(content, name) if content.get("names") is not None else None
    if label_set is None:
        for key in ("palette", "map", "nc"):
            if key in content:
                raise ValueError(f"'{key}' needs 'names'")
    elif content.get("nc", label_set.num_classes) != label_set.num_classes:
        raise ValueError(f"nc is {content['nc']}, but there are {label_set.num_classes} names")
    texts = {key: _text(content, key) for key in _FOLDERS}
    recognized_by = content.get("recognized_by", [])
    if not isinstance(recognized_by, list) or not all(isinstance(o, str) for o in recognized_by):
        raise ValueError("recognized_by: expected a list of folders")
    splits = _texts(content, "splits")
    for key in _SPLIT_KEYS:
        split = _text(content, key)
        if split is not None:
            splits.setdefault(key, split)
    suffixes = _texts(content, "suffixes")
    if not suffixes.keys() <= set(_SIDES):
        raise ValueError(f"suffixes: expected {', '.join(_SIDES)}, found {', '.join(suffixes)}")
    return DataSetLayout(
        name=label_set.name if label_set else str(content.get("name", name)),
        label_set=label_set,
        visible=texts["visible"],
        thermal=texts["thermal"],
        labels=texts["labels"],
        boxes=texts["boxes"],
        coding=LabelCoding(_ignored(content), _map(content, label_set) if label_set else {}),
        suffixes=suffixes,
        splits=splits,
        recognized_by=tuple(recognized_by),
    )


def _text(content: dict[Any, Any], key: str) -> str | None:
    value = content.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(f"{key}: expected a path, found {value!r}")
    return value


def _texts(content: dict[Any, Any], key: str) -> dict[str, str]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{key}: expected a map, found {value!r}")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or "\0" in text:
            raise ValueError(f"{key}: expected texts, found {name!r}: {text!r}")
    return dict(value)


def _ignored(content: dict[Any, Any]) -> tuple[int, ...]:
    value = content.get("ignore", IGNORE)
    values = [] if value is None else value if isinstance(value, list) else [value]
    return tuple(_id(one, "ignore") for one in values)


def _map(content: dict[Any, Any], label_set: LabelSet) -> dict[int, int]:
    value = content.get("map") or {}
    if not isinstance(value, dict):
        raise ValueError(
            f"map: expected a map of ids in the label files to class ids, found {value!r}"
        )
    mapped = {}
    for label, target in value.items():
        target = IGNORE if target is None else _id(target, "map")
        if target != IGNORE and target >= label_set.num_classes:
            raise ValueError(
                f"map: {label}: {target} is no class id, 0 to {label_set.num_classes - 1}, or "
                f"{IGNORE} to ignore"
            )
        mapped[_id(label, "map")] = target
    return mapped


def _id(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_ID:
        raise ValueError(f"{key}: expected ids from 0 to {_LARGEST_ID}, found {value!r}")
    return value
