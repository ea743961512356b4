"""The fusion node's state in the viewer."""

import math

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_msgs.msg import ColorRGBA

from difusionseg_ros.msg import ClassColors, FrameStatus, LabelClass, StageLatency
from difusionseg_ros.viewer_page.health import (
    Reported,
    classes_entry,
    entries,
    frame_entry,
    overall,
)

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def reported(part, level, message, arrived=100.0, period=1.0):
    status = DiagnosticStatus(name=f"fusion_node: {part}", level=level, message=message)
    return Reported(arrived, period, status)


def said(statuses, now=100.5):
    return overall("fusion_node", entries(statuses, now))


def test_all_well_shows_what_the_network_does():
    good = [reported("rgb camera", OK, "25 images/s"), reported("network", OK, "9.0 frames/s")]
    assert said(good) == {"level": "OK", "text": "9.0 frames/s"}
    assert said(good[:1]) == {"level": "OK", "text": "all is well"}


def test_the_worst_status_is_named_and_the_others_are_counted():
    statuses = [
        reported("rgb camera", WARN, "bad messages"),
        reported("thermal camera", ERROR, "no usable image"),
        reported("network", OK, "0 frames/s"),
    ]
    wanted = {"level": "ERROR", "text": "thermal camera: no usable image (and 1 more)"}
    assert said(statuses) == wanted
    assert said(statuses[:1]) == {"level": "WARN", "text": "rgb camera: bad messages"}


def test_without_data_the_state_is_stale():
    assert said([]) == {
        "level": "STALE",
        "text": "no diagnostics from fusion_node yet: it is not running, or not active",
    }


@pytest.mark.parametrize(
    ("period", "age", "stale"),
    [(0.0, 2.9, False), (0.0, 3.1, True), (1.0, 3.1, True), (5.0, 14.0, False), (5.0, 16.0, True)],
)
def test_a_status_becomes_stale_if_it_is_not_repeated(period, age, stale):
    (entry,) = entries([reported("network", OK, "9 frames/s", period=period)], 100.0 + age)
    assert (entry.level == "STALE") is stale
    assert ("nothing for" in entry.message) is stale


def test_after_a_pause_a_silent_node_is_detected():
    (entry,) = entries([reported("network", OK, "9 frames/s", period=3600.0)], 100.0 + 100)
    assert entry.level == "STALE"


def test_a_node_that_ended_is_stale():
    for level in (OK, WARN, ERROR):
        found = said([reported("network", level, "gone")], now=112.0)
        assert found == {
            "level": "STALE",
            "text": "fusion_node has been silent for 12 s: it has ended or hangs",
        }


def test_a_status_of_an_unknown_level_is_an_error():
    assert said([reported("network", b"\x09", "?")])["level"] == "ERROR"


def test_entries_have_the_values():
    status = DiagnosticStatus(name="a", values=[KeyValue(key="offset", value="3 ms")])
    (entry,) = entries([Reported(100.0, 0.0, status)], 100.0)
    assert entry.values == {"offset": "3 ms"} and entry.age == 0


def test_a_frame_has_times_in_milliseconds_and_null_for_unknown_values():
    message = FrameStatus(
        mode=FrameStatus.RGB_ONLY,
        time_offset=math.nan,
        latency=StageLatency(inference=0.25),
        class_shares=[0.75, 0.25],
        processed=2**60,
    )
    entry = frame_entry(message, 0.5)
    assert entry["mode"] == "RGB only" and entry["time_offset_ms"] is None
    assert entry["latency_ms"]["inference"] == 250.0
    assert entry["class_shares"] == [0.75, 0.25]
    assert entry["totals"]["processed"] == 2**60


def test_classes_have_colors_of_bytes():
    odd = ColorRGBA(r=1.0, g=math.nan, b=7.0)
    message = ClassColors(class_map=[LabelClass(class_id=1, class_name="car", color=odd)])
    assert classes_entry(message) == [{"id": 1, "name": "car", "color": [255, 0, 255]}]
