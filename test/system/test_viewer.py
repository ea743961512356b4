"""The viewer as a process, with a page over HTTP and WebSocket, and real DDS."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import threading

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from tornado.websocket import WebSocketClosedError, websocket_connect

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.msg import FrameStatus

SIZE = 48, 64
RED = (200, 30, 40)


class Page:
    """An open page that records what it receives: `packets` by stream, `statuses`, `answers`."""

    def __init__(self, port):
        self.packets, self.statuses, self.answers = {}, [], []
        self.is_closed = False
        self._loop = asyncio.new_event_loop()
        self._socket = self._loop.run_until_complete(self._connect(port))
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._read()])
        self._thread.start()

    def ask(self, **request):
        asyncio.run_coroutine_threadsafe(self._send(request), self._loop).result(30)

    def close(self):
        self._loop.call_soon_threadsafe(self._socket.close)
        self._thread.join(30)

    async def _connect(self, port):
        return await websocket_connect(f"ws://127.0.0.1:{port}/live")

    async def _send(self, request):
        await self._socket.write_message(json.dumps(request))

    async def _read(self):
        while (message := await self._socket.read_message()) is not None:
            if isinstance(message, str):
                content = json.loads(message)
                if "status" in content:
                    self.statuses.append(content["status"])
                else:
                    self.answers.append(content)
                continue
            length = int.from_bytes(message[:4], "big")
            header = json.loads(message[4 : 4 + length])
            self.packets.setdefault(header["stream"], []).append((header, message[4 + length :]))
            with contextlib.suppress(WebSocketClosedError):  # closed meanwhile; None is read next
                await self._send({"shown": header["stream"]})
        self.is_closed = True


@pytest.fixture(scope="module")
def viewer(lasting_system):
    programs, peer = lasting_system
    return programs.start_node("-p", "port:=0", "-p", "control:=true", program="viewer")


@pytest.fixture(scope="module")
def peer(lasting_system):
    return lasting_system[1]


@pytest.fixture
def port(viewer, peer):
    return peer.port_of(viewer)


@pytest.fixture
def page(port):
    with contextlib.closing(Page(port)) as page:
        yield page


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    with contextlib.closing(connection):
        return answer, answer.read()


def picture():
    return image_message(np.full((*SIZE, 3), RED, np.uint8), "rgb8", Header())


def pixels(packet):
    """(H, W, 3) uint8 RGB of an image packet."""
    return cv2.imdecode(np.frombuffer(packet[1], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def publisher_to(peer, name, kind=topics.Image):
    publisher = peer.node.create_publisher(kind, name, 5)
    return publisher, lambda: publisher.get_subscription_count()


def test_the_page_needs_no_other_host(port):
    answer, html = get(port, "/")
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/html")
    linked = re.findall(r'(?:src|href)="([^"#]+)"', html.decode())
    files = [name for name in linked if not name.startswith("data:")]
    assert set(files) == {"viewer.css", "viewer.js"}
    imported = set(files)
    while files:
        answer, content = get(port, "/" + files.pop())
        assert answer.status == 200
        assert b"http://" not in content and b"https://" not in content  # works offline
        new = set(re.findall(r'from "\./([\w.]+)"', content.decode())) - imported
        imported |= new
        files += new
    for path in ("/server.py", "/../server.py", "/clip.mp4?stream=depth"):
        assert get(port, path)[0].status in (403, 404)


def test_images_are_subscribed_to_only_while_a_page_shows_them(viewer, port, page, peer):
    publisher, subscriptions = publisher_to(peer, topics.FUSED.name)
    statuses, status_subscriptions = publisher_to(peer, topics.FRAME_STATUS.name, FrameStatus)
    peer.until(lambda: status_subscriptions() == 1)  # the viewer is discovered
    assert subscriptions() == 0
    assert get(port, "/clip.mp4?stream=fused")[0].status == 204
    with contextlib.closing(Page(port)) as other:
        for each in (page, other):
            each.ask(watch=["fused", "no such stream"])
        peer.until(lambda: subscriptions() > 0)
        assert subscriptions() == 1
        depth = image_message(np.zeros((3, 3), np.float32), "32FC1", Header())
        line = f"/{topics.FUSED.name}: image skipped: "
        peer.until(lambda: publisher.publish(depth) or line in viewer.log.read_text())
        for each in (page, other):
            # Send repeatedly, as cameras do; more than twice, so that the page's answers count.
            peer.until(
                lambda each=each: (
                    publisher.publish(picture()) or len(each.packets["fused"]) > 3
                    if "fused" in each.packets
                    else publisher.publish(picture())
                )
            )
            assert np.abs(pixels(each.packets["fused"][0]).astype(int) - RED).max() < 8
            each.ask(watch=[])
    peer.until(lambda: subscriptions() == 0)
    answer, clip = get(port, "/clip.mp4?stream=fused")
    assert answer.status == 200 and clip[4:8] == b"ftyp"
    for each in (publisher, statuses):
        peer.node.destroy_publisher(each)


def test_the_compressed_topic_is_used_if_there_is_no_raw_one(page, peer):
    topic = f"{topics.RGB_IMAGE.name}/compressed"
    publisher, subscriptions = publisher_to(peer, topic, CompressedImage)
    page.ask(watch=["rgb"])
    peer.until(lambda: subscriptions() > 0)
    png = cv2.imencode(".png", np.full((*SIZE, 3), RED[::-1], np.uint8))[1].tobytes()
    message = CompressedImage(format="png", data=png)
    peer.until(lambda: publisher.publish(message) or page.packets.get("rgb"))
    assert np.abs(pixels(page.packets["rgb"][0]).astype(int) - RED).max() < 8
    peer.node.destroy_publisher(publisher)


def test_values_of_a_frame(page, peer):
    names = (topics.MASK.name, topics.CONFIDENCE.name)
    (masks, mask_count), (confidences, confidence_count) = (publisher_to(peer, n) for n in names)
    page.ask(watch=["values"])
    peer.until(lambda: mask_count() > 0 and confidence_count() > 0)
    mask = image_message(np.full(SIZE, 2, np.uint8), "mono8", Header())
    confidence = image_message(np.full(SIZE, 0.5, np.float32), "32FC1", Header())

    def came():
        masks.publish(mask)
        confidences.publish(confidence)
        return page.packets.get("values")

    peer.until(came)
    planes = page.packets["values"][0][0]["planes"]
    assert [plane["name"] for plane in planes] == ["class", "confidence"]
    for each in (masks, confidences):
        peer.node.destroy_publisher(each)


def test_status_becomes_stale_when_the_node_ends(page, peer):
    def level():
        return page.statuses[-1]["overall"]["level"] if page.statuses else None

    peer.until(lambda: level() == "STALE")
    health = peer.publisher(topics.DIAGNOSTICS)
    good = DiagnosticStatus(level=DiagnosticStatus.OK, name="fusion_node: network", message="9 Hz")
    others = DiagnosticStatus(level=DiagnosticStatus.ERROR, name="battery: charge")
    peer.until(lambda: health.publish(DiagnosticArray(status=[good, others])) or level() == "OK")
    assert [each["message"] for each in page.statuses[-1]["diagnostics"]] == ["9 Hz"]
    peer.until(lambda: level() == "STALE")
    peer.node.destroy_publisher(health)


def test_parameters_change_within_the_nodes_limits(port, page, peer):
    def answer(**request):
        count = len(page.answers)
        page.ask(**request)
        peer.until(lambda: len(page.answers) > count)
        return page.answers[-1]["refused"]

    assert answer(set="steps", value=3) == "/fusion_node is not running"
    node = Node("fusion_node", context=peer.node.context)
    node.declare_parameter("steps", 1)
    node.declare_parameter("slop", 0.05)
    node.declare_parameter("overlay_opacity", 0.5)
    with peer.serving(node):

        def known():
            settings = page.statuses[-1]["settings"] if page.statuses else []
            return {each["name"]: each["value"] for each in settings}

        peer.until(lambda: known().get("steps") == 1)
        assert answer(set="steps", value=3) == ""
        assert node.get_parameter("steps").value == 3
        peer.until(lambda: known()["steps"] == 3)
        assert answer(set="overlay_opacity", value=1) == ""
        assert node.get_parameter("overlay_opacity").value == 1.0
        assert "cannot be changed here" in answer(set="device", value=1)
        assert "must be a number" in answer(set="steps", value="many")
    node.destroy_node()
    page.ask(watch=5)
    peer.until(lambda: page.is_closed)  # not from our page


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_a_page_is_open(own_system, number):
    programs, peer = own_system
    viewer = programs.start_node("-p", "port:=0", program="viewer")
    with contextlib.closing(Page(peer.port_of(viewer))) as page:
        page.ask(watch=["overlay"])
        page.ask(set="steps", value=2)
        peer.until(lambda: page.answers)
        assert "-p control:=true" in page.answers[0]["refused"]  # read-only by default
        viewer.send_signal(number)
        assert viewer.wait(timeout=20) == 0
        peer.until(lambda: page.is_closed)
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
def test_if_it_cannot_serve_it_reports_that_in_one_line(own_system, parameters, said):
    programs, _ = own_system
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        given = [part for text in parameters for part in ("-p", text.replace("TAKEN", taken))]
        viewer = programs.start_node(*given, program="viewer")
        assert viewer.wait(timeout=60) == 1
    (line,) = viewer.log.read_text().splitlines()
    assert said.replace("TAKEN", taken) in line
