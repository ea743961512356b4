"""Playback: messages, timing, and grouping into pairs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from difusionseg_core.data.image_files import DataError
from difusionseg_core.recordings.playback import (
    FolderSource,
    RecordingSource,
    instants,
    open_source,
)
from difusionseg_core.recordings.rosbag2 import RecordingError, RecordingWriter

IMAGE = np.zeros((4, 6), np.uint8)
MS = 1_000_000


def record(path, stamps_by_topic):
    """A recording of images with these stamps in ms."""
    events = sorted((stamp, topic) for topic, stamps in stamps_by_topic.items() for stamp in stamps)
    with RecordingWriter(path) as writer:
        for stamp, topic in events:
            writer.write_image(topic, stamp * MS, "", IMAGE, "mono8")
    return path


def test_a_recording_is_played_at_its_pace_times_speed(tmp_path):
    path = record(tmp_path / "r", {"/rgb/image": [500, 600], "/thermal/image": [510, 610]})
    source = RecordingSource(path, speed=2.0)
    items = list(source.items())
    assert [(item.topic, item.due) for item in items] == [
        ("rgb/image", 0.0),
        ("thermal/image", 0.005),
        ("rgb/image", 0.05),
        ("thermal/image", 0.055),
    ]
    assert items[0].name == "0.500000000" and items[0].stamp_ns == 500 * MS
    assert source.frames == 2
    assert list(source.items()) == items  # a second pass
    source.close()


def test_a_group_ends_with_a_pair_and_messages_of_its_stamp(tmp_path):
    path = record(
        tmp_path / "r",
        {
            "/rgb/image": [10, 20, 30, 40],
            "/thermal/image": [20, 45],
            "/ground_truth/mask": [20],
        },
    )
    source = open_source(path)
    groups = [
        [(item.topic.split("/")[0], item.stamp_ns // MS) for item in group]
        for group in instants(source.items())
    ]
    source.close()
    assert sorted(groups[0]) == [("ground_truth", 20), ("rgb", 10), ("rgb", 20), ("thermal", 20)]
    assert groups[1:] == [[("rgb", 30), ("rgb", 40), ("thermal", 45)]]


def test_messages_after_the_last_pair_form_a_group(tmp_path):
    path = record(tmp_path / "r", {"/rgb/image": [10, 20, 30], "/thermal/image": [10]})
    source = open_source(path)
    assert [len(group) for group in instants(source.items())] == [2, 2]
    source.close()


def test_a_folder_is_played_at_a_rate(tmp_path):
    for part in ("vi", "ir"):
        (tmp_path / part).mkdir()
        for name in ("x", "y"):
            cv2.imwrite(str(tmp_path / part / f"{name}.png"), IMAGE)
    source = open_source(tmp_path, rate=4.0)
    assert isinstance(source, FolderSource)
    groups = list(instants(source.items()))
    assert [[(item.topic, item.name, item.due) for item in group] for group in groups] == [
        [("rgb/image", "x", 0.0), ("thermal/image", "x", 0.0)],
        [("rgb/image", "y", 0.25), ("thermal/image", "y", 0.25)],
    ]


def test_unplayable_sources_are_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="is not a data set: .* a recording would have .mcap"):
        open_source(tmp_path)
    with pytest.raises(RecordingError, match="does not exist"):
        open_source(tmp_path / "gone")
    path = record(tmp_path / "r", {"/rgb/image": [10]})
    with pytest.raises(RecordingError, match="no thermal topic"):
        open_source(path)


YEAR = 31_557_600_000  # ms


@pytest.mark.parametrize(
    ("jump", "due", "words"),
    [
        (56 * YEAR, 3.1, "its clock jumps, by 56.0 years after 0.1 s; playing on after 3 s"),
        (90_000, 3.1, "pauses, or its clock jumps, by 90 s after 0.1 s; playing on after 3 s"),
        (-7200_000, 0.1, "the clock jumps back by 2.0 h after 0.1 s; playing on after 0 s"),
        (2000, 2.1, None),
    ],
    ids=["no clock at start", "long pause", "back", "short pause"],
)
def test_long_pauses_and_clock_jumps_are_shortened(tmp_path, jump, due, words):
    begin = 10_000_000_000
    stamps = [begin, begin + 100, begin + 100 + jump, begin + 200 + jump]
    with RecordingWriter(tmp_path / "r", "sqlite3") as writer:
        for stamp in stamps:
            for topic in ("/rgb/image", "/thermal/image"):
                writer.write_image(topic, stamp * MS, "", IMAGE, "mono8")
    notices = []
    source = RecordingSource(tmp_path / "r", notice=notices.append)
    if jump > 0:  # storages give messages in the order of recording times
        found = [item.due for item in source.items() if item.topic == "rgb/image"]
        assert found == pytest.approx([0.0, 0.1, due, due + 0.1])
    else:
        times = iter([stamp * MS for stamp in stamps for _ in range(2)])
        messages = [
            replace(message, recorded_ns=next(times))
            for message in source._recording.messages(source.topics and source._names)
        ]
        source._recording.messages = lambda names: iter(messages)
        found = [item.due for item in source.items()][::2]
        assert found == pytest.approx([0.0, 0.1, due, due + 0.1])
    source.close()
    assert len(notices) == (0 if words is None else 1)
    assert words is None or words in notices[0]


def test_both_camera_infos_are_played(tmp_path):
    with RecordingWriter(tmp_path / "r") as writer:
        for camera in ("front", "lepton"):
            writer.write_image(f"/{camera}/image_raw", MS, "", IMAGE, "mono8")
            writer.write_camera_info(f"/{camera}/camera_info", MS, camera, 6, 4)
    source = open_source(tmp_path / "r")
    assert set(source.topics) == {
        *("rgb/image", "thermal/image", "rgb/camera_info", "thermal/camera_info")
    }
    frames = {item.topic: item.content for item in source.items()}
    assert b"lepton" in frames["thermal/camera_info"]
    source.close()
