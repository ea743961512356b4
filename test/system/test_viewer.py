"""The viewer as a process: what a browser gets, over HTTP and real DDS."""

import contextlib
import http.client
import json
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import ColorRGBA, Header

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.msg import ClassColors, FrameStatus, LabelClass, StageLatency

SIZE = 48, 64
RED = (200, 30, 40)


class Browser:
    """Asks a viewer; `connections` are closed at the end."""

    def __init__(self, port, connections):
        self.port = port
        self._connections = connections

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self._connections.callback(connection.close)
        connection.request("GET", path)
        return connection.getresponse()

    def status(self):
        return json.loads(self.get("/status.json").read())


@pytest.fixture(scope="module")
def viewer(lasting_system):
    programs, peer = lasting_system
    return programs.start_node("-p", "port:=0", program="viewer")


@pytest.fixture(scope="module")
def peer(lasting_system):
    return lasting_system[1]


@pytest.fixture
def browser(viewer, peer):
    with contextlib.ExitStack() as connections:
        yield Browser(port_of(viewer, peer), connections)


def port_of(viewer, peer):
    """The port that a viewer says it serves on."""
    address = re.compile(r"watch on http://127\.0\.0\.1:(\d+)")
    peer.until(lambda: address.search(viewer.log.read_text()) or viewer.poll() is not None)
    return int(address.search(viewer.log.read_text())[1])


def picture():
    return image_message(np.full((*SIZE, 3), RED, np.uint8), "rgb8", Header())


def next_picture(response):
    """(H, W, 3) uint8 RGB of the next part of an MJPEG stream."""
    assert response.readline() == b"--picture\r\n"
    assert response.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(response.readline().removeprefix(b"Content-Length: "))
    assert response.readline() == b"\r\n"
    image = cv2.imdecode(np.frombuffer(response.read(length), np.uint8), cv2.IMREAD_COLOR)
    assert response.readline() == b"\r\n"
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def shown(peer, stream, publisher, message):
    """The next picture of the stream while the message is sent again and again, as cameras do."""
    with ThreadPoolExecutor(1) as reader:
        came = reader.submit(next_picture, stream)
        peer.until(lambda: publisher.publish(message) or came.done())
        return came.result()


def skipped(peer, viewer, publisher, message):
    """Send the message until the viewer says why it does not show it."""
    line = f"/{publisher.topic_name.lstrip('/')}: image skipped: "
    peer.until(lambda: publisher.publish(message) or line in viewer.log.read_text())


def camera(peer, name, kind=topics.Image):
    publisher = peer.node.create_publisher(kind, name, 5)
    return publisher, lambda: publisher.get_subscription_count()


def test_the_page_needs_nothing_else(browser):
    answer = browser.get("/")
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/html")
    page = answer.read().decode()
    assert set(re.findall(r'data-stream="(\w+)"', page)) == {"rgb", "thermal", "fused", "overlay"}
    assert "://" not in page  # works offline
    assert browser.get("/stream/depth").status == 404


def test_a_picture_is_subscribed_to_only_while_it_is_watched(viewer, browser, peer):
    publisher, subscriptions = camera(peer, topics.FUSED.name)
    statuses, status_subscriptions = camera(peer, topics.FRAME_STATUS.name, FrameStatus)
    peer.until(lambda: status_subscriptions() == 1)  # the viewer is discovered
    assert subscriptions() == 0
    streams = [browser.get("/stream/fused") for _ in range(2)]
    peer.until(lambda: subscriptions() > 0)
    assert subscriptions() == 1
    depth = image_message(np.zeros((3, 3), np.float32), "32FC1", Header())
    skipped(peer, viewer, publisher, depth)
    for stream in streams:
        assert stream.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=picture"
        image = shown(peer, stream, publisher, picture())
        assert image.shape == (*SIZE, 3)
        assert np.abs(image.astype(int) - RED).max() < 8
        stream.close()
    peer.until(lambda: subscriptions() == 0)
    for each in (publisher, statuses):
        peer.node.destroy_publisher(each)


def test_thermal_counts_of_16_bits_are_stretched(browser, peer):
    publisher, subscriptions = camera(peer, topics.THERMAL_IMAGE.name)
    stream = browser.get("/stream/thermal")
    peer.until(lambda: subscriptions() > 0)
    ramp = np.linspace(7000, 7400, SIZE[1]).astype(np.uint16)[None].repeat(SIZE[0], axis=0)
    image = shown(peer, stream, publisher, image_message(ramp, "mono16", Header()))
    assert image[:, 0].max() < 30 and image[:, -1].min() > 225
    peer.node.destroy_publisher(publisher)


def test_a_compressed_camera_is_shown_where_there_is_no_raw_one(viewer, browser, peer):
    topic = f"{topics.RGB_IMAGE.name}/compressed"
    publisher, subscriptions = camera(peer, topic, CompressedImage)
    stream = browser.get("/stream/rgb")
    peer.until(lambda: subscriptions() > 0)
    png = cv2.imencode(".png", np.full((*SIZE, 3), RED[::-1], np.uint8))[1].tobytes()
    cut_off = CompressedImage(format="png", data=png[:40])
    skipped(peer, viewer, publisher, cut_off)
    image = shown(peer, stream, publisher, CompressedImage(format="png", data=png))
    assert np.abs(image.astype(int) - RED).max() < 8
    peer.node.destroy_publisher(publisher)


def test_status_has_classes_frame_and_diagnostics_of_the_node(browser, peer):
    assert browser.status() == {"classes": [], "frame": None, "diagnostics": []}
    label_info = topics.CLASS_COLORS
    info = peer.node.create_publisher(label_info.type, label_info.name, label_info.qos())
    red = LabelClass(class_id=1, class_name="car", color=ColorRGBA(r=1.0, a=1.0))
    info.publish(ClassColors(name="two", class_map=[red]))
    frames = peer.publisher(topics.FRAME_STATUS)
    frame = FrameStatus(
        mode=FrameStatus.RGB_ONLY,
        time_offset=float("nan"),
        latency=StageLatency(inference=0.25),
        class_shares=[0.75, 0.25],
        processed=2**60,
    )
    health = peer.publisher(topics.DIAGNOSTICS)
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN,
        name="fusion_node: pairing",
        message="slow",
        values=[KeyValue(key="offset", value="3 ms")],
    )
    others = DiagnosticStatus(name="battery: fusion_node: charge")
    found = {}

    def all_came():
        frames.publish(frame)
        health.publish(DiagnosticArray(status=[status, others]))
        found.update(browser.status())
        return found["classes"] and found["frame"] and found["diagnostics"]

    peer.until(all_came)
    assert found["classes"] == [{"id": 1, "name": "car", "color": [1.0, 0.0, 0.0]}]
    assert found["frame"]["mode"] == "RGB only"
    assert found["frame"]["time_offset_ms"] is None
    assert found["frame"]["latency_ms"]["inference"] == 250.0
    assert found["frame"]["class_shares"] == [0.75, 0.25]
    assert found["frame"]["totals"]["processed"] == 2**60
    (entry,) = found["diagnostics"]
    assert 0 <= entry.pop("age") < 60
    assert entry == {
        "name": "fusion_node: pairing",
        "level": "WARN",
        "message": "slow",
        "values": {"offset": "3 ms"},
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_although_somebody_watches(own_system, number):
    programs, peer = own_system
    viewer = programs.start_node("-p", "port:=0", program="viewer")
    with contextlib.ExitStack() as connections:
        stream = Browser(port_of(viewer, peer), connections).get("/stream/overlay")
        viewer.send_signal(number)
        assert viewer.wait(timeout=20) == 0
        stream.read()  # up to its end
    (line,) = viewer.log.read_text().splitlines()
    assert "watch on" in line


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (("port:=TAKEN",), "cannot serve on 127.0.0.1:TAKEN: Address already in use; choose"),
        (("port:=65536",), "parameter 'port' is out of range; allowed: 0 to 65535"),
        (("host:=no host",), "cannot serve on no host:8080: "),
    ],
)
def test_where_it_cannot_serve_it_says_so_in_one_line(own_system, parameters, said):
    programs, _ = own_system
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        given = [part for text in parameters for part in ("-p", text.replace("TAKEN", taken))]
        viewer = programs.start_node(*given, program="viewer")
        assert viewer.wait(timeout=60) == 1
    (line,) = viewer.log.read_text().splitlines()
    assert said.replace("TAKEN", taken) in line
