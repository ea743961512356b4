"""Recordings without metadata, a file or an end: the readable part is read."""

import shutil
import sqlite3

import numpy as np
import pytest
import zstandard
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from difusionseg_core.recordings.rosbag2 import Recording, RecordingError, RecordingWriter

TOPIC = "/rgb/image"
SECOND = 1_000_000_000
FRAMES = 12


def write(path, storage="mcap", first=0, frames=FRAMES):
    """Noise that hardly compresses, so that a file has several chunks."""
    with RecordingWriter(path, storage) as writer:
        for number in range(first, first + frames):
            image = np.random.default_rng(number).integers(0, 256, (300, 400, 3), np.uint8)
            writer.write_image(TOPIC, number * SECOND + SECOND, "camera", image, "rgb8")
    return path


def split(tmp_path, storage="mcap"):
    """A recording of two files, with metadata that names both."""
    path = write(tmp_path / "drive", storage, frames=4)
    write(tmp_path / "more", storage, first=4, frames=3)
    ending = "mcap" if storage == "mcap" else "db3"
    shutil.move(tmp_path / "more" / f"more.{ending}", path / f"drive_1.{ending}")
    metadata = path / "metadata.yaml"
    text = metadata.read_text().replace(
        f"- drive.{ending}\n", f"- drive.{ending}\n  - drive_1.{ending}\n", 1
    )
    assert "drive_1" in text
    metadata.write_text(text)
    return path


def stamps(path):
    with Recording(path) as recording:
        messages = list(recording.messages([TOPIC]))
        assert len(messages) == recording.count(TOPIC)
        return [message.stamp_ns // SECOND for message in messages], recording.warnings


def storage_file(path):
    return next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_complete_recording_has_no_warning(tmp_path, storage):
    assert stamps(write(tmp_path / "drive", storage)) == (list(range(1, 1 + FRAMES)), [])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text(""),
        lambda file: file.write_text(file.read_text()[:100]),
        lambda file: file.write_text("no: metadata\n"),
        lambda file: file.write_text(file.read_text().replace("mcap\n", "''\n")),
        lambda file: file.write_text(file.read_text().replace("version: 8", "version: 99")),
    ],
    ids=["missing", "empty", "cut off", "foreign", "no storage", "future version"],
)
def test_metadata_are_not_needed(tmp_path, storage, spoil):
    path = write(tmp_path / "drive", storage, frames=3)
    metadata = path / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("storage_identifier: sqlite3", "mcap\n"))
    spoil(metadata)
    found, warnings = stamps(path)
    assert found == [1, 2, 3]
    assert len(warnings) == 1 and str(path) in warnings[0]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_an_empty_storage_identifier_as_reindex_writes_it(tmp_path, storage):
    path = write(tmp_path / "drive", storage, frames=3)
    metadata = path / "metadata.yaml"
    text = metadata.read_text()
    assert f"storage_identifier: {storage}" in text
    metadata.write_text(text.replace(f"storage_identifier: {storage}", 'storage_identifier: ""'))
    assert stamps(path)[0] == [1, 2, 3]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_renamed_file_is_found(tmp_path, storage):
    path = write(tmp_path / "drive", storage, frames=3)
    file = storage_file(path)
    file.rename(path / f"renamed{file.suffix}")
    found, warnings = stamps(path)
    assert found == [1, 2, 3] and len(warnings) == 1


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("lost", ["drive", "drive_1"])
def test_a_missing_split_is_named_and_the_rest_is_read(tmp_path, storage, lost):
    path = split(tmp_path, storage)
    file = next(path.glob(f"{lost}.[md]*"))
    file.unlink()
    found, warnings = stamps(path)
    assert found == ([5, 6, 7] if lost == "drive" else [1, 2, 3, 4])
    assert f"{file.name} is missing" in warnings[0]


def test_files_are_read_in_the_order_of_time(tmp_path):
    path = split(tmp_path)
    (path / "metadata.yaml").unlink()
    (path / "drive.mcap").rename(path / "z_first.mcap")
    assert stamps(path)[0] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_mcap_file_is_read_up_to_its_end(tmp_path, share, alone):
    path = write(tmp_path / "drive")
    file = storage_file(path)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    found, warnings = stamps(file if alone else path)
    assert found == list(range(1, 1 + len(found)))
    assert FRAMES * share - 4 < len(found) < FRAMES
    assert "drive.mcap is damaged (it ends in the middle of a record)" in warnings[0]
    if not alone:
        assert f"{len(found)} messages are readable, {FRAMES} were recorded" in warnings[1]


def with_checksums(tmp_path):
    """An MCAP file as rosbag2 writes it: a checksum for each chunk, here of one message."""
    path = tmp_path / "drive.mcap"
    with Recording(write(tmp_path / "source")) as source, path.open("wb") as file:
        writer = McapWriter(file, chunk_size=1000)
        writer.start("ros2", "test")
        definition = source.connections[0].msgdef.data.encode()
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", definition)
        channel = writer.register_channel(TOPIC, "cdr", schema)
        for message in source.messages([TOPIC]):
            writer.add_message(channel, message.recorded_ns, message.data, message.recorded_ns)
        writer.finish()
    return path


@pytest.mark.parametrize("ending", ["whole", "lost"])
def test_a_damaged_chunk_is_left_out(tmp_path, ending):
    path = with_checksums(tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = bytes(4)  # of an image: the message would still decode
    path.write_bytes(content if ending == "whole" else content[:-8])
    notices = []
    with Recording(path, notices.append) as recording:
        found = [message.stamp_ns // SECOND for message in recording.messages([TOPIC])]
    assert len(found) == FRAMES - 1 and found == sorted(set(found))
    assert notices == recording.warnings and len(notices) == 1
    assert "drive.mcap is damaged (1 damaged chunk left out)" in notices[0].replace(
        "it ends in the middle of a record, ", ""
    )


def test_messages_of_the_same_time_as_the_last_sound_one_are_read_once(tmp_path):
    path = tmp_path / "drive.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=1)
        writer.start("ros2", "test")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
        channel = writer.register_channel("/words", "cdr", schema)
        for number, time in enumerate((1, 1, 2, 2, 2, 3)):
            content = f"\0\1\0\0 message {number} {'x' * 50}".encode()
            writer.add_message(channel, time, content, time)
        writer.finish()
    content = path.read_bytes()
    assert content.count(b"message 3") in (0, 1)  # compressed chunks hide it
    with Recording(path) as recording:
        whole = [message.data for message in recording.messages(["/words"])]
    chunks = [at for at in range(len(content)) if content.startswith(b"\x28\xb5\x2f\xfd", at)]
    assert len(chunks) == 6
    damaged = bytearray(content)
    damaged[chunks[3] + 10] ^= 0xFF
    path.write_bytes(damaged)
    with Recording(path) as recording:
        found = [message.data for message in recording.messages(["/words"])]
    assert found == whole[:3] + whole[4:]


def test_a_damaged_page_of_sqlite_costs_its_messages_only(tmp_path):
    path = write(tmp_path / "drive", "sqlite3")
    file = storage_file(path)
    content = bytearray(file.read_bytes())
    page = 4096 * (len(content) // 4096 // 2)
    content[page : page + 4096] = b"\xa5" * 4096  # of a blob, with the number of its next page
    file.write_bytes(content)
    notices = []
    with Recording(path, notices.append) as recording:
        found = [message.stamp_ns // SECOND for message in recording.messages([TOPIC])]
    assert len(found) == FRAMES - 1 and found == sorted(set(found))
    assert "drive.db3 is damaged (1 message on damaged pages left out)" in notices[0]


@pytest.mark.parametrize("share", [0.0, 0.001])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_unreadable_files_are_refused_in_one_line(tmp_path, storage, share):
    path = write(tmp_path / "drive", storage, frames=3)
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[: int(share * 100_000)])
    with pytest.raises(RecordingError, match="drive cannot be read") as caught:
        Recording(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_sqlite_file_is_refused_in_one_line(tmp_path):
    path = write(tmp_path / "drive", "sqlite3")
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[:300_000])
    with pytest.raises(RecordingError, match="cannot be read") as caught, Recording(path) as one:
        list(one.messages([TOPIC]))
    assert "\n" not in str(caught.value)


def test_a_compressed_file_without_metadata(tmp_path):
    path = write(tmp_path / "drive", "sqlite3", frames=3)
    file = storage_file(path)
    packed = tmp_path / "drive.db3.zstd"
    packed.write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes()))
    assert stamps(packed)[0] == [1, 2, 3]
    packed.write_bytes(packed.read_bytes()[:1000])
    with pytest.raises(RecordingError, match="drive.db3.zstd cannot be read"):
        Recording(packed)


def test_compressed_messages_without_metadata(tmp_path):
    source = write(tmp_path / "drive", frames=3)
    writer = Writer(tmp_path / "packed", version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with Recording(source) as recording, writer:
        connection = writer.add_connection(
            TOPIC,
            "sensor_msgs/msg/Image",
            msgdef=recording.connections[0].msgdef.data,
            rihs01="RIHS00_" + 64 * "0",
        )
        for message in recording.messages([TOPIC]):
            writer.write(connection, message.recorded_ns, message.data)
    (tmp_path / "packed" / "metadata.yaml").unlink()
    assert stamps(tmp_path / "packed")[0] == [1, 2, 3]


def test_messages_in_the_write_ahead_log_of_sqlite_are_read(tmp_path):
    path = write(tmp_path / "drive", "sqlite3", frames=3)
    file = storage_file(path)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("UPDATE messages SET timestamp = timestamp")
    connection.execute(
        "INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, "
        "timestamp + 5000000000, data FROM messages WHERE id = 1"
    )
    connection.commit()
    killed = tmp_path / "killed"
    killed.mkdir()
    for ending in ("", "-wal"):
        shutil.copyfile(f"{file}{ending}", killed / f"drive.db3{ending}")
    connection.close()
    assert stamps(killed)[0] == [1, 2, 3, 1]
