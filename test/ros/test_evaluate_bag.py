"""`difusionseg evaluate-bag` treats a recording as the node does."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.time import Time

from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.cli.main import main
from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.imaging.calibration_files import calibration_yaml
from difusionseg_core.imaging.codec.camera_images import decode
from difusionseg_core.predictor import PredictorOptions
from difusionseg_core.recordings.playback import instants, open_source
from difusionseg_core.recordings.rosbag2 import Recording, RecordingWriter
from difusionseg_core.recordings.topic_choice import RGB
from difusionseg_ros.common import topics
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.replay import ReplayNode

SIZE = 48, 64
SECOND, MS = 1_000_000_000, 1_000_000


def test_defaults_are_those_of_the_node():
    settings = dataclasses.asdict(Settings())
    for name, value in dataclasses.asdict(PairingOptions()).items():
        assert settings[name] == value


@pytest.fixture
def recording(tmp_path):
    """Return RGB at 10 Hz and later thermal images at 7 Hz, with gaps; some pair within slop."""
    stamps = [("/rgb/image", n * 100 * MS) for n in range(24) if n not in (7, 8, 15)]
    stamps += [("/thermal/image", n * 143 * MS + 11 * MS) for n in range(17) if n not in (4, 11)]
    # The last pair is certain immediately, as in the node.
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
    pairer, certain = PairingOptions().pairer(), 0
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


CALIBRATION = Calibration(
    width=SIZE[1],
    height=SIZE[0],
    model="plumb_bob",
    d=(-0.2, 0.05, 0.0, 0.0, 0.0),
    k=(50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0),
    r=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    p=(50.0, 0.0, 32.0, 0.0, 0.0, 50.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0),
)
SHIFTED = "thermal_to_rgb: [1.1, 0.0, 3.0, 0.0, 1.1, -2.0, 0.0, 0.0, 1.0]"
OTHER_LENS = json.dumps(calibration_yaml(dataclasses.replace(CALIBRATION, d=(0.1, 0.0, 0.0, 0.0))))


@pytest.mark.parametrize(
    "parameters",
    [
        "{slop: 0.05}",
        f"{{undistort: true, {SHIFTED}}}",
        f"{{undistort: true, {SHIFTED}, rgb_calibration: {OTHER_LENS}, "
        f"thermal_calibration: {OTHER_LENS}}}",
        "{thermal_mode: fixed, thermal_low: 3000.0, thermal_high: 9000.0, thermal_invert: true}",
        f"{{thermal_mode: percentile, thermal_crop: [2, 0, 1, 3], {SHIFTED}}}",
        "{thermal_mode: minmax, slop: 0.2, thermal_time_offset: -0.011}",
    ],
    ids=["defaults", "registration", "calibrations", "fixed", "crop", "minmax"],
)
def test_images_are_those_of_the_node(bench, untrained_weights, tmp_path, capfd, parameters):
    """The same messages and the same parameter file give the same images."""
    rng = np.random.default_rng(0)
    # Equal stamps after correction, so that each pair is certain immediately.
    later = 11 * MS if "time_offset" in parameters else 0
    with RecordingWriter(tmp_path / "drive") as writer:
        for camera in ("rgb", "thermal"):
            info = f"/{camera}/camera_info"
            writer.write_camera_info(info, SECOND, camera, SIZE[1], SIZE[0], CALIBRATION)
        for number in range(3):
            stamp = SECOND + number * 100 * MS
            rgb = rng.integers(0, 256, (*SIZE, 3), np.uint8)
            counts = rng.integers(2000 + 500 * number, 9000, SIZE, np.uint16)
            writer.write_image("/rgb/image", stamp, "front", rgb, "bgr8")
            writer.write_image("/thermal/image", stamp + later, "heat", counts, "16UC1")
    file = tmp_path / "params.yaml"
    file.write_text(f"/**:\n  ros__parameters: {parameters}\n")
    given = ["evaluate-bag", str(tmp_path / "drive"), "--output", str(tmp_path / "results")]
    options = ["--model", str(untrained_weights), "--backend", "torch", "--steps", "1"]
    options += ["--precision", "float32", "--params-file", str(file)]
    assert main([*given, *options, "--record", str(tmp_path / "recorded")]) == 0
    offline = {topics.FUSED.name: {}, topics.MASK.name: {}}
    with Recording(tmp_path / "recorded") as recording:
        for message in recording.messages([f"/{name}" for name in offline]):
            offline[message.topic[1:]][message.stamp_ns] = message.image()

    predictor = PredictorOptions(
        untrained_weights, device="cpu", backend="torch", precision="float32", steps=1
    ).open()
    assert bench.make_node(
        ["--ros-args", "--params-file", str(file)],
        make_predictor=lambda settings: predictor,
        log_period=0.0,
        **{
            f"qos_overrides./{camera}/image.subscription.reliability": "reliable"
            for camera in ("rgb", "thermal")
        },
    ).start()
    live = {topic.name: bench.watch(topic) for topic in (topics.FUSED, topics.MASK)}
    replay = ReplayNode(
        context=bench.context,
        parameter_overrides=[Parameter("input", value=str(tmp_path / "drive"))],
    )
    bench.until(replay.has_subscribers)
    infos = [out for out in replay.publishers if out.topic_name.endswith("camera_info")]
    bench.until(lambda: len(infos) == 2 and all(out.get_subscription_count() for out in infos))
    # Topics arrive in any order: the node leaves pairs out that come before both camera_info.
    logged = ""

    def finished():
        nonlocal logged
        logged += capfd.readouterr().err
        return min(map(len, live.values())) + logged.count("frame left out: waiting for")

    for number in range(1, 4):  # in lockstep, so that no pair gives way to a newer one in the node
        assert replay.publish_next() is not None
        bench.until(lambda number=number: finished() == number)
    replay.close()
    for name, images in offline.items():
        assert len(images) == 3
        assert len(live[name]) == 3 or ("undistort" in parameters and live[name])
        for message in live[name]:
            stamp = Time.from_msg(message.header.stamp).nanoseconds
            assert (decode(message) == images[stamp]).all()
