"""Groups of images that are scored separately: day and night, a folder, a list of names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from difusionseg_core.data.file_names import is_image, read_names
from difusionseg_core.data.folder import DataSet
from difusionseg_core.data.image_files import DataError


def find_groups(data_set: DataSet, extra: Sequence[Path] = ()) -> dict[str, set[str]]:
    """Return names of images by group.

    Groups are day and night if the names end in D or N, as those of MSRS and MFNet do, and those
    of `extra`: text files with one name per line, and folders of images.

    A group of `extra` has the name of its file or folder. Raises DataError, in one line, if it
    does not exist or holds no image of the data set.
    """
    names = {pair.name for pair in data_set.pairs}
    found = {name: re.search(r"\d([DN])(_flip)?$", name) for name in names}
    letters = {name: letter[1] for name, letter in found.items() if letter}
    groups = {}
    if len(letters) == len(names):
        for group, wanted in (("day", "D"), ("night", "N")):
            groups[group] = {name for name, letter in letters.items() if letter == wanted}
    for path in extra:
        members = _members(path) & names
        if not members:
            raise DataError(f"none of the images in {path} is in {data_set.folder}")
        if path.stem in groups:
            raise DataError(f"there are two groups named {path.stem}; rename {path}")
        groups[path.stem] = members
    return {group: members for group, members in groups.items() if members}


def _members(path: Path) -> set[str]:
    if path.is_dir():
        return {file.stem for file in path.rglob("*") if is_image(file)}
    if not path.is_file():
        raise DataError(f"there is no file or folder {path} with names of a group")
    return set(read_names(path))
