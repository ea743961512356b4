"""Results appear whole or not at all: they are made in a hidden sibling and renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staged(path: Path | str) -> Iterator[Path]:
    """Yields where to make a file or folder; afterwards it is at `path`, unless making it failed.

    What is made bears the name of `path`. Raises FileExistsError, in one line, if there is
    something at `path`.
    """
    path = Path(path)
    _refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the result, since a rename works only within one file system.
    stage = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield stage / path.name
        _refuse_existing(path)
        os.rename(stage / path.name, path)
    finally:
        shutil.rmtree(stage)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists; name another output or remove it")
