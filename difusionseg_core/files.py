"""Write results completely or not at all: write a temporary file in the folder, then rename it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_output(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path for a new file or folder, which is renamed to `path` on success.

    The yielded path has the name of `path`. Raises FileExistsError, in one line, if `path`
    exists.
    """
    path = Path(path)
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _folder_beside(path) as folder:
        yield folder / path.name
        refuse_existing(path)
        (folder / path.name).rename(path)


@contextmanager
def replaced_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path for a file, which replaces `path` on success.

    The yielded path has the name of `path`. Raises OSError if the folder does not exist.
    """
    path = Path(path)
    with _folder_beside(path) as folder:
        yield folder / path.name
        (folder / path.name).replace(path)


def write_file(path: Path | str, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes in one step, replacing an existing file."""
    with replaced_file(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


def refuse_existing(path: Path) -> None:
    """Raise FileExistsError, in one line, if `path` exists."""
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists; name another output or remove it")


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    # In the same folder, because a rename works only within one file system.
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
