"""Metadata of an exported file, so that it runs without PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from difusionseg_core.classes import LabelSet, read_classes

FORMAT = "difusionseg graph 1"
"""Changes with the inputs and outputs of an exported graph."""

INFO_FILE = "difusionseg.json"
"""Name of the entry of a TorchScript file that holds it."""


class UnusableExport(ValueError):
    """An exported file is damaged, or of another version of this package."""


@dataclass(frozen=True)
class ExportInfo:
    """Metadata of an exported model about the original model.

    `model` is "paper" or "lite", and `weights` the digest of its weights file if it came from one;
    `steps` and `schedule` are the model's own.

    `dim` and `stride` give the size of the noise, (dim, ceil(H / stride), ceil(W / stride)).
    """

    model: str
    num_classes: int
    dim: int
    stride: int
    steps: int
    schedule: str
    weights: str
    label_set: LabelSet

    def metadata(self) -> dict[str, str]:
        """Return the entries of an exported file's metadata."""
        values = {key: str(value) for key, value in vars(self).items() if key != "label_set"}
        return {"format": FORMAT, **values, "classes": self.label_set.to_json()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> ExportInfo:
        """Read what `metadata` wrote; ValueError if `path` is from another version."""
        if metadata.get("format") != FORMAT:
            raise UnusableExport(
                f"{path} was not exported by this version: make it with 'difusionseg export'"
            )
        kinds = {"num_classes": int, "dim": int, "stride": int, "steps": int}
        names = [name for name in cls.__dataclass_fields__ if name != "label_set"]
        values: dict[str, Any] = {name: kinds.get(name, str)(metadata[name]) for name in names}
        return cls(**values, label_set=read_classes(metadata, values["num_classes"], path))


def weights_digest(path: Path) -> str:
    """Return SHA-256 of a weights file, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
