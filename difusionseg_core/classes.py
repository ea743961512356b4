"""Class names and colours of the data sets, in one place."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cached_property

from difusionseg_core.class_colors import Color, display_palette

IGNORE = 255
"""Label of pixels that count neither in a loss nor in a score."""

PALETTES = ("display", "published")
"""Colours for looking at classes (class_colors.py), and those that a data set published."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set; the position in the tuples is the class id.

    `palette` holds one (red, green, blue) colour a class, each 0..255.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def display_palette(self) -> tuple[Color, ...]:
        """One colour a class that is clear on images and with colour-blindness."""
        return display_palette(self.class_names)

    def colors(self, palette: str = "display") -> tuple[Color, ...]:
        """One colour a class from a palette, "display" or "published". Raises ValueError."""
        if palette not in PALETTES:
            raise ValueError(f"palette '{palette}' is unknown; use one of {', '.join(PALETTES)}")
        return self.display_palette if palette == "display" else self.palette


MSRS = LabelSet(
    name="msrs",
    class_names=(
        "unlabelled",
        "car",
        "person",
        "bike",
        "curve",
        "car_stop",
        "guardrail",
        "color_cone",
        "bump",
    ),
    palette=(
        (0, 0, 0),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
        (0, 0, 192),
        (128, 128, 0),
        (64, 64, 128),
        (192, 128, 128),
        (192, 64, 0),
    ),
)
"""Classes and colours of MSRS, MFNet and MFD (the same nine; Ha et al., IROS 2017)."""


FMB = LabelSet(
    name="fmb",
    class_names=(
        "unlabelled",
        "road",
        "sidewalk",
        "building",
        "traffic_light",
        "traffic_sign",
        "vegetation",
        "sky",
        "person",
        "car",
        "truck",
        "bus",
        "motorcycle",
        "bicycle",
        "pole",
    ),
    palette=(
        (0, 0, 0),
        (179, 228, 228),
        (181, 57, 133),
        (67, 162, 177),
        (200, 178, 50),
        (132, 45, 199),
        (66, 172, 84),
        (179, 73, 79),
        (76, 99, 166),
        (66, 121, 253),
        (137, 165, 91),
        (155, 97, 152),
        (105, 153, 140),
        (222, 215, 158),
        (135, 113, 90),
    ),
)
"""Classes and colours of FMB (Liu et al., ICCV 2023)."""


def label_set_of(num_classes: int) -> LabelSet:
    """MSRS for 9 classes, FMB for 15; for another number, numbered classes round the wheel."""
    for label_set in (MSRS, FMB):
        if num_classes == label_set.num_classes:
            return label_set
    hues = (colorsys.hsv_to_rgb(i / num_classes, 0.8, 0.8) for i in range(1, num_classes))
    colors = (tuple(round(255 * channel) for channel in hue) for hue in hues)
    names = (f"class_{i}" for i in range(1, num_classes))
    return LabelSet("numbered", ("unlabelled", *names), ((0, 0, 0), *colors))
