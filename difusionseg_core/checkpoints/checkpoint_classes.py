"""Names and colours of classes in the checkpoints of mmcv, mmsegmentation and mmengine."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from difusionseg_core.classes import FMB, MSRS, LabelSet, label_set_of

_BACKGROUNDS = ("background", "unlabelled", "unlabeled", "unlabel", "void", "none", "other")
"""First class names, in lower case, that mean background."""

_log = logging.getLogger(__name__)


class StoredClasses(NamedTuple):
    """What a checkpoint says about its classes; None if it does not."""

    names: Any = None
    palette: Any = None


def stored_classes(content: object) -> StoredClasses:
    """The entries CLASSES and PALETTE of `meta`, or `classes` and `palette` of `dataset_meta`."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return StoredClasses()
    described = meta.get("dataset_meta")
    for place in (described if isinstance(described, dict) else {}, meta):
        lower = {key.lower(): value for key, value in place.items() if isinstance(key, str)}
        if lower.get("classes"):
            return StoredClasses(lower["classes"], lower.get("palette"))
    return StoredClasses()


def label_set_of_checkpoint(stored: StoredClasses, num_classes: int, path: Path) -> LabelSet:
    """The classes of a checkpoint with a model of `num_classes`.

    Names of MSRS or FMB in another spelling are those of the data set. A log line says if names or
    colours cannot be used; `label_set_of` then has the names, and colours are chosen.
    """
    if not isinstance(stored.names, list | tuple):
        return label_set_of(num_classes)
    names = list(stored.names)
    try:
        if len(names) != num_classes:
            raise ValueError(f"{len(names)} names for the {num_classes} classes of its model")
        background = 0 if str(names[0]).strip().lower() in _BACKGROUNDS else None
        found = LabelSet.from_mapping({"names": names, "background": background}, path.stem)
    except ValueError as error:
        _log.warning("%s: its class names are not used: %s", path, error)
        return label_set_of(num_classes)
    found = next((known for known in (MSRS, FMB) if _spelling(known) == _spelling(found)), found)
    if stored.palette is None:
        return found
    try:
        palette = [list(color) for color in stored.palette]
        content = {"names": list(found.class_names), "palette": palette}
        return replace(found, palette=LabelSet.from_mapping(content, found.name).palette)
    except (TypeError, ValueError) as error:
        reason = error if isinstance(error, ValueError) else "they are not plain numbers"
        _log.warning("%s: its class colours are not used: %s", path, reason)
        return found


def _spelling(label_set: LabelSet) -> list[str]:
    names = ["".join(filter(str.isalnum, name.lower())) for name in label_set.class_names]
    return ["background" if name in _BACKGROUNDS else name for name in names]
