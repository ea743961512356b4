"""The viewer's page in headless Chromium, at the sizes of a desktop and of a phone, over real DDS.

The robot is a node of this process whose name, topics and parameters are those of the fusion node.
"""

import re
import shutil
import signal
import threading
import time

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from playwright.sync_api import expect, sync_playwright
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from difusionseg_core.classes import MSRS
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.msg import (
    ClassColors,
    FrameStatus,
    LabelClass,
    ObjectTemperature,
    ObjectTemperatures,
)

TIMEOUT = 90.0  # seconds, for machines with much else to do
SIZE = 48, 64
RED, GREEN, BLUE, GREY = (200, 30, 40), (30, 160, 60), (40, 60, 200), (90, 90, 90)
PERSON = 2
BODY = (slice(10, 40), slice(20, 40))  # rows and columns of a person
ON_BODY, BESIDE = (0.47, 0.5), (0.1, 0.1)  # parts of width and height
PERIOD = 0.1  # seconds between two frames
SIZES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


class Robot(Node):
    """Sends frames with a person of 34 degrees, and diagnostics, until it is closed.

    `colors` are those of the images by topic; images of topics that are not in it are not sent.
    `health` is the level and message of each status.
    """

    def __init__(self, context):
        super().__init__("fusion_node", context=context)
        for name, value in (("steps", 1), ("slop", 0.05), ("overlay_opacity", 0.5)):
            self.declare_parameter(name, value)
        self.refresh()
        self._senders = {
            topic.name: self.create_publisher(topic.type, topic.name, topic.qos())
            for topic in (topics.RGB_IMAGE, topics.THERMAL_IMAGE, *topics.OUTPUTS)
        }
        classes = [
            LabelClass(class_id=label, class_name=name)
            for label, name in enumerate(MSRS.class_names)
        ]
        self._send(topics.CLASS_COLORS, ClassColors(name=MSRS.name, class_map=classes))
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self.create_timer(PERIOD, self._send_frame)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def refresh(self):
        """Send everything, and be well."""
        self.colors = {
            topics.RGB_IMAGE.name: GREY,
            topics.FUSED.name: RED,
            topics.OVERLAY.name: GREEN,
        }
        self.health = {
            "network": (DiagnosticStatus.OK, "9 frames/s on cpu"),
            "rgb camera": (DiagnosticStatus.OK, "10 Hz"),
        }

    def watchers(self, topic):
        return self._senders[topic.name].get_subscription_count()

    def close(self):
        self._executor.shutdown()
        self._thread.join(30)
        self.destroy_node()

    def _send(self, topic, message):
        self._senders[topic.name].publish(message)

    def _send_frame(self):
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")
        for name, color in list(self.colors.items()):
            image = np.full((*SIZE, 3), color, np.uint8)
            self._senders[name].publish(image_message(image, "rgb8", header))
        degrees = np.full(SIZE, 20, np.float32)
        degrees[BODY] = 34
        mask = np.zeros(SIZE, np.uint8)
        mask[BODY] = PERSON
        counts = np.round((degrees + 273.15) * 100).astype(np.uint16)
        self._send(topics.THERMAL_IMAGE, image_message(counts, "mono16", header))
        self._send(topics.THERMAL_TEMPERATURE, image_message(degrees, "32FC1", header))
        self._send(topics.OBJECTS, person_message(header))
        warm = ObjectTemperature(id="7", class_name="person", pixels=600, mean=34.1, maximum=36.0)
        self._send(topics.OBJECT_TEMPERATURES, ObjectTemperatures(header=header, objects=[warm]))
        self._send(topics.MASK, image_message(mask, "mono8", header))
        confidence = np.full(SIZE, 0.5, np.float32)
        self._send(topics.CONFIDENCE, image_message(confidence, "32FC1", header))
        self._send(topics.FRAME_STATUS, FrameStatus(header=header, processed=1))
        statuses = [
            DiagnosticStatus(level=level, name=f"fusion_node: {name}", message=message)
            for name, (level, message) in self.health.items()
        ]
        self._send(topics.DIAGNOSTICS, DiagnosticArray(status=statuses))


def person_message(header):
    person = Detection2D(header=header, id="7")
    rows, columns = BODY
    person.bbox.center.position.x = (columns.start + columns.stop) / 2
    person.bbox.center.position.y = (rows.start + rows.stop) / 2
    person.bbox.size_x = float(columns.stop - columns.start)
    person.bbox.size_y = float(rows.stop - rows.start)
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = "person", 0.9
    person.results.append(result)
    return Detection2DArray(header=header, detections=[person])


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    expect.set_options(timeout=1000 * TIMEOUT)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(lasting_system):
    programs, peer = lasting_system
    viewer = programs.start_node("-p", "port:=0", "-p", "control:=true", program="viewer")
    return f"http://127.0.0.1:{peer.port_of(viewer)}"


@pytest.fixture(scope="module")
def lasting_robot(lasting_system):
    robot = Robot(lasting_system[1].node.context)
    yield robot
    robot.close()


@pytest.fixture
def robot(lasting_robot):
    lasting_robot.refresh()
    return lasting_robot


@pytest.fixture(params=SIZES)
def page(request, browser, address, robot):
    """The open page, whose four panes show images."""
    yield from opened(browser, address, SIZES[request.param])


@pytest.fixture
def desktop(browser, address, robot):
    """The same, at the size of a desktop alone."""
    yield from opened(browser, address, SIZES["desktop"])


def opened(browser, address, size):
    context = browser.new_context(**size)
    context.set_default_timeout(1000 * TIMEOUT)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address)
    for name in ("rgb", "thermal", "fused", "overlay"):
        expect(pane(page, name).locator(".quiet")).to_be_hidden()
    yield page
    context.close()
    assert not errors


def pane(page, stream):
    """The pane that shows a stream; the four keep their order."""
    number = ("rgb", "thermal", "fused", "overlay").index(stream)
    return page.locator("#panes figure").nth(number)


def until(page, condition):
    """Wait until the condition holds; the page continues meanwhile."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        page.wait_for_timeout(50)


def shows(figure, color, at=(0.5, 0.5)):
    """Whether a pane's pixel, by parts of width and height, has the color."""
    pixel = figure.locator("canvas.image").evaluate(
        """(canvas, [u, v]) => [...canvas.getContext("2d").getImageData(
            Math.floor(u * canvas.width), Math.floor(v * canvas.height), 1, 1).data]""",
        list(at),
    )
    return np.abs(np.array(pixel[:3]) - color).max() < 12


def point_at(figure, part):
    """Put the pointer, or a finger, on a pane's image."""
    canvas = figure.locator("canvas.image")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # The image keeps its shape in the middle of the canvas's box.
    scale = min(box["width"] / SIZE[1], box["height"] / SIZE[0])
    place = (
        box["x"] + box["width"] / 2 + (part[0] - 0.5) * scale * SIZE[1],
        box["y"] + box["height"] / 2 + (part[1] - 0.5) * scale * SIZE[0],
    )
    if is_touched(figure.page):
        figure.page.touchscreen.tap(*place)
    else:
        figure.page.mouse.move(*place)


def is_touched(page):
    return page.evaluate("navigator.maxTouchPoints > 0")


def drag(page, begin, end):
    """Drag from one place to another, with the mouse or a finger."""
    if not is_touched(page):
        page.mouse.move(*begin)
        page.mouse.down()
        page.mouse.move(*end, steps=4)
        page.mouse.up()
        return
    session = page.context.new_cdp_session(page)
    for kind, place in (("touchStart", begin), ("touchMove", end), ("touchEnd", None)):
        points = [] if place is None else [{"x": place[0], "y": place[1]}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_the_worst_diagnostic_is_on_top_in_words(page, robot):
    level, text = page.locator("#level"), page.locator("#health-text")
    expect(level).to_have_text("OK")
    expect(text).to_have_text("9 frames/s on cpu")
    bad = DiagnosticStatus.WARN, "2 bad messages: it has no stamp"
    robot.health = {**robot.health, "rgb camera": bad}
    expect(level).to_have_text("WARN")
    expect(text).to_have_text("rgb camera: 2 bad messages: it has no stamp")
    expect(page.locator("#health")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator("#legend")).to_contain_text("person")
    robot.health = {}  # as from a node that is gone
    expect(level).to_have_text("STALE")
    expect(text).to_have_text(re.compile(r"fusion_node has been silent for \d+ s"))


def test_a_pane_without_new_images_is_dimmed_and_says_so(page, robot):
    stopped, other = pane(page, "fused"), pane(page, "rgb")
    del robot.colors[topics.FUSED.name]
    expect(stopped).to_have_class(re.compile(r"\bold\b"))
    expect(stopped.locator(".quiet")).to_have_text(re.compile(r"no image for \d+ s"))
    expect(other.locator(".rate")).to_have_text(re.compile("Hz"))
    robot.refresh()
    expect(stopped).not_to_have_class(re.compile(r"\bold\b"))
    expect(stopped.locator(".quiet")).to_be_hidden()


def test_an_image_is_enlarged_and_wiped_with_another(page, robot):
    figure = pane(page, "fused")
    if is_touched(page):
        figure.locator(".enlarge").tap()
    else:
        figure.locator("canvas.image").click()
    expect(figure).to_have_class(re.compile(r"\blarge\b"))
    figure.locator("select.other").select_option("overlay")
    until(page, lambda: shows(figure, RED, (0.3, 0.2)) and shows(figure, GREEN, (0.7, 0.2)))
    box = figure.locator("canvas.image").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(page, middle, (box["x"] + 1, middle[1]))
    until(page, lambda: shows(figure, GREEN, (0.3, 0.2)))
    drag(page, middle, (box["x"] + box["width"] - 1, middle[1]))
    until(page, lambda: shows(figure, RED, (0.7, 0.2)))
    until(page, lambda: robot.watchers(topics.RGB_IMAGE) == 0)  # hidden behind it
    figure.locator(".enlarge").click()
    expect(figure).not_to_have_class(re.compile(r"\blarge\b"))
    until(page, lambda: robot.watchers(topics.RGB_IMAGE) == 1)


def test_pausing_keeps_the_frame(page, robot):
    figure, button = pane(page, "fused"), page.locator("#pause")
    until(page, lambda: shows(figure, RED))
    button.click()
    expect(button).to_have_text("Resume")
    until(page, lambda: robot.watchers(topics.FUSED) == 0)  # no image can arrive any more
    robot.colors[topics.FUSED.name] = BLUE
    point_at(figure, ON_BODY)
    expect(figure.locator(".values")).to_contain_text("person")
    assert shows(figure, RED)
    button.click()
    expect(button).to_have_text("Pause")
    until(page, lambda: shows(figure, BLUE))


def test_a_snapshot_holds_what_is_shown(page, robot, tmp_path):
    until(page, lambda: shows(pane(page, "fused"), RED))
    with page.expect_download() as saving:
        page.locator("#snapshot").click()
    assert re.fullmatch(r"difusionseg_\d{8}_\d{6}\.png", saving.value.suggested_filename)
    saving.value.save_as(tmp_path / "snapshot.png")
    image = cv2.imread(str(tmp_path / "snapshot.png"))[..., ::-1].astype(int)
    assert image.shape[1] > 1000
    for color in (RED, GREEN, GREY):
        share = (np.abs(image - color).max(axis=-1) < 12).mean()
        assert share > 0.15, color  # about a fifth for each of four images
    expect(page.locator("#notice")).to_be_hidden()


def test_the_last_seconds_are_saved_as_a_video(desktop, tmp_path):
    with desktop.expect_download() as saving:
        desktop.locator("#clip").click()
    saving.value.save_as(tmp_path / "clip.mp4")
    video = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    assert video.read()[0]


def test_a_pixel_says_what_it_is(page, robot):
    figure = pane(page, "overlay")
    point_at(figure, ON_BODY)
    said = figure.locator(".values")
    for text in (
        "person, confidence 50 %",
        "person 7, 34.1 °C (at most 36.0 °C), score 90 %",
        "thermal 30715",
        "temperature 34.00 °C",
    ):
        expect(said).to_contain_text(text)
    point_at(figure, BESIDE)
    expect(said).to_contain_text("temperature 20.00 °C")
    expect(said).not_to_contain_text("person")


def test_a_slider_changes_a_parameter_of_the_node(page, robot):
    slider = page.locator("#setting-steps")
    expect(slider).to_be_enabled()
    slider.fill("3")
    until(page, lambda: robot.get_parameter("steps").value == 3)
    expect(page.locator(".setting", has=slider).locator("output")).to_have_text("3")
    expect(page.locator("#settings-note")).to_be_empty()


def test_the_page_says_that_the_viewer_is_gone(own_system, browser):
    programs, peer = own_system
    viewer = programs.start_node("-p", "port:=0", program="viewer")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{peer.port_of(viewer)}")
    expect(page.locator("#health-text")).to_contain_text("no diagnostics from fusion_node yet")
    expect(page.locator("#settings-note")).to_contain_text("control:=true")
    viewer.send_signal(signal.SIGKILL)
    expect(page.locator("#health-text")).to_contain_text("the viewer has not answered for")
    expect(page.locator("#level")).to_have_text("STALE")
    page.close()
