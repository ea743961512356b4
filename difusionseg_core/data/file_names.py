"""Find the files of a frame: names of images, lists of names, suffixes of cameras."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from difusionseg_core.data.image_files import IMAGE_ENDINGS, DataError

Files = dict[str, Path]
"""Files by name, without ending."""

WORDS = {
    "visible": ("rgb", "vi", "vis", "visible", "color", "colour"),
    "thermal": ("ir", "thermal", "t", "th", "tir", "lwir", "infrared", "inf"),
    "labels": ("labels", "label", "masks", "mask", "seg", "gt"),
}
"""Words for each camera and for labels, in folder names and in prefixes and suffixes of files."""

_ENDING = re.compile("(" + "|".join(re.escape(ending) for ending in IMAGE_ENDINGS) + ")$", re.I)


def is_image(path: Path) -> bool:
    """Return whether the name is that of an image; hidden files such as `._a.png` are not."""
    return path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".")


def images_by_name(folder: Path) -> Files:
    """Return the images of a folder by their names without endings.

    Raises DataError if two files differ in their endings only.
    """
    files: Files = {}
    for path in sorted(folder.iterdir()):
        if not is_image(path):
            continue
        if path.stem in files:
            raise DataError(
                f"{folder} holds both {files[path.stem].name} and {path.name}; which one belongs "
                "to the frame is unclear: remove one"
            )
        files[path.stem] = path
    return files


def images_of(folder: Path, pattern: str) -> Files:
    """Return the images in `folder`/`pattern`, by name.

    Stars in the pattern stand for names of sub-folders, which then lead the images' names:
    `*/*/visible` finds set00/V000/visible/1.jpg as set00_V000_1.
    """
    files: Files = {}
    stars = [number for number, part in enumerate(Path(pattern).parts) if "*" in part]
    for place in folders_of(folder, pattern):
        parts = place.relative_to(folder).parts if stars else ()
        lead = "".join(f"{parts[number]}_" for number in stars)
        files |= {f"{lead}{name}": path for name, path in images_by_name(place).items()}
    return files


def folders_of(folder: Path, pattern: str) -> list[Path]:
    """Return the sub-folders of that name, path of names, or pattern with stars.

    Upper and lower case are distinguished only if that is necessary. Raises DataError if several
    differ in case only.
    """
    if "*" in pattern:
        if Path(pattern).is_absolute():
            raise DataError(f"{pattern}: a pattern must be relative to the data set")
        return sorted(path for path in folder.glob(pattern) if path.is_dir())
    place = folder / pattern
    if place.is_dir():
        return [place]
    place = folder
    for part in Path(pattern).parts:
        names = [path for path in place.iterdir() if path.name.lower() == part.lower()]
        found = [path for path in names if path.is_dir()]
        if len(found) > 1:
            both = " and ".join(sorted(path.name for path in found))
            raise DataError(f"{place} holds {both}; name the folder to use")
        if not found:
            return []
        place = found[0]
    return [place]


def folder_of_side(folder: Path, side: str) -> str | None:
    """Return the name of the only sub-folder that is called as a side of `WORDS`, case ignored.

    Raises DataError if there are several.
    """
    words = {*WORDS[side], *({"segmentation_labels"} if side == "labels" else ())}
    found = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name.lower() in words
    )
    if len(found) > 1:
        option = {"visible": "--rgb-dir", "thermal": "--thermal-dir", "labels": "--label-dir"}[side]
        raise DataError(
            f"{folder} holds {' and '.join(found)}; name one of them with {option} or as "
            f"'{side}' in its data.yaml"
        )
    return found[0] if found else None


def with_common_names(sides: Mapping[str, Files], suffixes: Mapping[str, str]) -> dict[str, Files]:
    """Return the files of the sides "visible", "thermal" and "labels" by the name of their frame.

    Files of a frame have equal names. If they have not, the word for the side (see `WORDS`) is
    removed from the end or the beginning: 7_rgb and 7_ir, RGB-7 and thermal-7. With `suffixes`, by
    side, exactly these are removed, and files without them are left out. Raises DataError if two
    files of a side would get the same name.
    """
    named = {side: dict(files) for side, files in sides.items()}
    for side, suffix in suffixes.items():
        if suffix:
            files = sides.get(side, {}).items()
            named[side] = _unique(
                (name.removesuffix(suffix), path) for name, path in files if name.endswith(suffix)
            )
    cameras = [side for side in ("visible", "thermal") if side in named and not suffixes.get(side)]
    if len(cameras) == 2:
        visible, thermal = named["visible"], named["thermal"]
        if visible != thermal:
            alone = visible.keys() ^ thermal.keys()
            cut_names = {side: _cut(side, named[side].keys() & alone) for side in cameras}
            common = set(cut_names["visible"].values()) & set(cut_names["thermal"].values())
            for side in cameras:
                renamed = {old: new for old, new in cut_names[side].items() if new in common}
                named[side] = _unique((renamed.get(o, o), path) for o, path in named[side].items())
    if "labels" in named and "visible" in named and not suffixes.get("labels"):
        frames = named["visible"].keys()
        by_stem = {path.stem: name for name, path in named["visible"].items()}
        cut = _cut("labels", named["labels"].keys() - frames)
        named["labels"] = _unique(
            (by_stem.get(name) or (cut[name] if cut.get(name) in frames else name), path)
            for name, path in named["labels"].items()
        )
    return named


def _cut(side: str, names: Iterable[str]) -> dict[str, str]:
    """Return names without the word for a side at their end or beginning."""
    word = "|".join(sorted(WORDS[side], key=len, reverse=True))
    pattern = re.compile(rf"^(?:{word})[_\-. ]+(?=.)|(?<=.)[_\-. ]+(?:{word})$", re.I)
    return {name: pattern.sub("", name, count=1) for name in names}


def _unique(files: Iterable[tuple[str, Path]]) -> Files:
    unique: Files = {}
    for name, path in files:
        if name in unique:
            raise DataError(
                f"{unique[name]} and {path} both belong to the frame '{name}'; remove or rename one"
            )
        unique[name] = path
    return unique


def read_names(path: Path) -> list[str]:
    """Return the names in a text file, one per line, without folders and endings of images.

    Of lines with several paths (RGB, thermal, labels) the first one counts. UTF-8 and UTF-16, with
    and without byte order mark, and all ends of lines are read. Raises DataError for other files.
    """
    names = []
    for line in read_text(path).splitlines():
        words = re.split(r"[\s,;]+", line.strip())
        several = len(words) > 1 and all(_ENDING.search(word) for word in words)
        name = (words[0] if several else line.strip()).replace("\\", "/")
        if name := _ENDING.sub("", PurePosixPath(name).name):
            names.append(name)
    return names


def read_text(path: Path) -> str:
    """Return a text file in UTF-8 or UTF-16. Raises DataError for anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(content) > 1 and not any(content[1::2]):
        encoding = "utf-16-le"
    elif len(content) > 1 and not any(content[::2]):
        encoding = "utf-16-be"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{path} is not a text file in UTF-8 or UTF-16")
    return text
