"""Classes of a data set or model: names, colours, background. Imports no other room."""

from difusionseg_core.classes.label_set import (
    COMMON_CLASSES,
    FMB,
    IGNORE,
    MOST_CLASSES,
    MSRS,
    NUMBERED,
    PALETTES,
    LabelSet,
    label_set_of,
    read_classes,
)

__all__ = [
    "COMMON_CLASSES",
    "FMB",
    "IGNORE",
    "MOST_CLASSES",
    "MSRS",
    "NUMBERED",
    "PALETTES",
    "LabelSet",
    "label_set_of",
    "read_classes",
]
