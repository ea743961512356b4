"""Data-set folders in the layout of MSRS: `vi`, `ir` and, with truth, `Segmentation_labels`.

Files belong together by name, whatever their endings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from difusionseg_core.data.images import IMAGE_ENDINGS, DataError, images_by_name

VISIBLE, THERMAL, LABELS, BOXES = "vi", "ir", "Segmentation_labels", "boxes"


@dataclass(frozen=True)
class Pair:
    """The files of one frame; `name` is their common name without ending."""

    name: str
    visible: Path
    thermal: Path
    labels: Path | None


def list_pairs(root: Path | str) -> list[Pair]:
    """All frames of a folder, by name. Raises DataError for missing folders and partner files."""
    root = Path(root)
    for part in (VISIBLE, THERMAL):
        if not (root / part).is_dir():
            raise DataError(
                f"{root} has no folder '{part}'; expected '{VISIBLE}' and '{THERMAL}' in it"
            )
    visible, thermal = images_by_name(root / VISIBLE), images_by_name(root / THERMAL)
    if not visible:
        raise DataError(f"{root / VISIBLE} holds no images ({', '.join(IMAGE_ENDINGS)})")
    _check_partners(root, visible, thermal, THERMAL)
    _check_partners(root, thermal, visible, VISIBLE)
    labels = images_by_name(root / LABELS) if (root / LABELS).is_dir() else {}
    if labels:
        _check_partners(root, visible, labels, LABELS)
    return [Pair(name, visible[name], thermal[name], labels.get(name)) for name in sorted(visible)]


def _check_partners(
    root: Path, names: dict[str, Path], others: dict[str, Path], part: str
) -> None:
    missing = sorted(set(names) - set(others))
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(f"{root / part} lacks {', '.join(missing[:3])}{more}")
