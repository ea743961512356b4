"""The fusion node within one process, over real DDS, with a small untrained network."""

import gc
import weakref

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import State, Transition
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.msg import FrameStatus

SIZE = HEIGHT, WIDTH = 48, 64
FRAMEWORK_TOPICS = ("/rosout", "/parameter_events", "/fusion_node/transition_event", "/clock")


def test_status_of_a_frame(running):
    status = running.next_status()
    assert status.header.frame_id == "rgb_optical"
    assert status.mode == FrameStatus.BOTH
    assert status.time_offset == 0.0
    assert sum(status.class_shares) == pytest.approx(1.0)
    assert (status.paired, status.processed, status.dropped_pairs) == (2, 2, 0)
    assert status.bad_messages == status.dropped_rgb == status.dropped_thermal == 0
    latency = status.latency
    stages = [getattr(latency, name) for name in latency.get_fields_and_field_types()]
    assert all(seconds >= 0 for seconds in stages)
    assert latency.inference > 0


def test_while_the_network_is_busy_only_the_newest_pair_is_kept(running):
    """The node continues to receive and pair while a frame is processed."""
    statuses = running.received[topics.FRAME_STATUS.name]
    running.watch(topics.DIAGNOSTICS)
    inputs = running.predictor.inputs
    running.predictor.gate.clear()
    busy_with = running.send_pair()
    running.until(lambda: len(inputs) == 2)
    for paired in (3, 4, 5, 6):
        newest = running.send_pair()
        counted = KeyValue(key="paired", value=str(paired))
        running.diagnostics("pairing", lambda s, counted=counted: counted in s.values)
    running.predictor.gate.set()
    running.until(lambda: len(statuses) == 3)
    assert [status.header for status in statuses[1:]] == [busy_with, newest]
    assert statuses[-1].dropped_pairs == 3
    assert statuses[-1].paired == 6


def test_offset_of_a_pair_is_signed_and_corrected(running):
    running.node.set_parameters([Parameter("thermal_time_offset", value=-0.25)])
    statuses = running.received[topics.FRAME_STATUS.name]
    count = len(statuses)
    for _ in range(2):  # the second pair makes the first one certain
        header = running.header()
        rgb = image_message(np.zeros((*SIZE, 3), np.uint8), "rgb8", header)
        late = Header(stamp=Time(sec=header.stamp.sec, nanosec=260_000_000))
        running.send("rgb/image", rgb)
        running.send("thermal/image", image_message(np.zeros(SIZE, np.uint8), "mono8", late))
    running.until(lambda: len(statuses) > count)
    assert statuses[count].time_offset == pytest.approx(0.01)


def test_only_outputs_with_subscribers_are_computed(running, monkeypatch):
    made = []
    monkeypatch.setattr(
        "difusionseg_ros.fusion.outputs.image_message",
        lambda pixels, encoding, header: (
            made.append(encoding) or image_message(pixels, encoding, header)
        ),
    )
    running.next_status()
    assert made == []
    masks = running.watch(topics.MASK)
    running.until(lambda: running.next_status() and masks)
    assert set(made) == {"mono8"}


def test_camera_info_has_the_header_of_the_images(running):
    infos = [
        running.watch(topics.FUSED_CAMERA_INFO),
        running.watch(topics.SEGMENTATION_CAMERA_INFO),
    ]
    running.send(
        "rgb/camera_info", CameraInfo(width=WIDTH, height=HEIGHT, k=[float(i) for i in range(9)])
    )
    running.until(lambda: running.next_status() and all(infos))
    for info, *_ in infos:
        assert info.header.frame_id == "rgb_optical"
        assert info.header.stamp.sec > 0
        assert (info.width, info.height, list(info.k)) == (WIDTH, HEIGHT, list(range(9)))


@pytest.mark.parametrize("palette", ["display", "published"])
def test_class_colors_are_latched_and_have_the_palette(bench, palette):
    assert bench.make_node(palette=palette).start()
    running = bench
    infos = running.watch(topics.CLASS_COLORS)
    running.until(lambda: infos)
    (info,) = infos
    labels = running.predictor.label_set
    assert [entry.class_name for entry in info.class_map] == list(labels.class_names)
    assert [entry.class_id for entry in info.class_map] == list(range(labels.num_classes))
    color = info.class_map[1].color
    assert (color.r * 255, color.g * 255, color.b * 255) == pytest.approx(labels.colors(palette)[1])


def test_label_info_is_latched_and_names_the_classes(running):
    infos = running.watch(topics.LABEL_INFO)
    running.until(lambda: infos)
    names = running.predictor.label_set.class_names
    assert [(entry.class_id, entry.class_name) for entry in infos[0].class_map] == [
        *enumerate(names)
    ]


BAD_MESSAGES = {
    "unknown encoding": {"encoding": "32FC3"},
    "short buffer": {"data": b"\0" * 100},
    "zero size": {"width": 0, "height": 0, "step": 0, "data": b""},
    "wrong step": {"step": 10},
    "enormous": {"height": 2**30},
}


@pytest.mark.parametrize("camera", ["rgb", "thermal"])
@pytest.mark.parametrize("fault", BAD_MESSAGES)
def test_a_bad_message_is_counted_and_reported(running, camera, fault):
    diagnostics = running.watch(topics.DIAGNOSTICS)
    bad = image_message(np.zeros(SIZE, np.uint8), "mono8", running.header())
    for field, value in BAD_MESSAGES[fault].items():
        setattr(bad, field, value)
    running.send(f"{camera}/image", bad)
    status = running.diagnostics(f"{camera} camera", lambda s: s.level == DiagnosticStatus.WARN)
    assert status.message.startswith("1 bad message: ")
    assert {v.key: v.value for v in status.values}["topic"] == f"/{camera}/image"
    assert running.next_status().bad_messages == 1
    assert diagnostics


def test_a_pair_of_different_sizes_is_a_bad_thermal_image(running):
    running.watch(topics.DIAGNOSTICS)
    small = image_message(np.zeros((24, 32), np.uint8), "mono8", Header())
    running.send_pair(thermal=small)
    status = running.diagnostics("thermal camera", lambda s: s.level == DiagnosticStatus.WARN)
    assert "32x24 pixels, the RGB image 64x48" in status.message
    assert running.next_status().bad_messages == 1


def test_after_a_failure_of_the_network_the_node_continues(running):
    running.watch(topics.DIAGNOSTICS)
    running.predictor.error = RuntimeError("out of\nmemory")
    running.send_pair()
    status = running.diagnostics("network", lambda s: s.level == DiagnosticStatus.ERROR)
    assert status.message == "1 frame failed: RuntimeError: out of memory"
    assert running.next_status().processed == 2


def test_diagnostics_of_a_lost_camera_and_of_the_network(bench):
    assert bench.make_node(diagnostics_period=0.05, camera_timeout=0.2).start()
    bench.watch(topics.DIAGNOSTICS)
    bench.watch(topics.FRAME_STATUS)
    bench.next_status()  # the first frame of a size may take longer than camera_timeout
    bench.next_status()
    for camera in ("rgb camera", "thermal camera"):
        bench.diagnostics(camera, lambda s: s.level == DiagnosticStatus.OK)
        lost = bench.diagnostics(camera, lambda s: s.level == DiagnosticStatus.ERROR)
        assert lost.message.startswith("no usable image on /")
    network = bench.diagnostics("network", lambda s: s.level == DiagnosticStatus.OK)
    values = {v.key: v.value for v in network.values}
    assert (values["device"], values["backend"]) == ("cpu", bench.predictor.backend)
    pairing = bench.diagnostics("pairing", lambda s: "offset, median [ms]" in str(s.values))
    assert pairing.name == "fusion_node: pairing"


def test_changed_parameters_apply_to_the_next_frame(running):
    node = running.node
    (answer,) = node.set_parameters([Parameter("steps", value=4)])
    assert answer.successful
    running.next_status()
    assert running.predictor.steps == 4
    (answer,) = node.set_parameters([Parameter("model", value="paper")])
    assert not answer.successful
    (answer,) = node.set_parameters([Parameter("overlay_opacity", value=1.5)])
    assert not answer.successful
    (answer,) = node.set_parameters([Parameter("thermal_low", value=300.0)])
    assert "thermal_high" in answer.reason
    running.next_status()


def test_thermal_range_changes_what_the_network_sees(running):
    counts = np.linspace(7000, 8000, HEIGHT * WIDTH).reshape(SIZE).astype(np.uint16)
    inputs = running.predictor.inputs

    def send_and_see():
        count = len(inputs)
        running.send_pair(thermal=image_message(counts, "mono16", Header()))
        running.until(lambda: len(inputs) > count)
        return inputs[-1][1]

    by_percentile = send_and_see()
    assert by_percentile.dtype == np.uint8
    assert (by_percentile.min(), by_percentile.max()) == (0, 255)
    running.node.set_parameters_atomically(
        [
            Parameter("thermal_mode", value="fixed"),
            Parameter("thermal_low", value=7000.0),
            Parameter("thermal_high", value=9000.0),
        ]
    )
    fixed = send_and_see()
    assert (fixed.min(), fixed.max()) == (0, 128)


def test_compressed_transport_uses_the_remapped_topic(bench):
    transports = {"rgb_transport": "compressed", "thermal_transport": "compressed"}
    remapped = ["--ros-args", "-r", "__ns:=/robot", "-r", "rgb/image:=/front/color"]
    assert bench.make_node(remapped, **transports).start()
    statuses = []
    bench.camera.create_subscription(FrameStatus, "/robot/frame_status", statuses.append, 5)
    bench.until(lambda: bench.camera.count_publishers("/robot/frame_status"))
    header = bench.header()
    for name, pixels in (
        ("/front/color/compressed", np.zeros((*SIZE, 3), np.uint8)),
        ("/robot/thermal/image/compressed", np.zeros(SIZE, np.uint16)),
    ):
        data = cv2.imencode(".png", pixels)[1].tobytes()
        bench.send(name, CompressedImage(header=header, format="png", data=data))
    bench.until(lambda: statuses)
    assert statuses[0].header == header


def test_lifecycle_from_unconfigured_to_finalized(bench):
    node = bench.make_node(autostart=False)
    lifecycle = bench.lifecycle()
    assert lifecycle.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert node.count_subscribers("/rgb/image") == node.count_publishers("/fused/image") == 0

    assert lifecycle.change(Transition.TRANSITION_CONFIGURE)
    assert lifecycle.state() == State.PRIMARY_STATE_INACTIVE
    assert (node.count_subscribers("/rgb/image"), node.count_publishers("/fused/image")) == (0, 1)

    assert lifecycle.change(Transition.TRANSITION_ACTIVATE)
    assert lifecycle.state() == State.PRIMARY_STATE_ACTIVE
    bench.watch(topics.FRAME_STATUS)
    assert [bench.next_status().processed for _ in range(2)] == [1, 2]

    assert lifecycle.change(Transition.TRANSITION_DEACTIVATE)
    assert lifecycle.state() == State.PRIMARY_STATE_INACTIVE
    bench.until(lambda: node.count_subscribers("/rgb/image") == 0)

    assert lifecycle.change(Transition.TRANSITION_ACTIVATE)
    bench.until(lambda: bench.camera.count_subscribers("/rgb/image") == 1)
    bench.publishers.clear()  # wait for the new subscriptions
    assert bench.next_status().processed == 1  # totals are those since activation

    assert lifecycle.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert lifecycle.state() == State.PRIMARY_STATE_FINALIZED
    bench.until(lambda: node.count_publishers("/fused/image") == 0)


def test_cleanup_frees_the_network_and_configure_reloads_it(bench, predictor, tap):
    made = []

    def make_predictor(settings):
        tapped = tap(predictor)
        made.append(weakref.ref(tapped))
        return tapped

    node = bench.make_node(make_predictor=make_predictor)
    assert node.start()
    bench.watch(topics.FRAME_STATUS)
    bench.next_status()
    lifecycle = bench.lifecycle()
    assert lifecycle.change(Transition.TRANSITION_DEACTIVATE)
    assert lifecycle.change(Transition.TRANSITION_CLEANUP)
    gc.collect()
    assert made[0]() is None
    assert lifecycle.change(Transition.TRANSITION_CONFIGURE)
    assert made[1]() is not None


def test_configure_that_fails_leaves_the_node_unconfigured(bench):
    def no_weights(settings):
        raise FileNotFoundError("there is no weights file")

    node = bench.make_node(make_predictor=no_weights, autostart=False)
    assert not node.start()
    lifecycle = bench.lifecycle()
    assert not lifecycle.change(Transition.TRANSITION_CONFIGURE)
    assert lifecycle.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert node.count_publishers("/fused/image") == 0


def test_impossible_qos_override_keeps_the_node_inactive(bench):
    override = {"qos_overrides./thermal/image.subscription.reliability": "sometimes"}
    node = bench.make_node(**override)
    assert not node.start()
    assert bench.lifecycle().state() == State.PRIMARY_STATE_INACTIVE
    assert node.count_subscribers("/rgb/image") == 0


def test_qos_can_be_overridden(bench):
    name = "qos_overrides./rgb/image.subscription.reliability"
    assert bench.make_node(**{name: "reliable"}).start()
    (info,) = bench.node.get_subscriptions_info_by_topic("/rgb/image")
    assert info.qos_profile.reliability.name == "RELIABLE"
    (info,) = bench.node.get_subscriptions_info_by_topic("/thermal/image")
    assert info.qos_profile.reliability.name == "BEST_EFFORT"


def test_the_graph_is_the_one_of_the_topic_table(running):
    node = running.node
    own = (node.get_name(), node.get_namespace())
    published = dict(node.get_publisher_names_and_types_by_node(*own))
    subscribed = dict(node.get_subscriber_names_and_types_by_node(*own))
    for listed, found in ((topics.OUTPUTS, published), (topics.INPUTS, subscribed)):
        names = {node.resolve_topic_name(topic.name) for topic in listed}
        assert names == {name for name in found if not name.startswith(FRAMEWORK_TOPICS)}
