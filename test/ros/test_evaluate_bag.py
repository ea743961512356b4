"""`difusionseg evaluate-bag` treats a recording as the node does."""

import csv
import dataclasses

import numpy as np
import pytest
from rclpy.parameter import Parameter

from difusionseg_core.cli.main import main
from difusionseg_core.evaluation.recordings.header_scan import Pairing
from difusionseg_core.recordings.playback import instants, open_source
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_core.recordings.topic_choice import RGB
from difusionseg_ros.common import topics
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.replay import ReplayNode

SIZE = 48, 64
SECOND, MS = 1_000_000_000, 1_000_000


def test_its_defaults_are_the_nodes():
    settings = dataclasses.asdict(Settings())
    for name, value in dataclasses.asdict(Pairing()).items():
        assert settings[name] == value


@pytest.fixture
def recording(tmp_path):
    """RGB at 10 Hz and thermal images at 7 Hz and later, with gaps; some fit within the slop."""
    stamps = [("/rgb/image", n * 100 * MS) for n in range(24) if n not in (7, 8, 15)]
    stamps += [("/thermal/image", n * 143 * MS + 11 * MS) for n in range(17) if n not in (4, 11)]
    # The last pair is certain at once, live too.
    stamps += [("/rgb/image", 2600 * MS), ("/thermal/image", 2600 * MS)]
    with RecordingWriter(tmp_path / "drive") as writer:
        for topic, stamp in sorted(stamps, key=lambda item: item[1]):
            image = np.full((*SIZE, 3), stamp // MS % 251, np.uint8)
            if topic == "/rgb/image":
                writer.write_image(topic, SECOND + stamp, "front", image, "rgb8")
            else:
                writer.write_image(topic, SECOND + stamp, "front", image[..., 0], "mono8")
    return tmp_path / "drive"


def certain_pairs(recording):
    """How many pairs are certain after each group of messages that a replay publishes."""
    pairer, certain = Pairing().pairer(), 0
    source = open_source(recording)
    for group in instants(source.items()):
        for item in group:
            add = pairer.add_rgb if item.camera == RGB else pairer.add_thermal
            certain += len(add(item.stamp_ns, item))
        yield certain
    source.close()


def test_it_pairs_as_the_node_does(bench, recording, untrained_weights, tmp_path):
    given = ["evaluate-bag", str(recording), "--output", str(tmp_path / "results")]
    options = ["--model", str(untrained_weights), "--backend", "torch", "--steps", "1"]
    assert main([*given, *options]) == 0
    with (tmp_path / "results" / "timeline.csv").open(newline="") as file:
        offline = [(row["stamp"], float(row["offset_ms"])) for row in csv.DictReader(file)]
    assert len(offline) > 8 and len({offset for _, offset in offline}) > 4

    assert bench.make_node(
        **{
            f"qos_overrides./{camera}/image.subscription.reliability": "reliable"
            for camera in ("rgb", "thermal")
        }
    ).start()
    statuses = bench.watch(topics.FRAME_STATUS)
    replay = ReplayNode(
        context=bench.context, parameter_overrides=[Parameter("input", value=str(recording))]
    )
    bench.until(replay.has_subscribers)
    # In lockstep, so that no pair gives way to a newer one in the node.
    for certain in certain_pairs(recording):
        assert replay.publish_next() is not None
        bench.until(lambda certain=certain: len(statuses) >= certain)
    replay.close()
    live = [
        (f"{s.header.stamp.sec}.{s.header.stamp.nanosec:09d}", s.time_offset * 1e3)
        for s in statuses
    ]
    assert [stamp for stamp, _ in live] == [stamp for stamp, _ in offline]
    assert np.allclose([o for _, o in live], [o for _, o in offline])
