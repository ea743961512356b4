"""Images that were sent before the node started, and images that cannot arrive."""

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion import camera_input

SIZE = 48, 64
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def latch(bench):
    header = bench.header()
    pictures = {
        "rgb/image": image_message(np.full((*SIZE, 3), 90, np.uint8), "rgb8", header),
        "thermal/image": image_message(np.full(SIZE, 50, np.uint8), "mono8", header),
    }
    for name, picture in pictures.items():
        bench.publishers[name] = bench.camera.create_publisher(type(picture), name, LATCHED)
        bench.publishers[name].publish(picture)
    return header


def test_a_latched_pair_from_before_the_start_is_processed(bench):
    latch(bench)
    assert bench.make_node(diagnostics_period=0.1).start()
    bench.until(lambda: len(bench.predictor.inputs) == 1)


def test_each_later_pair_is_processed_once(bench):
    latch(bench)
    assert bench.make_node(diagnostics_period=0.1).start()
    bench.until(lambda: len(bench.predictor.inputs) == 1)
    for count in (2, 3, 4):
        bench.send_pair()
        bench.until(lambda count=count: len(bench.predictor.inputs) >= count)
    assert len(bench.predictor.inputs) == 4


@pytest.mark.parametrize(
    ("publisher", "users", "reason"),
    [
        (None, [], "nobody publishes it"),
        (RELIABLE, ["root"], "shared memory of another user (root)"),
        (RELIABLE, [], "rgb/image.subscription.reliability: reliable"),
        (BEST_EFFORT, [], "start it with config/fastdds.xml of this package"),
    ],
)
def test_images_that_do_not_arrive_are_explained_once(
    bench, monkeypatch, capfd, publisher, users, reason
):
    monkeypatch.setattr(camera_input, "other_users_of_shared_memory", lambda: users)
    if publisher is not None:
        qos = QoSProfile(depth=1, reliability=publisher)
        bench.camera.create_publisher(topics.RGB_IMAGE.type, "rgb/image", qos)
    assert bench.make_node(diagnostics_period=0.1, camera_timeout=0.5).start()
    bench.watch(topics.DIAGNOSTICS)
    status = bench.diagnostics("rgb camera", lambda status: reason in status.message)
    assert status.message.startswith("no usable image on /rgb/image for")
    bench.diagnostics("thermal camera", lambda status: "nobody publishes it" in status.message)
    lines = [line for line in capfd.readouterr().err.splitlines() if "/rgb/image: " in line]
    assert len(lines) == 1 and reason in lines[0]


def test_images_that_arrive_again_end_the_warning(bench, capfd):
    assert bench.make_node(diagnostics_period=0.1, camera_timeout=0.5).start()
    bench.watch(topics.DIAGNOSTICS)
    bench.diagnostics("rgb camera", lambda status: "nobody publishes it" in status.message)
    bench.send_pair()
    bench.diagnostics("rgb camera", lambda status: "no usable image" not in status.message)
