"""Read recordings without valid metadata, from their storage files.

Covers a missing or wrong metadata.yaml, missing splits, renamed or truncated files, and compressed
files without metadata.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from ruamel.yaml import YAML

from difusionseg_core.recordings.mcap_recovery import McapRecovery
from difusionseg_core.recordings.sqlite_recovery import SqliteRecovery

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def storage_files(path: Path) -> list[Path]:
    """Return the .mcap and .db3 files at `path` (a file or a folder), also compressed, by name."""
    if path.is_file():
        return [path] if _ending(path) else []
    files = [file for file in path.iterdir() if file.is_file() and _ending(file)]
    return sorted((file for file in files if not file.name.startswith(".")), key=_natural)


class SalvagedReader:
    """All readable messages of the storage files at a path, by the interface of rosbags' Reader.

    `warnings` has one line for each missing part. With `damaged`, damaged parts of a file are left
    out even if its index is sound. Raises ValueError, in one line, if no
    message is readable, and ImportError if a package for that is missing.
    """

    def __init__(self, path: Path, damaged: bool = False) -> None:
        listed, expected = _metadata(path)
        files = storage_files(path)
        missing = sorted(set(listed) - {file.name for file in files})
        unlisted = [file.name for file in files if file.name not in listed]
        self.warnings: list[str] = []
        if missing and len(missing) > len(unlisted):
            self.warnings.append(f"{path}: {', '.join(missing)} is missing; reading the rest")
        parts, failures = [], []
        with ExitStack() as stack:
            for file in files:
                try:
                    part, problem = _open(file, stack, damaged)
                except (ValueError, OSError) as error:
                    failures.append(f"{file.name}: {' '.join(str(error).split())}")
                    continue
                if problem:
                    self.warnings.append(f"{path}: {file.name} is damaged ({problem})")
                parts.append(part)
            if not parts:
                raise ValueError("; ".join(failures) or "it has no .mcap or .db3 file")
            self._stack = stack.pop_all()
        self.warnings += [f"{path}: {failure}; left out" for failure in failures]
        # In the order of time, independent of the file names.
        self._parts = sorted(parts, key=lambda part: part.start_time)
        self.connections = [item for part in self._parts for item in part.connections]
        self.message_count = sum(item.msgcount for item in self.connections)
        if expected is not None and expected != self.message_count:
            self.warnings.append(
                f"{path}: {self.message_count} messages are readable, {expected} were recorded"
            )
        if not self.warnings:
            self.warnings.append(
                f"{path}: metadata.yaml is missing or does not describe it; its files were read "
                "directly"
            )

    def close(self) -> None:
        """Close all files."""
        self._stack.close()

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield messages of some of `connections`, file by file in the order of time."""
        wanted = {id(item) for item in connections}
        for part in self._parts:
            of_part = [item for item in part.connections if id(item) in wanted]
            if of_part:
                for connection, recorded_ns, data in part.messages(of_part):
                    yield connection, recorded_ns, _uncompressed(bytes(data))


def _open(file: Path, stack: ExitStack, damaged: bool) -> tuple[Any, str | None]:
    """Return a reader of one file, closed by `stack`, and in words what is wrong with the file."""
    if file.suffix == ".zstd":
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="difusionseg.")))
        file = _unpack(file, folder / file.stem)
    elif file.with_name(f"{file.name}-wal").is_file():
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="difusionseg.")))
        file = _with_write_ahead_log(file, folder)
    try:
        reader = Reader(file)
        reader.open()
    except Exception:  # rosbags raises many kinds on damaged files
        recovery = _recovery(file, stack)
        return recovery, recovery.state or "it has no usable index"
    if damaged:
        reader.close()
        recovery = _recovery(file, stack)
        return recovery, recovery.state or None
    stack.callback(reader.close)
    return reader, None


def _recovery(file: Path, stack: ExitStack) -> McapRecovery | SqliteRecovery:
    """A reader that leaves damaged parts out. Raises as `SalvagedReader`."""
    recover = McapRecovery if file.suffix == ".mcap" else SqliteRecovery
    return stack.enter_context(closing(recover(file)))


def _unpack(file: Path, target: Path) -> Path:
    try:
        import zstandard
    except ImportError as error:
        raise ImportError(f"reading {file} needs zstandard: pip install zstandard") from error
    try:
        with file.open("rb") as source, target.open("wb") as unpacked:
            shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(source), unpacked)
    except zstandard.ZstdError as error:
        raise ValueError(f"it does not decompress ({error})") from error
    return target


def _with_write_ahead_log(file: Path, folder: Path) -> Path:
    """Return a copy of an SQLite file with the write-ahead log of a killed recorder."""
    for ending in ("", "-wal"):
        shutil.copyfile(f"{file}{ending}", folder / f"{file.name}{ending}")
    with sqlite3.connect(folder / file.name) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder / file.name


def _metadata(path: Path) -> tuple[list[str], int | None]:
    """Return file names and message count from metadata.yaml; none if it is unusable."""
    try:
        content = YAML(typ="safe").load((path / "metadata.yaml").read_text())
        information = content["rosbag2_bagfile_information"]
        names = [Path(name).name for name in information["relative_file_paths"]]
        return names, int(information["message_count"])
    except Exception:  # missing, empty, cut off, or of another form
        return [], None


def _uncompressed(data: bytes) -> bytes:
    """Return a message, which rosbag2 may have compressed on its own."""
    if not data.startswith(_ZSTD_MAGIC):  # serialised messages begin with a zero byte
        return data
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _ending(file: Path) -> bool:
    return file.suffix in (".mcap", ".db3") or (
        file.suffix == ".zstd" and Path(file.stem).suffix in (".mcap", ".db3")
    )


def _natural(file: Path) -> list[Any]:
    """Return a sort key that puts drive_2 before drive_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]
