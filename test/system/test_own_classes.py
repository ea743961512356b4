"""Twelve classes of one's own, from a folder of images to the node's messages and the viewer."""

import http.client
import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import yaml
from std_msgs.msg import Header

pytest.importorskip("lightning")

from difusionseg_core.classes import LabelSet
from difusionseg_core.cli.main import main
from difusionseg_core.data.image_files import write_png
from difusionseg_core.imaging.drawing import colorize, overlay
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is not installed"),
]

SIZE = 48, 64
NAMES = ["mur", "étagère", "fork lift", "floor", *(f"thing {number}" for number in range(4, 12))]
PALETTE = [[20 * label, 250 - 20 * label, 7 * label] for label in range(12)]
BACKGROUND = 3  # the floor


def images_of(number: int) -> dict[str, np.ndarray]:
    """A frame whose mask has all twelve ids, in blocks."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = ((y // 16) * 4 + x // 16 + number).astype(np.uint8) % 12
    noise = np.random.default_rng(number).integers(0, 16, SIZE, np.uint8)
    rgb = np.stack([mask * 20, mask * 9, 255 - mask * 20], axis=2)
    return {"RGB": rgb, "Thermal": mask * 15 + noise, "masks": mask}


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """A folder of images and masks; nothing says what the ids mean."""
    root = tmp_path_factory.mktemp("yard")
    for split, numbers in (("train", range(4)), ("val", (4, 5))):
        for number in numbers:
            for part, image in images_of(number).items():
                (root / split / part).mkdir(parents=True, exist_ok=True)
                write_png(root / split / part / f"{number}.png", image)
    return root


@pytest.fixture(scope="module")
def run(yard, tmp_path_factory, brief_training):
    """The folder of a short training on it, after the user has named the classes."""
    assert main(["check-data", str(yard), "--write-data-yaml"]) == 0
    described = yard / "data.yaml"
    content = yaml.safe_load(described.read_text())
    assert list(content["names"]) == list(range(12))
    content |= {"names": NAMES, "palette": PALETTE, "background": NAMES[BACKGROUND]}
    described.write_text(yaml.safe_dump(content, allow_unicode=True))
    assert main(["check-data", str(yard)]) == 0
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(brief_training(yard, run)) == 0
    return run


def test_the_card_and_the_report_have_the_classes(yard, run, tmp_path) -> None:
    card = (run / "model_card.md").read_text()
    for label, name in enumerate(NAMES):
        note = " (background)" if label == BACKGROUND else ""
        red, green, blue = PALETTE[label]
        assert f"| {label} | {name}{note} | #{red:02x}{green:02x}{blue:02x} |" in card
    scored = tmp_path / "scored"
    evaluation = ["evaluate", "--data", str(yard / "val"), "--model", str(run)]
    assert main([*evaluation, "--output", str(scored)]) == 0
    metrics = json.loads((scored / "metrics.json").read_text())
    assert set(metrics["segmentation"]["class_IoU"]) <= set(NAMES)
    assert NAMES[1] in (scored / "report.html").read_text()


@pytest.mark.parametrize("exported", [False, True], ids=["run", "exported"])
def test_the_node_and_the_viewer_have_the_classes(run, own_system, tmp_path, exported) -> None:
    programs, peer = own_system
    model = run
    if exported:
        model = tmp_path / "yard.onnx"
        assert main(["export", "--model", str(run), "--output", str(model)]) == 0
    outputs = (topics.LABEL_INFO, topics.CLASS_COLORS, topics.FRAME_STATUS)
    pictures = (topics.FUSED, topics.MASK, topics.COLOR, topics.OVERLAY)
    for topic in (*outputs, *pictures):
        peer.listen(topic)
    programs.start_node("-p", f"model:={model}", "-p", "palette:=published", "-p", "device:=cpu")
    viewer = programs.start_node("-p", "port:=0", program="viewer")
    cameras = [peer.publisher(topic) for topic in (topics.RGB_IMAGE, topics.THERMAL_IMAGE)]
    frame = images_of(4)
    received = peer.received

    def complete() -> bool:
        """Send a pair each time, until all outputs of a pair are there."""
        header = Header(frame_id="rgb", stamp=peer.node.get_clock().now().to_msg())
        for publisher, (part, encoding) in zip(
            cameras, (("RGB", "rgb8"), ("Thermal", "mono8")), strict=True
        ):
            publisher.publish(image_message(frame[part], encoding, header))
        return bool(common_stamps()) and all(received[topic.name] for topic in outputs)

    def common_stamps() -> set:
        stamps = [{stamp_of(message) for message in received[topic.name]} for topic in pictures]
        return set.intersection(*stamps)

    peer.until(complete, timeout=120)
    info, colors = (received[topic.name][-1] for topic in outputs[:2])
    expected = list(enumerate(NAMES))
    assert [(one.class_id, one.class_name) for one in info.class_map] == expected
    assert [(one.class_id, one.class_name) for one in colors.class_map] == expected
    shown = [[one.color.r, one.color.g, one.color.b] for one in colors.class_map]
    np.testing.assert_allclose(np.array(shown) * 255, PALETTE, atol=0.5)
    assert len(received[topics.FRAME_STATUS.name][-1].class_shares) == 12

    label_set = LabelSet("yard", tuple(NAMES), tuple(map(tuple, PALETTE)), BACKGROUND)
    stamp = max(common_stamps())
    fused, mask, color, over = (
        next(pixels(m) for m in received[topic.name] if stamp_of(m) == stamp) for topic in pictures
    )
    np.testing.assert_array_equal(color, colorize(mask, label_set, "published"))
    np.testing.assert_array_equal(over, overlay(fused, mask, label_set, 0.5, "published"))

    address = re.compile(r"watch on http://127\.0\.0\.1:(\d+)")
    peer.until(lambda: address.search(viewer.log.read_text()), timeout=120)
    port = int(address.search(viewer.log.read_text())[1])
    status = {}

    def seen_by_the_viewer() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/status.json")
        status.update(json.loads(connection.getresponse().read()))
        connection.close()
        return bool(status["classes"])

    peer.until(seen_by_the_viewer)
    assert [(one["id"], one["name"]) for one in status["classes"]] == expected
    assert [one["color"] for one in status["classes"]] == PALETTE


def stamp_of(message) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def pixels(message) -> np.ndarray:
    shape = message.height, message.width, message.step // message.width
    return np.frombuffer(message.data, np.uint8).reshape(shape).squeeze()
