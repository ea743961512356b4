"""The replay node, over DDS: pair by pair in this process, and as a program."""

import signal
import threading
import time

import cv2
import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from difusionseg_core.imaging.codec.camera_images import compress
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_ros.replay import QOS, ReplayNode

SECOND = 1_000_000_000


def picture(number):
    return np.full((12, 16, 3), number * 9, np.uint8)


@pytest.fixture
def recording(tmp_path):
    """Four pairs at 20 Hz: raw RGB, compressed thermal images and masks."""
    path = tmp_path / "drive"
    with RecordingWriter(path) as writer:
        for number in range(4):
            stamp = 100 * SECOND + number * SECOND // 20
            writer.write_image("/rgb/image", stamp, "front", picture(number), "rgb8")
            for topic in ("/thermal/image/compressed", "/ground_truth/mask/compressed"):
                data, format = compress(picture(number)[..., 0], "png")
                writer.write_compressed(topic, stamp, "front", data, format)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three pairs with labels, thermal in 16 bits."""
    for part in ("vi", "ir", "Segmentation_labels"):
        (tmp_path / part).mkdir()
    for number, name in enumerate(("a", "b", "c")):
        cv2.imwrite(str(tmp_path / "vi" / f"{name}.png"), picture(number))
        deep = np.full((12, 16), 1000 * number, np.uint16)
        cv2.imwrite(str(tmp_path / "ir" / f"{name}.png"), deep)
        labels = np.full((12, 16), number, np.uint8)
        cv2.imwrite(str(tmp_path / "Segmentation_labels" / f"{name}.png"), labels)
    return tmp_path


class Listener(Node):
    """Collects messages by topic, in their order of arrival."""

    def __init__(self, topics, **node_arguments):
        super().__init__("listener", **node_arguments)
        self.received = {topic: [] for topic in topics}
        for topic, kind in topics.items():
            self.create_subscription(kind, topic, self.received[topic].append, QOS)

    def counts(self):
        return [len(messages) for messages in self.received.values()]


RECORDED = {
    "rgb/image": Image,
    "thermal/image/compressed": CompressedImage,
    "ground_truth/mask/compressed": CompressedImage,
}
FROM_FOLDER = {"rgb/image": Image, "thermal/image": Image, "ground_truth/mask": Image}


@pytest.fixture
def replay(context):
    """`replay(input, **parameters)` makes a node in this process."""
    nodes = []

    def replay(source, **parameters):
        values = {"input": str(source), **parameters}
        node = ReplayNode(
            context=context,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        nodes.append(node)
        return node

    yield replay
    for node in nodes:
        node.close()


def stamp_ns(message):
    return message.header.stamp.sec * SECOND + message.header.stamp.nanosec


def connected(node, topics):
    names = {f"/{topic}" for topic in topics}
    outputs = [output for output in node.publishers if output.topic_name in names]
    return len(outputs) == len(names) and all(out.get_subscription_count() for out in outputs)


def test_pairs_of_a_recording_one_by_one(context, spin_until, replay, recording):
    node, listener = replay(recording), Listener(RECORDED, context=context)
    spin_until(lambda: connected(node, RECORDED), node, listener)
    for number in range(4):
        pair = node.publish_next()
        assert pair.stamp_ns == 100 * SECOND + number * SECOND // 20
        assert pair.name == f"{pair.stamp_ns // SECOND}.{pair.stamp_ns % SECOND:09d}"
        spin_until(lambda count=number + 1: listener.counts() == [count] * 3, node, listener)
    assert node.publish_next() is None
    for number, (image, thermal) in enumerate(
        zip(
            listener.received["rgb/image"],
            listener.received["thermal/image/compressed"],
            strict=True,
        )
    ):
        assert stamp_ns(image) == stamp_ns(thermal) == 100 * SECOND + number * SECOND // 20
        assert (image.encoding, image.header.frame_id) == ("rgb8", "front")
        assert bytes(image.data) == picture(number).tobytes()
        assert (cv2.imdecode(np.asarray(thermal.data), -1) == picture(number)[..., 0]).all()


def test_pairs_of_a_folder_one_by_one(context, spin_until, replay, folder):
    node, listener = replay(folder), Listener(FROM_FOLDER, context=context)
    spin_until(lambda: connected(node, FROM_FOLDER), node, listener)
    pairs = [node.publish_next() for _ in range(3)]
    assert [pair.name for pair in pairs] == ["a", "b", "c"] and node.publish_next() is None
    spin_until(lambda: listener.counts() == [3, 3, 3], node, listener)
    for messages, encoding in zip(
        listener.received.values(), ("rgb8", "mono16", "mono8"), strict=True
    ):
        assert [stamp_ns(message) for message in messages] == [pair.stamp_ns for pair in pairs]
        assert {message.encoding for message in messages} == {encoding}
    assert pairs[0].stamp_ns < pairs[1].stamp_ns < pairs[2].stamp_ns
    deep = np.frombuffer(listener.received["thermal/image"][2].data, np.uint16)
    assert (deep == 2000).all()


def test_it_plays_in_real_time_and_loses_nothing(context, spin_until, replay, recording):
    node, listener = replay(recording, speed=0.5), Listener(RECORDED, context=context)
    player = threading.Thread(target=node.play, args=(lambda: False,))
    begin = time.monotonic()
    player.start()
    spin_until(lambda: listener.counts() == [4, 4, 4], listener)
    player.join(timeout=20)
    assert not player.is_alive()
    assert time.monotonic() - begin >= 3 * 0.1  # three steps of 50 ms at half the pace


def test_a_loop_goes_back_to_the_recorded_stamps(context, spin_until, replay, recording):
    node, listener = replay(recording, loop=True), Listener(RECORDED, context=context)
    spin_until(lambda: connected(node, RECORDED), node, listener)
    stamps = [node.publish_next().stamp_ns for _ in range(9)]
    assert stamps[4:8] == stamps[:4] and stamps[8] == stamps[0]
    assert stamps[3] > stamps[4]


def test_a_second_replay_can_start(context, spin_until, replay, recording):
    listener = Listener(RECORDED, context=context)
    for times in (1, 2):
        node = replay(recording)
        spin_until(lambda node=node: connected(node, RECORDED), node, listener)
        while node.publish_next():
            pass
        spin_until(lambda count=4 * times: listener.counts() == [count] * 3, node, listener)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"input": ""}, "parameter 'input' is missing"),
        ({"input": "/no/such/place"}, "/no/such/place does not exist"),
        ({"speed": 0.0}, "parameter 'speed' is out of range; allowed: 0.01 to 100"),
        ({"rate": "fast"}, "parameter 'rate' has the wrong type; it must be a double"),
        ({"thermal_topic": "/heat"}, "no topic /heat .* its image topics are /ground_truth"),
    ],
)
def test_parameters_that_are_refused(replay, recording, parameters, words):
    with pytest.raises(ValueError, match=words) as caught:
        replay(**{"source": parameters.pop("input", recording), **parameters})
    assert "\n" not in str(caught.value)


@pytest.fixture
def start(context, monkeypatch, start_module):
    """`start(**parameters)` starts the program on the domain of `context`."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(context.get_domain_id()))

    def start(**parameters):
        values = [f"{name}:={value}" for name, value in parameters.items()]
        return start_module("replay", "--ros-args", *(x for value in values for x in ("-p", value)))

    return start


def test_the_program_ends_with_0_after_one_pass(context, spin_until, start, recording):
    listener = Listener(RECORDED, context=context)
    process = start(input=recording)
    spin_until(lambda: listener.counts() == [4, 4, 4], listener)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "4/4" in errors and "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_cleanly_on_a_signal(context, spin_until, start, folder, number):
    topics = {"rgb/image": Image, "thermal/image": Image}
    listener = Listener(topics, context=context)
    process = start(input=folder, loop=True, rate=100.0)
    spin_until(lambda: min(listener.counts()) > 4, listener)  # into the second pass
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_the_program_refuses_damaged_recordings(start, recording):
    file = recording / "drive.mcap"
    file.write_bytes(file.read_bytes()[:600])
    process = start(input=recording)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "drive cannot be read" in errors and "Traceback" not in errors
    assert len(errors.strip().splitlines()) == 1


def test_best_effort_subscribers_are_served(context, spin_until, replay, recording):
    node, listener = replay(recording), Node("listener", context=context)
    received = []
    listener.create_subscription(Image, "rgb/image", received.append, qos_profile_sensor_data)
    spin_until(lambda: connected(node, ["rgb/image"]), node, listener)
    assert not node.has_subscribers()  # nothing subscribes to the thermal camera
    node.publish_next()
    spin_until(lambda: received, node, listener)


def test_the_time_of_recording_is_published_on_clock(context, spin_until, replay, recording):
    node, listener = replay(recording, clock=True), Node("listener", context=context)
    times, images = [], []
    listener.create_subscription(Clock, "/clock", times.append, QOS)
    listener.create_subscription(Image, "rgb/image", images.append, QOS)
    listener.create_subscription(CompressedImage, "thermal/image/compressed", images.append, QOS)
    player = threading.Thread(target=node.play, args=(lambda: False,))
    player.start()
    spin_until(lambda: len(images) == 8, listener)
    player.join(timeout=20)
    seconds = [message.clock.sec + message.clock.nanosec / 1e9 for message in times]
    assert seconds == sorted(seconds) and len(seconds) > 4
    assert 100.0 <= seconds[0] < 100.1 and 100.1 < seconds[-1] < 101.0


def test_a_jump_of_the_recorders_clock_is_shortened(tmp_path, context, spin_until, replay):
    year = 31_557_600 * SECOND
    with RecordingWriter(tmp_path / "drive") as writer:
        for stamp in (SECOND, SECOND + SECOND // 10, 56 * year, 56 * year + SECOND // 10):
            for topic in ("/front/image_raw", "/lepton/image_raw"):
                writer.write_image(topic, stamp, "", picture(1), "rgb8")
    node = replay(tmp_path / "drive", longest_pause=0.2)
    topics = {"rgb/image": Image, "thermal/image": Image}
    listener = Listener(topics, context=context)
    player = threading.Thread(target=node.play, args=(lambda: False,))
    player.start()
    spin_until(lambda: listener.counts() == [4, 4], listener)
    player.join(timeout=20)
    assert not player.is_alive()
