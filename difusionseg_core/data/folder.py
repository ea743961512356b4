"""Data sets on the disk: which files make a frame. Files belong together by name.

=========  =========================================================================
MSRS, MFD  `vi`, `ir`, `Segmentation_labels`, and `boxes` where there are any
FMB        `Visible`, `Infrared`, `Label`
MFNet      `images` (PNG of four channels, the fourth thermal), `labels`
=========  =========================================================================

A data set may be in splits: a folder of that layout each (`train`, `test`, ...), or one such
folder with lists of names beside it (`train.txt`, `test.txt`, ...). Class maps may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from difusionseg_core.classes import FMB, MSRS, LabelSet
from difusionseg_core.data.image_files import (
    IMAGE_ENDINGS,
    DataError,
    images_by_name,
    read_rgb_thermal,
)

VISIBLE, THERMAL, LABELS, BOXES = "vi", "ir", "Segmentation_labels", "boxes"

SPLITS = ("train", "val", "test", "test_day", "test_night")


@dataclass(frozen=True)
class Layout:
    """The folders of a data set; one folder for both cameras where they share their files."""

    name: str
    visible: str
    thermal: str
    labels: str
    label_set: LabelSet


LAYOUTS = (
    Layout("MSRS", VISIBLE, THERMAL, LABELS, MSRS),
    Layout("FMB", "Visible", "Infrared", "Label", FMB),
    Layout("MFNet", "images", "images", "labels", MSRS),
)


@dataclass(frozen=True)
class Pair:
    """The files of one frame; `name` is their common name without ending."""

    name: str
    visible: Path
    thermal: Path  # the same as `visible` where one file holds both
    labels: Path | None
    boxes: Path | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set, or one split of it. `missing` says, one line each, which files are not there."""

    folder: Path
    split: str | None
    layout: Layout
    pairs: list[Pair]
    missing: list[str]

    @property
    def label_set(self) -> LabelSet:
        return self.layout.label_set


def open_data_set(path: Path | str, split: str | None = None) -> DataSet:
    """The data set at `path`: a split's folder, a folder with `split` in it, or PATH/SPLIT.

    Raises DataError, in one line, for a folder of no known layout and for missing files.
    """
    data_set = find_data_set(path, split)
    if data_set.missing:
        shown, more = data_set.missing[:3], len(data_set.missing) - 3
        rest = f", and {more} more" if more > 0 else ""
        raise DataError(f"{data_set.folder}: {', '.join(shown)}{rest}")
    return data_set


def list_splits(path: Path | str) -> list[str]:
    """The splits that a folder holds, as folders or lists of names; often none."""
    path = Path(path)
    return [
        split
        for split in SPLITS
        if (path / f"{split}.txt").is_file() or _layout_of(path / split) is not None
    ]


def find_data_set(path: Path | str, split: str | None = None) -> DataSet:
    """As `open_data_set`, but missing files are listed in the result instead of refused."""
    path = Path(path)
    if split is None and not path.is_dir() and path.parent.is_dir():
        if (path.parent / f"{path.stem}.txt").is_file():
            path, split = path.parent, path.stem
    if not path.is_dir():
        raise DataError(f"there is no folder {path}")
    splits = list_splits(path)
    if split is None and splits:
        raise DataError(f"{path} holds the splits {', '.join(splits)}; name one of them")
    if split is None or (path / split).is_dir():
        folder = path / split if split else path
        return _collect(folder, split, names=None)
    if not (path / f"{split}.txt").is_file():
        raise DataError(
            f"{path} has no split '{split}'; expected a folder or a .txt file of that name, "
            f"found {', '.join(splits) or 'no splits'}"
        )
    lines = (path / f"{split}.txt").read_text().splitlines()
    return _collect(path, split, {line.strip().removesuffix(".png") for line in lines} - {""})


def _layout_of(folder: Path) -> Layout | None:
    for layout in LAYOUTS:
        if (folder / layout.visible).is_dir() or (folder / layout.thermal).is_dir():
            return layout
    return None


def _collect(folder: Path, split: str | None, names: set[str] | None) -> DataSet:
    """The frames of a folder that has a layout; only those in `names`, if given."""
    layout = _layout_of(folder)
    if layout is None:
        expected = "'vi' and 'ir' (MSRS), 'Visible' and 'Infrared' (FMB) or 'images' (MFNet)"
        raise DataError(f"{folder} is no data set: expected {expected}, found {_content(folder)}")
    visible, thermal, labels = (
        images_by_name(folder / part) if (folder / part).is_dir() else {}
        for part in (layout.visible, layout.thermal, layout.labels)
    )
    for part, files in ((layout.visible, visible), (layout.thermal, thermal)):
        if not files:
            raise DataError(
                f"{folder / part} holds no images: expected {', '.join(IMAGE_ENDINGS)}, "
                f"found {_content(folder / part)}"
            )
    if visible == thermal:
        read_rgb_thermal(next(iter(visible.values())))  # refuses pictures of another kind
    wanted = sorted(visible.keys() | thermal.keys() if names is None else names)
    if not wanted:
        raise DataError(f"{folder / split}.txt names no images")
    needed = {layout.visible: visible, layout.thermal: thermal}
    if labels:
        needed[layout.labels] = labels
    missing = [
        f"{part} lacks {name}"
        for part, files in needed.items()
        for name in wanted
        if name not in files
    ]
    pairs = [
        Pair(name, visible[name], thermal[name], labels.get(name), _boxes_of(name, folder, layout))
        for name in wanted
        if all(name in files for files in needed.values())
    ]
    return DataSet(folder, split, layout, pairs, missing)


def _boxes_of(name: str, folder: Path, layout: Layout) -> Path | None:
    file = folder / BOXES / f"{name}.txt"
    # Box files number the classes of MSRS.
    return file if layout.label_set is MSRS and file.is_file() else None


def _content(folder: Path) -> str:
    """What is in a folder, for people: the first few names."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
