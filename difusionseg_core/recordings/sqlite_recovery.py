"""Read an SQLite recording with damaged pages, message by message.

SQLite has no checksums: only pages whose structure is broken are noticed, not changed bytes of an
image.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)


class SqliteRecovery:
    """The readable messages of a .db3 file, by the interface of rosbags' readers.

    Raises ValueError if the file holds no readable message.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
        try:
            self._database.row_factory = sqlite3.Row
            topics = [dict(row) for row in self._database.execute("SELECT * FROM topics")]
            (self._newest,) = self._database.execute("SELECT max(id) FROM messages").fetchone()
            self._scan(topics)
        except sqlite3.Error as error:
            self.close()
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def _scan(self, topics: list[dict]) -> None:
        counts: Counter[int] = Counter()
        self.start_time, lost = 2**63 - 1, 0
        for row in self._rows():
            if row is None:
                lost += 1
            else:
                counts[row["topic_id"]] += 1
                self.start_time = min(self.start_time, row["timestamp"])
        self.connections = [_connection(topic, counts[topic["id"]]) for topic in topics]
        self.message_count = sum(item.msgcount for item in self.connections)
        if not self.message_count:
            self.close()
            raise ValueError("no message is readable")
        messages = "1 message" if lost == 1 else f"{lost} messages"
        self.state = f"{messages} on damaged pages left out" if lost else ""
        """In words, what is wrong with the file; empty if nothing is."""

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages of some of `connections` in the order in which they were written."""
        by_id = {item.id: item for item in connections}
        for row in self._rows():
            if row is not None and row["topic_id"] in by_id:
                yield by_id[row["topic_id"]], row["timestamp"], row["data"]

    def _rows(self) -> Iterator[sqlite3.Row | None]:
        """The rows by id; None for one that cannot be read."""
        select = "SELECT topic_id, timestamp, data FROM messages WHERE id = ?"
        for number in range(1, (self._newest or 0) + 1):
            try:
                row = self._database.execute(select, (number,)).fetchone()
            except sqlite3.DatabaseError:
                yield None
                continue
            if row is not None:
                yield row


def _connection(topic: dict, count: int) -> Connection:
    return Connection(
        id=topic["id"],
        topic=topic["name"],
        msgtype=topic["type"],
        msgdef=MessageDefinition(MessageDefinitionFormat.NONE, ""),
        digest=topic.get("type_description_hash", ""),
        msgcount=count,
        ext=ConnectionExtRosbag2(
            serialization_format=topic["serialization_format"], offered_qos_profiles=[]
        ),
        owner=None,
    )
