"""Read a truncated or damaged MCAP file with mcap's sequential reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

_FORMATS = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
_LARGEST_RECORD = 2**31  # bytes; a damaged length must not exhaust memory


@dataclass(frozen=True)
class _Scan:
    """The result of one pass over a file; `lost_chunks` is the number of damaged chunks."""

    connections: tuple[Connection, ...]
    start_time: int
    lost_chunks: int
    complete: bool


class McapRecovery:
    """The readable messages of an MCAP file, by the interface of rosbags' readers.

    Raises ImportError if mcap is not installed, and ValueError if the file holds no message.
    """

    def __init__(self, path: Path) -> None:
        try:
            import mcap.stream_reader  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "reading a damaged MCAP file needs the package mcap: pip install mcap"
            ) from error
        self._path = path
        status = path.stat()
        scan = _scan(path, status.st_size, status.st_mtime_ns)
        self.connections = list(scan.connections)
        self.start_time = scan.start_time
        self.message_count = sum(item.msgcount for item in self.connections)
        if not self.message_count:
            raise ValueError("no message is readable")
        lost = "1 damaged chunk" if scan.lost_chunks == 1 else f"{scan.lost_chunks} damaged chunks"
        self.state = ", ".join(
            ([] if scan.complete else ["it ends in the middle of a record"])
            + ([f"{lost} left out"] if scan.lost_chunks else [])
        )
        """The fault of the file, as text; empty if there is none."""

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield messages of some of `connections`, sorted by time within each chunk."""
        by_id = {item.id: item for item in connections}
        with self._path.open("rb") as file:
            for records in _record_groups(file):
                if not isinstance(records, list):
                    continue
                messages = [one for one in records if _kind(one) == "Message"]
                for message in sorted(messages, key=lambda one: one.log_time):
                    if message.channel_id in by_id:
                        yield by_id[message.channel_id], message.log_time, message.data


class _Lost:
    """Marks an unreadable chunk."""


class _End:
    """Marks the end of a complete file."""


@lru_cache(maxsize=16)
def _scan(path: Path, size: int, changed_ns: int) -> _Scan:
    """Read a file once; `size` and `changed_ns` make a changed file a new one."""
    schemas: dict[int, Any] = {}
    channels: dict[int, Any] = {}
    counts: Counter[int] = Counter()
    start_time, lost, complete = 2**63 - 1, 0, False
    with path.open("rb") as file:
        for group in _record_groups(file):
            if isinstance(group, _Lost):
                lost += 1
                continue
            if isinstance(group, _End):
                complete = True
                continue
            for record in group:
                if _kind(record) == "Schema":
                    schemas[record.id] = record
                elif _kind(record) == "Channel":
                    channels[record.id] = record
                elif record.channel_id in channels:
                    counts[record.channel_id] += 1
                    start_time = min(start_time, record.log_time)
    connections = tuple(
        _connection(channel, schemas.get(channel.schema_id), counts[number])
        for number, channel in channels.items()
        if channel.message_encoding == "cdr"
    )
    return _Scan(connections, start_time, lost, complete)


def _record_groups(file: Any) -> Iterator[list[Any] | _Lost | _End]:
    """Yield schemas, channels and messages by chunk; end where nothing more is readable."""
    from mcap.records import Chunk
    from mcap.stream_reader import StreamReader, breakup_chunk

    reader = StreamReader(file, emit_chunks=True, record_size_limit=_LARGEST_RECORD)
    records = reader.records
    while True:
        try:
            record = next(records)
        except StopIteration:
            yield _End()
            return
        except Exception:  # mcap raises many kinds on damaged bytes
            return
        if isinstance(record, Chunk):
            try:
                yield breakup_chunk(record, validate_crc=True)
            except Exception:  # as above, and those of the decompressors
                yield _Lost()
        elif _kind(record) in ("Schema", "Channel", "Message"):
            yield [record]
        elif _kind(record) == "DataEnd":  # an index follows
            yield _End()
            return


def _kind(record: object) -> str:
    return type(record).__name__


def _connection(channel: Any, schema: Any, count: int) -> Connection:
    definition = MessageDefinition(MessageDefinitionFormat.NONE, "")
    if schema is not None and schema.encoding in _FORMATS:
        definition = MessageDefinition(_FORMATS[schema.encoding], schema.data.decode())
    return Connection(
        id=channel.id,
        topic=channel.topic,
        msgtype=schema.name if schema is not None else "",
        msgdef=definition,
        digest="",
        msgcount=count,
        ext=ConnectionExtRosbag2(
            serialization_format=channel.message_encoding, offered_qos_profiles=[]
        ),
        owner=None,
    )
