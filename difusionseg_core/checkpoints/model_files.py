"""Files of models: the model in a training's folder, and the kind of a file by its content."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "weights"
"""Folder of the weights that come with the package: `lite.safetensors`."""

SAFETENSORS, TORCH_ZIP, TORCH_LEGACY = "safetensors", "torch zip", "torch legacy"

_LFS = b"version https://git-lfs.github.com/spec/"
_LEGACY_MAGIC = (
    b"l\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # PyTorch before 1.6, after a pickle opcode
)
_HEAD = 4096


def kind_of(path: Path | str) -> str:
    """Return SAFETENSORS, TORCH_ZIP or TORCH_LEGACY, by content: the file's ending does not matter.

    Raises FileNotFoundError, and ValueError, in one line, that names what else the file is: empty,
    truncated, a web page, a pointer of Git LFS, and so on.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a file of weights was expected")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    problem = _not_a_model(head)
    if problem is None:
        if head.startswith(b"PK"):
            if not zipfile.is_zipfile(path):
                raise ValueError(_truncated(path, "the end of the archive is missing"))
            return TORCH_ZIP
        if head[:1] == b"\x80" and _LEGACY_MAGIC in head[:16]:
            return TORCH_LEGACY
        if _looks_like_safetensors(head):
            _check_safetensors_length(path, head)
            return SAFETENSORS
        problem = _other_format(path, head)
    raise ValueError(f"{path} {problem}")


def model_of_run(folder: Path) -> Path:
    """Return the weights in a training's folder, or the exported model if there are no weights.

    Raises ValueError, saying what to pass, for other folders.
    """
    for ending in ("*.safetensors", "*.onnx"):
        found = sorted(folder.glob(ending))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"{folder} holds several models, {names}: pass one of the files")
    checkpoints = sorted(folder.glob("checkpoints/*.ckpt"))
    if checkpoints:
        raise ValueError(
            f"the training in {folder} has not ended, so it has no weights yet; pass a checkpoint "
            f"of it: {checkpoints[-1]}"
        )
    if (folder / "latest").is_dir():
        raise ValueError(f"{folder} holds several trainings; pass one of them: {folder / 'latest'}")
    raise ValueError(f"{folder} is a folder without a model (.safetensors or .onnx)")


def _not_a_model(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return "is empty: download or copy it again"
    if not head.strip(b"\0"):
        return "contains only zeros: the download or copy failed; repeat it"
    if head.startswith(_LFS):
        return (
            "is a Git LFS pointer, not the file itself: run 'git lfs pull' where it comes from, "
            "or download the file itself"
        )
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")):
        return (
            "is a web page, not weights: the download link led to a page (a login, a warning or "
            "an error); open it in a browser and download the file itself"
        )
    return None


def _other_format(path: Path, head: bytes) -> str:
    if head.startswith(b"\x1f\x8b"):
        return "is compressed with gzip: unpack it first (gunzip, or tar -xzf)"
    if head.startswith((b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ")):
        return "is a compressed archive: unpack it first"
    if tarfile.is_tarfile(path):
        return "is a tar archive: unpack it first (tar -xf), and pass the file of weights in it"
    if head[:1] == b"\x80":
        return "is a pickle that torch.save did not write; save a dictionary of tensors with it"
    if head.lstrip()[:1] in (b"{", b"["):
        return f"is text, not weights; it begins with {_shown(head)}"
    return (
        "is neither a PyTorch nor a safetensors file, or its beginning is damaged; "
        f"it begins with {_shown(head)}"
    )


def _looks_like_safetensors(head: bytes) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30


def _check_safetensors_length(path: Path, head: bytes) -> None:
    size, length = path.stat().st_size, 8 + int.from_bytes(head[:8], "little")
    if size < length:
        raise ValueError(_truncated(path, f"its header alone has {length} bytes, the file {size}"))
    with path.open("rb") as file:
        header = file.read(length)[8:]
    try:
        entries = json.loads(header)
        ends = [value["data_offsets"][1] for name, value in entries.items() if name[:2] != "__"]
        expected = length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ValueError(f"{path} has a damaged safetensors header: copy it again") from None
    if size < expected:
        raise ValueError(_truncated(path, f"{size} of {expected} bytes are there"))


def _truncated(path: Path, reason: str) -> str:
    return f"{path} is truncated ({reason}): download or copy it again"


def _shown(head: bytes) -> str:
    return repr(head[:24])[1:]
