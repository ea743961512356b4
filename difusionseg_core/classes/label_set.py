"""The classes of a data set or model: names, colours and background."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from difusionseg_core.classes.class_colors import Color, display_palette

IGNORE = 255
"""Label of pixels that count neither in a loss nor in a score."""

MOST_CLASSES = IGNORE
"""Masks hold 8-bit ids, and 255 is IGNORE."""

NUMBERED = "numbered"
"""Name of a set whose classes are only numbered, because nothing names them."""

PALETTES = ("display", "published")
"""Colours for looking at classes (class_colors.py), and those that a data set published."""

_SHIPPED = Path(__file__).parents[1] / "data" / "sets"


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set; the position in the tuples is the class id.

    `palette` holds one (red, green, blue) colour per class, each 0 to 255. `background` is the id
    of the class without objects, which overlays leave transparent; None if overlays show all.
    Raises ValueError, in one line, for names and colours that do not fit together.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    background: int | None = 0

    def __post_init__(self) -> None:
        count = len(self.class_names)
        if not 1 <= count <= MOST_CLASSES:
            raise ValueError(f"expected 1 to {MOST_CLASSES} classes, found {count}")
        repeated = sorted({one for one in self.class_names if self.class_names.count(one) > 1})
        if repeated:
            raise ValueError(f"two classes are named '{repeated[0]}'; names must differ")
        if len(self.palette) != count:
            raise ValueError(
                f"expected a palette of {count} colours, one per class, found {len(self.palette)}"
            )
        if self.background is not None and not 0 <= self.background < count:
            raise ValueError(f"background {self.background} is not a class id, 0 to {count - 1}")

    @property
    def num_classes(self) -> int:
        """Number of classes, the background included."""
        return len(self.class_names)

    @cached_property
    def display_palette(self) -> tuple[Color, ...]:
        """One colour a class that is clear on images and with colour-blindness."""
        return display_palette(self.class_names, self.background)

    def colors(self, palette: str = "display") -> tuple[Color, ...]:
        """Return one colour a class from a palette, "display" or "published". Raises ValueError."""
        if palette not in PALETTES:
            raise ValueError(f"palette '{palette}' is unknown; use one of {', '.join(PALETTES)}")
        return self.display_palette if palette == "display" else self.palette

    def has_same_classes(self, other: LabelSet) -> bool:
        """Return whether equal ids mean equal classes; colours and the set's name may differ."""
        return self.class_names == other.class_names

    def to_json(self) -> str:
        """Return as weights files and exported models store it."""
        return json.dumps(
            {
                "name": self.name,
                "names": self.class_names,
                "palette": self.palette,
                "background": self.background,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> LabelSet:
        """Return the inverse of `to_json`. Raises ValueError, in one line."""
        try:
            content = json.loads(text)
        except ValueError:
            raise ValueError("the description of its classes is damaged") from None
        if not isinstance(content, dict):
            raise ValueError("the description of its classes is damaged")
        return cls.from_mapping(content, NUMBERED)

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], name: str) -> LabelSet:
        """Make one from `names`, `palette`, `background` and `name` of a data.yaml or metadata.

        `names` is a list, or a map of id to name without gaps; `palette` (optional) a list of
        [red, green, blue]; `background` (optional, 0) an id, a class name, or null for none.
        Raises ValueError, in one line, that names the key.
        """
        names = _names(content.get("names"))
        background = content.get("background", 0)
        if isinstance(background, str):
            if background not in names:
                raise ValueError(f"background: '{background}' is not one of the names")
            background = names.index(background)
        if background is not None and not _is_int(background):
            raise ValueError(f"background: expected a class id or name, found {background!r}")
        palette = content.get("palette")
        colors = display_palette(names, background) if palette is None else _palette(palette)
        return cls(str(content.get("name", name)), names, colors, background)


def label_set_of(num_classes: int) -> LabelSet:
    """Return classes of a model without names: MSRS for 9, FMB for 15, else numbered classes."""
    for label_set in (MSRS, FMB):
        if num_classes == label_set.num_classes:
            return label_set
    names = ("unlabelled", *(f"class_{i}" for i in range(1, num_classes)))
    return LabelSet(NUMBERED, names, display_palette(names))


def read_classes(metadata: Mapping[str, str], num_classes: int, path: Path) -> LabelSet:
    """Return the classes in the metadata of a weights file or exported model.

    A file written before classes had names has those of `label_set_of`, with a warning if these are
    only numbers. Raises ValueError, in one line, if they do not fit `num_classes`.
    """
    if "classes" not in metadata:
        label_set = label_set_of(num_classes)
        if label_set not in (MSRS, FMB):
            logging.getLogger(__name__).warning(
                "%s does not name its %d classes: they are called class_1 to class_%d",
                path,
                num_classes,
                num_classes - 1,
            )
        return label_set
    try:
        label_set = LabelSet.from_json(metadata["classes"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if label_set.num_classes != num_classes:
        raise ValueError(
            f"{path} is damaged: it names {label_set.num_classes} classes, its model has "
            f"{num_classes}"
        )
    return label_set


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        ids = list(value)
        if not all(_is_int(one) and one >= 0 for one in ids):
            raise ValueError("names: ids must be whole numbers from 0")
        if sorted(ids) != list(range(len(ids))):
            rest = ", ".join(f"{old}: {new}" for new, old in enumerate(sorted(ids)) if old != new)
            raise ValueError(
                f"names: ids must be 0 to {len(ids) - 1} without gaps; number the names so and "
                f"add 'map: {{{rest}}}' for the ids in the label files"
            )
        value = [value[one] for one in sorted(ids)]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("names: expected a list of class names, or a map of id to name")
    for one in value:
        if not isinstance(one, str) or not one.strip() or not one.isprintable():
            raise ValueError(f"names: {one!r} is not a name; if it is meant as one, quote it")
    return tuple(one.strip() for one in value)


def _palette(value: object) -> tuple[Color, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("palette: expected a list of [red, green, blue]")
    for one in value:
        if not isinstance(one, list | tuple) or len(one) != 3:
            raise ValueError(f"palette: {one!r} is not [red, green, blue]")
        if not all(_is_int(channel) and 0 <= channel <= 255 for channel in one):
            raise ValueError(f"palette: {one!r} is not three whole numbers from 0 to 255")
    return tuple(tuple(one) for one in value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shipped(name: str) -> LabelSet:
    text = (_SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    return LabelSet.from_mapping(yaml.safe_load(text), name)


MSRS = _shipped("msrs")
"""Classes and colours of MSRS; MFNet and MFD have the same nine (Ha et al., IROS 2017)."""

COMMON_CLASSES = (1, 2, 3, 4, 5, 7)
"""Classes of MSRS that many images have; guardrails and bumps are rare."""

FMB = _shipped("fmb")
"""Classes and colours of FMB (Liu et al., ICCV 2023)."""
