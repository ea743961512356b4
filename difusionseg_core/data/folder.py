"""Data sets on disk: the files of each frame.

A data set is a folder with one folder for each camera, and one for labels if there are any.
Files of a frame have equal names (`file_names`). The folders are found by their names
(`file_names.WORDS`), or a `data.yaml` names them (`data_yaml`). The data sets of `sets/` are
recognized by their folders.

A data set may have splits: one folder of that layout each (`train`, `test`, ...), lists of names
beside the folders (`train.txt`, ...), or a folder per split in each camera's folder
(`visible/train`, ...).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from difusionseg_core.classes import MSRS, LabelSet
from difusionseg_core.data.data_yaml import (
    DATA_YAML,
    DataSetLayout,
    find_layout,
    read_data_yaml,
    shipped_layouts,
)
from difusionseg_core.data.file_names import (
    WORDS,
    Files,
    folder_of_side,
    folders_of,
    images_by_name,
    images_of,
    read_names,
    with_common_names,
)
from difusionseg_core.data.image_files import IMAGE_ENDINGS, DataError, read_rgb_thermal
from difusionseg_core.data.label_files import LabelCoding
from difusionseg_core.imaging.camera_settings import CameraSettings

VISIBLE, THERMAL, LABELS, BOXES = "vi", "ir", "Segmentation_labels", "boxes"
"""The folders of a data set that this package writes, those of MSRS."""

SPLITS = ("train", "val", "valid", "validation", "test", "test_day", "test_night")

_SIDES = ("visible", "thermal", "labels")


@dataclass(frozen=True)
class ImagePair:
    """The files of one frame; `name` is their common name without ending.

    `coding` is the meaning of the ids in `labels`, `cameras` the settings that register the images;
    None for registered images.
    """

    name: str
    visible: Path
    thermal: Path  # the same as `visible` if one file holds both
    labels: Path | None
    boxes: Path | None = None
    coding: LabelCoding = LabelCoding()
    cameras: CameraSettings | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set, or one split of it. `missing` lists the missing files, one line each."""

    folder: Path
    split: str | None
    layout: DataSetLayout
    pairs: list[ImagePair]
    missing: list[str]

    @property
    def label_set(self) -> LabelSet | None:
        """The classes of the labels; None if they are not known."""
        return self.layout.label_set

    @property
    def known_label_set(self) -> LabelSet:
        """The classes of the labels. Raises DataError if they are not known."""
        if self.label_set is None:
            raise DataError(
                f"{self.folder} has no classes; describe them in a data.yaml, or name them with "
                "--classes"
            )
        return self.label_set

    def with_classes(self, label_set: LabelSet) -> DataSet:
        """The same files with other classes."""
        return replace(self, layout=replace(self.layout, label_set=label_set))

    def with_cameras(self, cameras: CameraSettings | None) -> DataSet:
        """Return the same files with camera settings for unregistered images; None: registered."""
        return replace(self, pairs=[replace(pair, cameras=cameras) for pair in self.pairs])

    @property
    def is_labelled(self) -> bool:
        """Whether a frame has labels."""
        return any(pair.labels for pair in self.pairs)


def open_data_set(
    path: Path | str,
    split: str | None = None,
    classes: Path | str | None = None,
    folders: DataSetLayout | None = None,
) -> DataSet:
    """Return the data set at `path`: a split's folder, a folder with `split` in it, or PATH/SPLIT.

    `classes` is a data.yaml or the name of a shipped data set; without it, the data.yaml in the
    folder or beside the split is used. The `visible`, `thermal` and `labels` of `folders` name the
    folders of images. Raises DataError, in one line, for a folder of unknown layout and for
    missing files.
    """
    data_set = find_data_set(path, split, classes, folders)
    if data_set.missing:
        shown, more = data_set.missing[:3], len(data_set.missing) - 3
        rest = f", and {more} more" if more > 0 else ""
        raise DataError(f"{data_set.folder}: {', '.join(shown)}{rest}")
    return data_set


def list_splits(
    path: Path | str, classes: Path | str | None = None, folders: DataSetLayout | None = None
) -> list[str]:
    """Return the splits of a data set, from its data.yaml, folders or lists; may be empty."""
    path = Path(path)
    if not path.is_dir():
        return []
    given = _given(path, classes, folders)
    if given and given.splits:
        return list(given.splits)
    return [split for split in SPLITS if _is_split(path, split, given)]


def find_data_set(
    path: Path | str,
    split: str | None = None,
    classes: Path | str | None = None,
    folders: DataSetLayout | None = None,
) -> DataSet:
    """Open a data set as `open_data_set` does, but list missing files instead of raising."""
    path = Path(path)
    if path.is_file() and path.name == DATA_YAML:
        path, classes = path.parent, classes or path
    if split is None and not path.is_dir() and path.parent.is_dir():
        root, name = path.parent, path.stem
        if name in list_splits(root, classes, folders) or _is_split(root, name, None):
            path, split = root, name
    if not path.is_dir():
        raise DataError(f"there is no folder {path}")
    given = _given(path, classes, folders)
    splits = list_splits(path, classes, folders)
    if split is None and splits:
        raise DataError(f"{path} holds the splits {', '.join(splits)}; name one of them")
    if split is None:
        return _collect(path, None, given)
    if given and split in given.splits:
        return _described_split(path, split, given)
    if (path / split).is_dir():
        return _collect(path / split, split, given)
    if (path / f"{split}.txt").is_file():
        return _collect(path, split, given, names=path / f"{split}.txt")
    if _is_split(path, split, given):
        return _collect(path, split, given, inner=split)
    raise DataError(
        f"{path} has no split '{split}'; expected a folder or a .txt file of that name, "
        f"found {', '.join(splits) or 'no splits'}"
    )


def pair_images(rgb: Path, thermal: Path) -> tuple[list[ImagePair], list[str]]:
    """Return the pairs of two files or folders, and a line for every image without partner.

    Files of folders are paired by name, see `with_common_names`. Raises DataError for what
    does not exist, and if no image has a partner.
    """
    for path in (rgb, thermal):
        if not path.exists():
            raise DataError(f"there is no file or folder {path}")
    if rgb.is_file() and thermal.is_file():
        return [ImagePair(rgb.stem, rgb, thermal, None)], []
    if rgb.is_file() or thermal.is_file():
        raise DataError("--rgb and --thermal must be two files or two folders")
    sides = {"visible": images_by_name(rgb), "thermal": images_by_name(thermal)}
    for path, files in zip((rgb, thermal), sides.values(), strict=True):
        if not files:
            raise DataError(f"{path} holds no images: found {_content(path)}")
    named = with_common_names(sides, {})
    visible, warm = named["visible"], named["thermal"]
    alone = [f"{visible[name]} has no thermal partner" for name in sorted(visible.keys() - warm)]
    alone += [f"{warm[name]} has no RGB partner" for name in sorted(warm.keys() - visible)]
    pairs = [
        ImagePair(name, visible[name], warm[name], None)
        for name in sorted(visible.keys() & warm.keys())
    ]
    if not pairs:
        raise DataError(f"no image has a partner of the same name; {alone[0]}")
    return pairs, alone


def _given(
    path: Path, classes: Path | str | None, folders: DataSetLayout | None
) -> DataSetLayout | None:
    """Return the user's description: `classes`, or a data.yaml in or above the folder."""
    layout = None
    if classes is not None:
        layout = find_layout(classes)
    else:
        for file in (path / DATA_YAML, path.absolute().parent / DATA_YAML):
            if file.is_file():
                layout = read_data_yaml(file)
                break
    if folders is None:
        return layout
    said = {side: value for side in _SIDES if (value := getattr(folders, side))}
    layout = layout or DataSetLayout("named folders")
    if layout.shipped:  # its classes are meant, not its folders
        layout = replace(layout, visible=None, thermal=None, labels=None, shipped=False)
    return replace(layout, **said)


def _is_split(path: Path, split: str, given: DataSetLayout | None) -> bool:
    if (path / f"{split}.txt").is_file():
        return True
    if (path / split).is_dir() and _layout_in(path / split, given) is not None:
        return True
    layout = _layout_in(path, given)
    return layout is not None and _has_inner(path, split, layout)


def _has_inner(path: Path, split: str, layout: DataSetLayout) -> bool:
    return all(folders_of(path, f"{one}/{split}") for one in (layout.visible, layout.thermal))


def _described_split(path: Path, split: str, given: DataSetLayout) -> DataSet:
    """Return a split that the data.yaml names: a folder, or a list of names."""
    place = path / given.splits[split]
    if place.is_dir():
        return _collect(place, split, given)
    if not place.is_file():
        raise DataError(f"there is no file or folder {place} for the split '{split}'")
    return _collect(path, split, given, names=place)


def _layout_in(folder: Path, given: DataSetLayout | None) -> DataSetLayout | None:
    """Return the layout with the names of both cameras' folders in `folder`; None without them."""
    layout = given or _recognized(folder) or DataSetLayout("")
    named = {}
    for side in _SIDES:
        name = getattr(layout, side)
        if name is None or (layout.shipped and not folders_of(folder, name)):
            name = folder_of_side(folder, side)
        elif side != "labels" and not folders_of(folder, name):
            return None
        named[side] = name
    if not (named["visible"] or named["thermal"]) and (folder / "images").is_dir():
        named["visible"] = named["thermal"] = "images"
    if not (named["visible"] and named["thermal"]):
        return None
    name = layout.name or f"{named['visible']} and {named['thermal']}"
    return replace(layout, name=name, **named)


def _recognized(folder: Path) -> DataSetLayout | None:
    """Return the shipped data set whose folders these are, labels or boxes included."""
    for layout in shipped_layouts().values():
        annotated = [part for part in (layout.labels, layout.boxes) if part]
        needed = (layout.visible, layout.thermal, *layout.recognized_by)
        complete = all(part and _is_exactly(folder, part) for part in needed)
        if complete and any(_is_exactly(folder, part) for part in annotated):
            return layout
    return None


def _is_exactly(folder: Path, part: str) -> bool:
    return any(folder.glob(part)) if "*" in part else (folder / part).is_dir()


def _collect(
    folder: Path,
    split: str | None,
    given: DataSetLayout | None,
    names: Path | None = None,
    inner: str | None = None,
) -> DataSet:
    """Return the frames of a folder.

    With `names`, only those listed in that file; with `inner`, only those in the folders of that
    name in the folders of images.
    """
    layout = _layout_in(folder, given)
    if layout is None:
        raise DataError(_no_data_set(folder, given))
    sides: dict[str, Files] = {}
    for side in _SIDES:
        part = getattr(layout, side)
        sides[side] = images_of(folder, f"{part}/{inner}" if inner else part) if part else {}
    for side in ("visible", "thermal"):
        if not sides[side]:
            place = folder / getattr(layout, side) / (inner or "")
            raise DataError(
                f"{place} holds no images: expected {', '.join(IMAGE_ENDINGS)}, "
                f"found {_content(place)}"
            )
    if given and given.labels and not given.shipped and not sides["labels"]:
        raise DataError(
            f"{folder / given.labels} holds no images, although it is named as folder of labels; "
            "do not name it if there are none"
        )
    files = with_common_names(sides, layout.suffixes)
    visible, thermal, labels = (files[side] for side in _SIDES)
    if visible == thermal and visible:
        read_rgb_thermal(next(iter(visible.values())))  # refuses images of another kind
    wanted = _wanted(names, files) if names else sorted(visible.keys() | thermal.keys())
    if not wanted:
        if names:
            raise DataError(f"{names} names no images")
        raise DataError(f"{folder} holds no images with the suffixes {dict(layout.suffixes)}")
    needed = {layout.visible: visible, layout.thermal: thermal}
    if labels:
        needed[layout.labels] = labels
    missing = [
        f"{part} lacks {name}"
        for part, of_side in needed.items()
        for name in wanted
        if name not in of_side
    ]
    pairs = [
        ImagePair(
            name,
            visible[name],
            thermal[name],
            labels.get(name),
            _boxes_of(name, folder, layout),
            layout.coding,
        )
        for name in wanted
        if all(name in of_side for of_side in needed.values())
    ]
    return DataSet(folder, split, layout, pairs, missing)


def _wanted(names: Path, files: dict[str, Files]) -> list[str]:
    """Return the frames in a list, which may hold the names of frames or those of their files."""
    by_stem = {path.stem: name for side in files.values() for name, path in side.items()}
    frames = files["visible"].keys() | files["thermal"].keys()
    return sorted({one if one in frames else by_stem.get(one, one) for one in read_names(names)})


def _boxes_of(name: str, folder: Path, layout: DataSetLayout) -> Path | None:
    # Box files number the classes of MSRS.
    if layout.label_set is None or not layout.label_set.has_same_classes(MSRS):
        return None
    file = folder / (layout.boxes or BOXES) / f"{name}.txt"
    return file if file.is_file() else None


def _no_data_set(folder: Path, given: DataSetLayout | None) -> str:
    found = _content(folder)
    inner = _data_sets_below(folder)
    if inner:
        return f"{folder} is not a data set, but holds data sets: name one of them, such as {inner}"
    if given:
        for side in ("visible", "thermal"):
            name = getattr(given, side)
            if name and not given.shipped and not folders_of(folder, name):
                return f"{folder} has no folder '{name}' ({side}), found {found}"
    parts = []
    for side, what in (("visible", "RGB"), ("thermal", "thermal")):
        if folder_of_side(folder, side) is None:
            parts.append(f"no folder of {what} images ({', '.join(WORDS[side])})")
    return (
        f"{folder} is not a data set: {' and '.join(parts)}, found {found}; name them with "
        "--rgb-dir and --thermal-dir or in a data.yaml"
    )


def _data_sets_below(folder: Path) -> str:
    """Return the first folders below, at most two deep, that have RGB and thermal images."""
    sides = ("visible", "thermal")
    for depth in (1, 2):
        below = sorted(path for path in folder.glob("/".join("*" * depth)) if path.is_dir())
        found = [path for path in below if all(folder_of_side(path, side) for side in sides)]
        if found:
            return " or ".join(str(path) for path in found[:2])
    return ""


def _content(folder: Path) -> str:
    """Return the first few names in a folder."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
