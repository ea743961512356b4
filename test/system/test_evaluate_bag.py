"""The evaluation node over real DDS: alone, and with replay and fusion node, as evaluate_bag."""

import json
import signal

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Float64, Header

from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_core.recordings.topic_choice import MASK as TRUTH
from difusionseg_ros.bringup.arguments import BadArgument, read_arguments
from difusionseg_ros.bringup.evaluate_bag import EVALUATE_BAG_ARGUMENTS, evaluate_bag_processes
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.common.topics import Topic
from difusionseg_ros.evaluation_node import MEAN_IOU

SIZE = 48, 64
SECOND = 1_000_000_000


@pytest.fixture
def start(own_system, start_module):
    """`start(module, *arguments)` starts a program of the package on its own domain."""
    return start_module


class Scene:
    """Sends masks and their ground truth to an evaluation node."""

    def __init__(self, peer):
        self._peer = peer
        self._masks = peer.publisher(topics.MASK)
        self._truths = peer.publisher(Topic(TRUTH, Image, ""))
        peer.listen(Topic(MEAN_IOU, Float64, ""))
        peer.until(lambda: peer.node.count_subscribers(TRUTH) > 0)
        self.scores = peer.received[MEAN_IOU]

    def send(self, second, mask=None, truth=None):
        header = Header()
        header.stamp.sec = second
        if truth is not None:
            self._truths.publish(image_message(truth, "mono8", header))
        if mask is not None:
            self._masks.publish(image_message(mask, "mono8", header))

    def leave(self):
        self._peer.node.destroy_publisher(self._truths)


def mask(*ids):
    """Stripes of equal height."""
    return np.repeat(np.array(ids, np.uint8), SIZE[0] // len(ids))[:, None].repeat(SIZE[1], axis=1)


def test_scores_are_right_and_written_when_the_truth_ends(start, peer, tmp_path):
    output = tmp_path / "scores.json"
    process = start("evaluation_node", "--ros-args", "-p", f"output:={output}")
    scene = Scene(peer)
    scene.send(1, mask(1, 2), mask(1, 2))
    scene.send(2, truth=mask(1))  # of a frame that the node dropped
    scene.send(3, mask(1, 2), mask(1, 255))
    scene.send(4, mask(1), np.zeros((10, 10), np.uint8))
    scene.send(5, mask(1, 1), mask(2, 1))
    peer.until(lambda: len(scene.scores) == 3)
    scene.leave()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = json.loads(output.read_text())
    assert found["truth"] == {"received": 5, "scored": 3, "without_class_map": 1}
    # In halves of an image: class 1 three right, one more predicted; class 2 one of two found.
    assert found["segmentation"]["IoU"] == {"class_1": pytest.approx(3 / 4), "class_2": 0.5}
    assert found["segmentation"]["mIoU"] == pytest.approx(5 / 8)
    assert scene.scores[-1].data == pytest.approx(5 / 8)
    (fault,) = found["faults"]
    assert fault.startswith(f"{TRUTH}: truth is (10, 10)")
    assert "mIoU 0.6250 over 3 frames" in errors


def test_a_signal_ends_it_with_the_scores_so_far(start, peer, tmp_path):
    output = tmp_path / "scores.json"
    process = start("evaluation_node", "--ros-args", "-p", f"output:={output}")
    scene = Scene(peer)
    scene.send(1, mask(1, 2), mask(1, 2))
    peer.until(lambda: scene.scores)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors
    assert json.loads(output.read_text())["segmentation"]["mIoU"] == 1.0


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (("start_timeout:=0.5",), "nothing was scored: nobody publishes /segmentation/mask"),
        (("slop:=-1.0",), "parameter 'slop' is out of range; allowed: 0 to 10"),
        (("output:=/",), "parameter 'output': / exists; name another"),
    ],
)
def test_unscorable_input_is_reported_in_one_line(start, parameters, said):
    given = [argument for parameter in parameters for argument in ("-p", parameter)]
    process = start("evaluation_node", "--ros-args", *given)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = errors.strip().splitlines()
    assert said in line


@pytest.fixture
def recording(tmp_path):
    """Six pairs at 5 Hz with truth."""
    with RecordingWriter(tmp_path / "drive") as writer:
        for number in range(6):
            stamp = 100 * SECOND + number * SECOND // 5
            picture = np.full((*SIZE, 3), 40 * number, np.uint8)
            writer.write_image("/rgb/image", stamp, "front", picture, "rgb8")
            writer.write_image("/thermal/image", stamp, "front", picture[..., 0], "mono8")
            writer.write_image("/labels", stamp, "front", mask(0, 1), "mono8")
    return tmp_path / "drive"


def test_a_recording_is_replayed_and_scored(start, recording, untrained_weights, tmp_path):
    output = tmp_path / "scores.json"
    given = (f"bag:={recording}", "mask_topic:=/labels", f"model:={untrained_weights}")
    process = start("bringup.evaluate_bag", *given, f"output:={output}", "namespace:=robot")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    found = json.loads(output.read_text())
    assert found["truth"]["received"] == 6
    assert found["truth"]["scored"] + found["truth"]["without_class_map"] == 6
    assert found["truth"]["scored"] == found["node"]["processed"] > 0
    assert found["latency_ms"]["inference"]["median"] > 0
    assert sum(found["class_shares"].values()) == pytest.approx(1.0, abs=1e-5)
    assert "car" in found["class_shares"]


def with_refused_thermal_images(folder, pairs):
    """Pairs at 10 Hz with truth, whose thermal images the node refuses."""
    with RecordingWriter(folder / "refused") as writer:
        for number in range(pairs):
            stamp = 100 * SECOND + number * SECOND // 10
            picture = np.full((*SIZE, 3), 40, np.uint8)
            writer.write_image("/rgb/image", stamp, "front", picture, "rgb8")
            writer.write_image("/thermal/image", stamp, "front", picture[..., 0], "bayer_rggb8")
            writer.write_image("/ground_truth/mask", stamp, "front", mask(0, 1), "mono8")
    return folder / "refused"


def test_images_that_the_node_refuses_end_the_evaluation_with_its_reason(
    start, untrained_weights, tmp_path
):
    recording = with_refused_thermal_images(tmp_path, 3000)  # five minutes
    process = start("bringup.evaluate_bag", f"bag:={recording}", f"model:={untrained_weights}")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    line = next(line for line in errors.splitlines() if "nothing was scored" in line)
    assert "/thermal/image: every image is refused: encoding 'bayer_rggb8'" in line


def test_bringup_names_images_that_the_node_refuses(start, untrained_weights, tmp_path):
    recording = with_refused_thermal_images(tmp_path, 600)
    arguments = (f"bag:={recording}", f"model:={untrained_weights}", "loop:=true")
    process = start("bringup.description", *arguments)
    line = next(line for line in process.stderr if "refused" in line)
    process.terminate()
    process.communicate(timeout=60)
    assert "/thermal/image: image refused: encoding 'bayer_rggb8'" in line


def test_the_described_processes(recording):
    given = [f"bag:={recording}", "mask_topic:=labels", "speed:=0.5", "output:=scores.json"]
    node, replay, evaluation = evaluate_bag_processes(read_arguments(given, EVALUATE_BAG_ARGUMENTS))
    assert [node.executable, replay.executable] == ["fusion_node", "replay"]
    assert replay.parameters["mask_topic"] == "labels" and replay.parameters["speed"] == 0.5
    assert replay.parameters["wait_for_mask_subscriber"]
    assert evaluation.finishes and evaluation.failure_ends_all
    assert node.essential and node.respawn_delay is None
    assert evaluation.parameters["output"].endswith("/scores.json")


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        ((), "name what to replay: bag:="),
        (("bag:=RECORDING",), "has no ground truth on ground_truth/mask; name its topic"),
        (("bag:=RECORDING", "mask_topic:=/rgb"), "has no topic /rgb with ground truth"),
        (("bag:=RECORDING", "mask_topic:=/labels", "speed:=fast"), "speed is 'fast'"),
        (("bag:=RECORDING", "output:=/"), "output: / exists"),
    ],
)
def test_refused_arguments_are_named(recording, tokens, named):
    given = [token.replace("RECORDING", str(recording)) for token in tokens]
    with pytest.raises(BadArgument) as refusal:
        evaluate_bag_processes(read_arguments(given, EVALUATE_BAG_ARGUMENTS))
    assert named in str(refusal.value)
