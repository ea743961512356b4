"""Objects, tracks, temperatures, the alarm and blurring, as the node publishes them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from difusionseg_core.objects import DetectedObject
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message

PERSON = 2
SIZE = (48, 64)
BODY = (slice(10, 30), slice(20, 30))  # rows and columns of a person


class PersonPredictor:
    """The real predictor, with mask and objects replaced by one known person."""

    def __init__(self, predictor, objects):
        self._predictor = predictor
        self._objects = objects

    def __getattr__(self, name):
        return getattr(self._predictor, name)

    def __call__(self, rgb, thermal):
        result = self._predictor(rgb, thermal)
        labels = np.zeros(SIZE, np.uint8)
        labels[BODY] = PERSON
        sure = np.full(SIZE, 0.9, np.float32)
        return dataclasses.replace(result, labels=labels, confidence=sure, objects=self._objects)


BOXED = [DetectedObject(PERSON, 0.9, 20.0, 10.0, 10.0, 20.0), DetectedObject(1, 0.1, 0, 0, 5, 5)]


@pytest.fixture(params=[BOXED, None], ids=["object head", "mask only"])
def street(request, bench):
    """A running node that sees one person, with or without an object head."""
    bench.predictor = PersonPredictor(bench.predictor, request.param)

    def start(**parameters):
        assert bench.make_node(diagnostics_period=0.1, object_score=0.2, **parameters).start()
        return bench

    return start


def warm_scene(unit="centikelvin"):
    """Thermal counts of 20 degrees Celsius around a person of 34, 36 at one pixel."""
    degrees = np.full(SIZE, 20.0)
    degrees[BODY] = 34.0
    degrees[12, 25] = 36.0
    if unit == "centikelvin":
        return image_message(np.round((degrees + 273.15) * 100).astype(np.uint16), "16UC1", None)
    return image_message(degrees.astype(np.uint8), "mono8", None)


def rgb_scene():
    rng = np.random.default_rng(0)
    return image_message(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8), "rgb8", None)


def frames(bench, count, *watched, thermal=warm_scene, **arguments):
    messages = [bench.watch(topic) for topic in watched]
    for _ in range(count):
        before = len(messages[0])
        bench.send_pair(rgb_scene(), thermal(**arguments))
        bench.until(lambda before=before: all(len(each) > before for each in messages))
    return messages


def test_objects_have_class_score_box_and_a_track(street):
    bench = street()
    (found,) = frames(bench, 3, topics.OBJECTS)
    (first,), (last,) = found[0].detections, found[-1].detections
    assert last.results[0].hypothesis.class_id == "person"
    assert 0.2 < last.results[0].hypothesis.score <= 1
    box = last.bbox
    assert (box.center.position.x, box.center.position.y) == (25, 20)
    assert (box.size_x, box.size_y) == (10, 20)
    assert (first.id, last.id) == ("", "1")
    assert found[-1].header.stamp.sec == bench.stamp


def test_temperatures_of_objects_and_of_the_image(street):
    bench = street()
    warm, images = frames(bench, 2, topics.OBJECT_TEMPERATURES, topics.THERMAL_TEMPERATURE)
    (person,) = warm[-1].objects
    assert person.class_name == "person" and person.pixels == 200
    assert person.mean == pytest.approx(34.0, abs=0.1)
    assert person.maximum == pytest.approx(36.0, abs=0.01)
    assert (person.x, person.y) == (25, 12)
    image = images[-1]
    degrees = np.frombuffer(image.data, np.float32).reshape(image.height, image.width)
    assert image.encoding == "32FC1" and degrees[0, 0] == pytest.approx(20, abs=0.01)
    markers = bench.watch(topics.OBJECT_MARKERS)
    bench.send_pair(rgb_scene(), warm_scene())
    bench.until(lambda: markers)
    assert markers[0].ns == "person 1 34.0 C" and markers[0].id == 1


def test_8_bit_images_have_no_temperature(street):
    bench = street()
    (objects,) = frames(bench, 1, topics.OBJECTS, unit="grey")
    assert objects[0].detections
    temperatures = bench.watch(topics.OBJECT_TEMPERATURES)
    bench.watch(topics.DIAGNOSTICS)
    bench.send_pair(rgb_scene(), warm_scene("grey"))
    bench.diagnostics("temperature", lambda status: "no temperatures" in status.message)
    assert temperatures == []


def test_an_alarm_that_cannot_start_is_a_warning(street):
    bench = street(hot_spot_threshold=35.0)
    bench.watch(topics.DIAGNOSTICS)
    bench.send_pair(rgb_scene(), warm_scene("grey"))
    status = bench.diagnostics("temperature", lambda one: one.level == DiagnosticStatus.WARN)
    assert "the alarm of hot_spot_threshold cannot start: set thermal_unit" in status.message


def test_a_unit_that_cannot_be_is_a_warning(street):
    bench = street(thermal_unit="decikelvin")
    bench.watch(topics.DIAGNOSTICS)
    frames(bench, 1, topics.THERMAL_TEMPERATURE)
    status = bench.diagnostics("temperature", lambda one: one.level == DiagnosticStatus.WARN)
    assert "thermal_unit decikelvin gives a median of 2658 C" in status.message


def test_a_hot_spot_raises_an_alarm_that_ends(street):
    bench = street(hot_spot_threshold=35.0)
    alarms = bench.watch(topics.HOT_SPOT)
    bench.watch(topics.DIAGNOSTICS)
    bench.send_pair(rgb_scene(), warm_scene())
    bench.until(lambda: alarms)
    assert alarms[0].active and alarms[0].temperature == pytest.approx(36, abs=0.01)
    assert (alarms[0].x, alarms[0].y, alarms[0].threshold) == (25, 12, 35)
    status = bench.diagnostics("temperature", lambda one: one.level == DiagnosticStatus.WARN)
    assert "hot spot of 36.0 C at column 25, row 12" in status.message
    cold = image_message(np.full(SIZE, 29315, np.uint16), "16UC1", None)
    bench.send_pair(rgb_scene(), cold)
    bench.until(lambda: len(alarms) == 2)
    assert not alarms[1].active


def test_people_are_blurred_in_fused_image_and_overlay(street):
    bench = street(blur=["person"])
    fused, overlays = frames(bench, 1, topics.FUSED, topics.OVERLAY)
    plain = bench.predictor(*(np.frombuffer(rgb_scene().data, np.uint8).reshape(*SIZE, 3), None))
    shown = np.frombuffer(fused[0].data, np.uint8).reshape(*SIZE, 3)
    assert shown[BODY].std() < 0.5 * plain.fused[BODY].std()
    assert overlays[0].encoding == "rgb8"


def test_a_class_to_blur_that_is_none_is_refused(street, bench, capfd):
    bench.make_node(blur=["persons"])
    assert not bench.node.start()
    assert "blur: class 'persons' is unknown; the classes are unlabelled" in capfd.readouterr().err
    bench.node.destroy_node()
    bench = street(blur=["person"])
    (answer,) = bench.node.set_parameters([Parameter("blur", value=["persons"])])
    assert not answer.successful and "'persons' is unknown" in answer.reason
    assert bench.node.settings.blur == ("person",)


def test_confidence_as_mono8(street):
    bench = street(confidence_encoding="mono8")
    (images,) = frames(bench, 1, topics.CONFIDENCE)
    assert images[0].encoding == "mono8" and len(images[0].data) == SIZE[0] * SIZE[1]


def test_nav2s_semantic_layer_gets_what_it_expects(street):
    """Its subscriptions: best effort images with equal stamps, latched labels (see robots.md)."""
    bench = street(confidence_encoding="mono8")
    images = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)

    def listen(topic, kind, qos):
        messages = []
        bench.camera.create_subscription(kind, topic.name, messages.append, qos)
        bench.until(lambda: bench.camera.count_publishers(topic.name) > 0)
        return messages

    masks, confidences = (listen(t, Image, images) for t in (topics.MASK, topics.CONFIDENCE))

    def exact_pairs():
        by_stamp = {mask.header.stamp.sec: mask for mask in masks}
        stamps = [confidence.header.stamp.sec for confidence in confidences]
        return [(by_stamp[s], c) for s, c in zip(stamps, confidences, strict=True) if s in by_stamp]

    bench.until(lambda: bench.send_pair() and exact_pairs())
    for image in exact_pairs()[0]:
        assert image.encoding == "mono8" and image.header.frame_id == "rgb_optical"
        assert (image.height, image.width, image.step) == (*SIZE, SIZE[1])
        assert len(image.data) == SIZE[0] * SIZE[1]
    mask, confidence = (np.frombuffer(image.data, np.uint8) for image in exact_pairs()[0])
    assert set(mask) == {0, PERSON} and set(confidence) == {230}  # 0.9 of 255
    labels = listen(topics.LABEL_INFO, LabelInfo, latched)
    bench.until(lambda: labels)  # sent before the layer subscribed
    assert {one.class_id: one.class_name for one in labels[0].class_map}[PERSON] == "person"


# Type hashes of vision_msgs 4.1.1, built from its source; other nodes compare them with ours.
TYPE_HASHES = {
    "LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
}


@pytest.mark.parametrize("name", TYPE_HASHES)
def test_types_of_vision_msgs_are_those_of_the_real_package(name):
    described = Path(get_package_share_directory("vision_msgs"), "msg", f"{name}.json")
    if not described.exists():
        pytest.skip("this ROS release (Humble) has no type hashes")
    hashes = json.loads(described.read_text())["type_hashes"]
    found = {entry["type_name"]: entry["hash_string"] for entry in hashes}
    assert found[f"vision_msgs/msg/{name}"] == TYPE_HASHES[name]
