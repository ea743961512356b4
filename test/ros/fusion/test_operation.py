"""Operation: missing cameras, the enable service, parameters, lack of memory."""

import functools
import math
import signal
import threading

import numpy as np
import pytest
import rclpy
import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from difusionseg_core import Predictor, create_model
from difusionseg_ros import fusion_node
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.msg import FrameStatus

SIZE = HEIGHT, WIDTH = 48, 64
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
TIMEOUT = 0.3  # seconds without an image after which a camera counts as missing in these tests


@pytest.fixture
def start(bench):
    """`start(**parameters)`: the bench with a running node that has processed a first pair."""

    def start(**parameters):
        node = bench.make_node(diagnostics_period=0.1, log_period=0.0, **parameters)
        assert node.start()
        bench.watch(topics.FRAME_STATUS)
        bench.watch(topics.DIAGNOSTICS)
        bench.next_status()
        return bench

    return start


def rgb_image(header):
    return image_message(np.full((*SIZE, 3), 90, np.uint8), "rgb8", header)


def thermal_image(header):
    return image_message(np.full(SIZE, 50, np.uint8), "mono8", header)


def send_alone(bench, camera, header=None):
    header = header or bench.header()
    bench.send(f"{camera}/image", {"rgb": rgb_image, "thermal": thermal_image}[camera](header))
    return header


def next_diagnostics(bench, part):
    """The status of a part that is reported next, at most a tenth of a second later."""
    bench.received[topics.DIAGNOSTICS.name].clear()
    return bench.diagnostics(part, lambda status: True)


@pytest.mark.parametrize(
    "left, mode, missing",
    [
        ("rgb", FrameStatus.RGB_ONLY, "thermal"),
        ("thermal", FrameStatus.THERMAL_ONLY, "rgb"),
    ],
)
def test_degraded_mode_continues_with_the_remaining_camera(start, left, mode, missing):
    bench = start(on_missing_camera="degrade", camera_timeout=TIMEOUT)
    statuses = bench.received[topics.FRAME_STATUS.name]
    masks = bench.watch(topics.MASK)
    sent = []

    while not (statuses[-1].mode == mode and masks):
        sent.append(send_alone(bench, left))
        next_diagnostics(bench, "pairing")
    assert statuses[-1].header in sent
    assert masks[-1].header == statuses[-1].header
    assert math.isnan(statuses[-1].time_offset)
    rgb, thermal = bench.predictor.inputs[-1]
    assert {"rgb": thermal, "thermal": rgb}[left] is None
    lost = bench.diagnostics(f"{missing} camera", lambda s: s.level == ERROR)
    assert lost.message.startswith(f"no usable image on /{missing}/image")
    assert "one camera alone" in bench.diagnostics("pairing", lambda s: s.level == WARN).message

    bench.until(lambda: bench.next_status().mode == FrameStatus.BOTH)
    assert bench.next_status().mode == FrameStatus.BOTH
    while next_diagnostics(bench, "pairing").level != OK:
        pass


def test_waiting_for_a_missing_camera_gives_no_output(start):
    bench = start(camera_timeout=TIMEOUT)
    while (status := next_diagnostics(bench, "pairing")).level != ERROR:
        send_alone(bench, "rgb")
    assert status.message == "no pairs: thermal images missing"
    assert len(bench.received[topics.FRAME_STATUS.name]) == 1
    assert bench.next_status().mode == FrameStatus.BOTH


def test_degraded_mode_treats_a_bad_image_as_missing(start):
    bench = start(on_missing_camera="degrade")
    statuses = bench.received[topics.FRAME_STATUS.name]
    small = image_message(np.zeros((24, 32), np.uint8), "mono8", Header())
    header = bench.send_pair(thermal=small)
    bench.until(lambda: len(statuses) == 2)
    assert (statuses[-1].header, statuses[-1].mode) == (header, FrameStatus.RGB_ONLY)
    assert math.isnan(statuses[-1].time_offset)
    assert statuses[-1].bad_messages == 1


@pytest.fixture
def enable(bench):
    """`enable(on)` calls the node's service; returns its answer."""

    def enable(on):
        client = bench.camera.create_client(SetBool, "fusion_node/enable")
        bench.until(client.service_is_ready)
        answer = client.call_async(SetBool.Request(data=on))
        bench.until(answer.done)
        return answer.result()

    return enable


def test_the_enable_service_pauses_and_resumes(start, enable):
    bench = start()
    statuses = bench.received[topics.FRAME_STATUS.name]
    assert enable(False).success
    bench.diagnostics("network", lambda s: s.message == "paused by ~/enable")
    for paired in ("2", "3"):
        bench.send_pair()
        bench.diagnostics(
            "pairing", lambda s, n=paired: {v.key: v.value for v in s.values}["paired"] == n
        )
    assert enable(True).success
    status = bench.next_status()
    assert (status.paired, status.processed) == (4, 2)
    assert len(bench.predictor.inputs) == len(statuses) == 2


def test_an_inactive_node_cannot_be_enabled(bench, enable):
    bench.make_node(autostart=False)
    answer = enable(True)
    assert (answer.success, answer.message) == (False, "the node is not active")


def change(bench, **parameters):
    answer = bench.node.set_parameters_atomically(
        [Parameter(name, value=value) for name, value in parameters.items()]
    )
    assert answer.successful, answer.reason


def test_overlay_opacity_applies_to_the_next_frame(start):
    bench = start()
    watched = (topics.FUSED, topics.MASK, topics.COLOR, topics.OVERLAY)
    received = [bench.watch(topic) for topic in watched]

    def next_pictures():
        header = bench.send_pair()
        bench.until(lambda: all(m and m[-1].header == header for m in received))
        return [np.array(m[-1].data).reshape(*SIZE, -1) for m in received]

    for opacity in (0.0, 1.0, 0.0):
        change(bench, overlay_opacity=opacity)
        fused, mask, color, overlay = next_pictures()
        painted = (mask > 0) & (opacity > 0)  # class 0 has no colour
        assert np.array_equal(overlay, np.where(painted, color, fused))
    assert mask.any()


def test_slop_applies_to_the_next_image(start):
    bench = start(slop=0.0)
    statuses = bench.received[topics.FRAME_STATUS.name]

    def send_apart():
        """A thermal image 10 ms after each of two RGB ones."""
        for _ in range(2):
            header = send_alone(bench, "rgb")
            stamp = Time(sec=header.stamp.sec, nanosec=10_000_000)
            send_alone(bench, "thermal", Header(stamp=stamp))

    while (status := next_diagnostics(bench, "pairing")).level != ERROR:
        send_apart()
    assert "stamps differ by more than slop, the newest by " in status.message
    change(bench, slop=0.02)
    while statuses[-1].time_offset != pytest.approx(0.01):
        send_apart()
        next_diagnostics(bench, "pairing")
    change(bench, slop=0.0)
    paired = bench.next_status().paired
    send_apart()
    assert bench.next_status().paired == paired + 1


def test_the_size_limit_applies_to_the_next_image(start):
    bench = start()
    change(bench, max_image_bytes=HEIGHT * WIDTH)
    bench.send_pair()
    refused = bench.diagnostics("rgb camera", lambda s: s.level == WARN)
    assert "more than max_image_bytes (3072)" in refused.message
    change(bench, max_image_bytes=3 * HEIGHT * WIDTH)
    assert bench.next_status().processed == 2


def test_lack_of_memory_moves_the_network_to_the_cpu(start, monkeypatch):
    """Return PyTorch's out-of-memory error, so that no GPU is needed."""
    bench = start()
    runner = bench.predictor._runner
    graph, calls = runner._graph, []

    def exhausted_once(*arguments):
        calls.append(runner.device)
        if len(calls) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return graph(*arguments)

    monkeypatch.setattr(runner, "_graph", exhausted_once)
    assert bench.next_status().processed == 2  # not even this frame is lost
    assert calls == ["cpu", "cpu"]
    assert bench.node.fatal_error is None
    moved = bench.diagnostics("network", lambda s: s.level == WARN)
    assert "memory of cpu was not enough" in moved.message


@pytest.fixture
def exhausted_predictor():
    """A network whose device has no memory left."""

    def exhausted(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    predictor = Predictor(create_model("lite"), device="cpu", steps=1)
    predictor._runner._graph = exhausted
    return predictor


@pytest.fixture
def signal_handlers():
    """Those of the tests come back after a `main`."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_lack_of_memory_ends_the_node_if_configured(
    monkeypatch, signal_handlers, exhausted_predictor, capfd
):
    """The program itself, `main`, with cameras in another thread."""
    node_class = functools.partial(fusion_node.FusionNode, lambda settings: exhausted_predictor)
    monkeypatch.setattr(fusion_node, "FusionNode", node_class)
    context = rclpy.Context()
    rclpy.init(context=context)
    camera = Node("camera", context=context)
    rgb, thermal = (camera.create_publisher(Image, f"{c}/image", 5) for c in ("rgb", "thermal"))
    ended = threading.Event()

    def send():
        second = 0
        while not ended.wait(0.1):
            second += 1
            header = Header(stamp=Time(sec=second))
            rgb.publish(rgb_image(header))
            thermal.publish(thermal_image(header))

    cameras = threading.Thread(target=send)
    cameras.start()
    try:
        assert fusion_node.main(["fusion_node", "--ros-args", "-p", "on_out_of_memory:=stop"]) == 1
    finally:
        ended.set()
        cameras.join()
        camera.destroy_node()
        context.try_shutdown()
    assert "cannot continue: CUDA out of memory" in capfd.readouterr().err


@pytest.mark.parametrize(
    "stamp, said",
    [(Time(), "it has no stamp"), (Time(sec=-5), "negative time stamp (-5 s)")],
)
@pytest.mark.parametrize("on_missing_camera", ["wait", "degrade"])
def test_images_without_a_time_are_refused(start, stamp, said, on_missing_camera):
    bench = start(on_missing_camera=on_missing_camera)
    for camera in ("rgb", "thermal"):
        send_alone(bench, camera, Header(stamp=stamp))
        refused = bench.diagnostics(f"{camera} camera", lambda s: s.level == WARN)
        assert said in refused.message
    assert bench.next_status().bad_messages == 2


@pytest.mark.parametrize("rgb_stamps, thermal_stamps", [("auto", "auto"), ("arrival", "arrival")])
def test_images_without_a_stamp_pair_by_their_arrival(bench, rgb_stamps, thermal_stamps):
    settings = {"rgb_stamps": rgb_stamps, "thermal_stamps": thermal_stamps, "slop": 10.0}
    assert bench.make_node(diagnostics_period=0.1, log_period=0.0, **settings).start()
    statuses = bench.watch(topics.FRAME_STATUS)

    def has_status():
        send_alone(bench, "rgb", Header())
        send_alone(bench, "thermal", Header())
        return statuses

    bench.until(has_status)
    assert statuses[0].header.stamp.sec > 0
    assert statuses[0].mode == FrameStatus.BOTH
    assert statuses[0].bad_messages == 0


def test_no_image_field_can_end_the_node(start):
    """Random fields, many of them invalid, do not end the node."""
    bench = start(on_missing_camera="degrade", max_image_bytes=100_000)
    random = np.random.default_rng(0)

    def nonsense(number):
        header = bench.header()
        message = rgb_image(header) if number % 2 else thermal_image(header)
        for name, values in FIELDS.items():
            if random.random() < 0.3:
                setattr(message, name, values[random.integers(len(values))])
        if random.random() < 0.2:
            message.header.stamp = STAMPS[random.integers(len(STAMPS))]
        return message

    for number in range(0, 160, 4):
        for message in map(nonsense, range(number, number + 4)):  # the node queues five at most
            for camera in ("rgb", "thermal"):
                bench.send(f"{camera}/image", message)
        next_diagnostics(bench, "rgb camera")
    statuses = bench.received[topics.FRAME_STATUS.name]
    sent = []
    while statuses[-1].header not in sent:
        sent.append(bench.send_pair())
        next_diagnostics(bench, "network")
    assert 80 < statuses[-1].bad_messages < 320


FIELDS = {
    "width": (0, 1, 7, WIDTH, 2**32 - 1),
    "height": (0, 1, 7, HEIGHT, 2**32 - 1),
    "step": (0, 1, WIDTH, 3 * WIDTH, 5 * WIDTH, 2**32 - 1),
    "encoding": ("", "rgb8", "mono8", "mono16", "32FC1", "bayer_rggb8", "yuv422", "\u2620" * 300),
    "is_bigendian": (0, 1, 255),
    "data": (b"", b"\0", bytes(HEIGHT * WIDTH), bytes(5 * HEIGHT * WIDTH)),
}
STAMPS = (Time(sec=2**31 - 1, nanosec=2**32 - 1), Time(sec=-(2**31)), Time(nanosec=1))


def test_a_second_node_with_the_same_topics_is_named(start, context):
    bench = start()
    other = fusion_node.FusionNode(lambda settings: bench.predictor, context=context)
    try:
        assert other.trigger_configure() == fusion_node.SUCCESS
        warned = bench.diagnostics("outputs", lambda s: s.level == WARN)
        assert "another node publishes too: fused/image, " in warned.message
    finally:
        other.close()
        other.destroy_node()
    while next_diagnostics(bench, "outputs").level != OK:
        pass
    assert bench.next_status().processed == 2
