"""Status messages from totals: levels, texts and figures."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from difusionseg_core.cameras.camera_watch import Finding
from difusionseg_core.cameras.pairing import PairingCounts
from difusionseg_ros.fusion.diagnostics import (
    ERROR,
    OK,
    WARN,
    CameraReport,
    ModelReport,
    NodeReport,
    OutputsReport,
    statuses,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "node.md"
BEFORE = NodeReport(
    time=100.0,
    rgb=CameraReport("/rgb/image", received=0, bad=0, last_error="", silence=0.0),
    thermal=CameraReport("/thermal/image", received=0, bad=0, last_error="", silence=0.0),
    pairing=PairingCounts(),
    offsets=(),
    lags=(),
    apart=None,
    model=ModelReport(
        device="cpu",
        backend="torch",
        steps=3,
        processed=0,
        alone=0,
        replaced=0,
        failed=0,
        last_error="",
        latencies=(),
    ),
    outputs=OutputsReport(subscribers={"fused/image": 0, "segmentation/mask": 0}, shared=()),
)
NOW = NodeReport(
    time=102.0,
    rgb=replace(BEFORE.rgb, received=60),
    thermal=replace(BEFORE.thermal, received=18),
    pairing=PairingCounts(paired=18, dropped_rgb=42),
    offsets=(-0.004, 0.002, 0.010),
    lags=(0.051, 0.040, 0.047),
    apart=0.002,
    model=replace(BEFORE.model, processed=16, replaced=2, latencies=(0.08, 0.05, 0.06)),
    outputs=replace(BEFORE.outputs, subscribers={"fused/image": 0, "segmentation/mask": 2}),
)
FROZEN = Finding(
    "frozen", "thermal image has not changed for 5 s: stuck shutter or driver?", warning=True
)
LOST_DEPTH = Finding(
    "lost depth", "16-bit counts arrive as 8 bits, 4 grey levels are left: set …", warning=True
)
UNKNOWN_PALETTE = Finding(
    "palette", "thermal colours match no known palette, their luma is taken", warning=True
)
TELEMETRY = Finding("telemetry", "2 rows differ", {"thermal_crop": [2, 0, 0, 0]})


def status_of(part, now, before=BEFORE):
    """(level, message, values) of one part of the report."""
    for status in statuses("robot/fusion_node", before, now, camera_timeout=2.0):
        if status.name == f"robot/fusion_node: {part}":
            assert status.hardware_id == "robot/fusion_node"
            return status.level, status.message, {v.key: v.value for v in status.values}
    raise AssertionError(f"no status '{part}'")


def test_a_working_node_is_ok():
    level, message, values = status_of("rgb camera", NOW)
    assert (level, message) == (OK, "30.0 images/s")
    assert values["topic"] == "/rgb/image"
    level, message, values = status_of("thermal camera", NOW)
    assert (level, message) == (OK, "9.0 images/s")
    level, message, values = status_of("pairing", NOW)
    assert (level, message) == (OK, "9.0 pairs/s")
    assert values["dropped_rgb"] == "42"
    assert values["offset, median [ms]"] == "2.00"
    assert values["thermal arrives later, median [ms]"] == "47.00"
    level, message, values = status_of("network", NOW)
    assert (level, message) == (OK, "8.0 frames/s on cpu (torch)")
    assert values["latency, median [ms]"] == "60.0"
    assert values["replaced by a newer frame"] == "2"
    level, message, values = status_of("outputs", NOW)
    assert (level, message) == (OK, "1 topic with subscribers")
    assert values["listeners of segmentation/mask"] == "2"


@pytest.mark.parametrize(
    "part, change, level, said",
    [
        (
            "rgb camera",
            {"rgb": replace(NOW.rgb, silence=2.5)},
            ERROR,
            "no usable image on /rgb/image for 2.5 s",
        ),
        (
            "rgb camera",
            {"rgb": replace(NOW.rgb, silence=2.5, bad=60, last_error="step is 0")},
            ERROR,
            "no usable image on /rgb/image for 2.5 s: step is 0",
        ),
        (
            "thermal camera",
            {"thermal": replace(NOW.thermal, bad=3, last_error="step is 0")},
            WARN,
            "3 bad messages: step is 0",
        ),
        (
            "thermal camera",
            {"thermal": replace(NOW.thermal, findings=[FROZEN])},
            WARN,
            "thermal image has not changed for 5 s: stuck shutter or driver?",
        ),
        (
            "thermal camera",
            {"thermal": replace(NOW.thermal, findings=[LOST_DEPTH])},
            WARN,
            "16-bit counts arrive as 8 bits, 4 grey levels are left",
        ),
        (
            "thermal camera",
            {"thermal": replace(NOW.thermal, findings=[UNKNOWN_PALETTE])},
            WARN,
            "thermal colours match no known palette",
        ),
        (
            "pairing",
            {
                "pairing": PairingCounts(dropped_rgb=5, dropped_thermal=5),
                "apart": 37.0,
                "clock_advice": "thermal stamps are 37.000 s ahead of RGB stamps",
            },
            ERROR,
            "the newest by +37.000 s: thermal stamps are 37.000 s ahead of RGB stamps",
        ),
        ("pairing", {"pairing": PairingCounts(paired=1, jumps=1)}, WARN, "jumped back"),
        (
            "pairing",
            {"pairing": PairingCounts(dropped_rgb=5, dropped_thermal=5), "apart": -0.5},
            ERROR,
            "no pairs: thermal and RGB stamps differ by more than slop, the newest by -0.500 s",
        ),
        (
            "pairing",
            {"thermal": replace(NOW.thermal, silence=2.5)},
            ERROR,
            "no pairs: thermal images missing",
        ),
        (
            "pairing",
            {name: replace(getattr(NOW, name), silence=2.5) for name in ("rgb", "thermal")},
            ERROR,
            "no pairs: RGB images and thermal images missing",
        ),
        (
            "pairing",
            {
                "thermal": replace(NOW.thermal, silence=2.5),
                "model": replace(NOW.model, alone=16),
            },
            WARN,
            "degraded: 8.0 frames/s of one camera alone",
        ),
        (
            "network",
            {"model": replace(NOW.model, failed=1, last_error="RuntimeError: out of memory")},
            ERROR,
            "1 frame failed: RuntimeError: out of memory",
        ),
        (
            "network",
            {"model": replace(NOW.model, moved="the memory of cuda was not enough")},
            WARN,
            "8.0 frames/s on cpu (torch): the memory of cuda was not enough",
        ),
        ("network", {"model": replace(NOW.model, paused=True)}, OK, "paused by ~/enable"),
        (
            "outputs",
            {"outputs": replace(NOW.outputs, shared=("segmentation/mask",))},
            WARN,
            "another node publishes too: segmentation/mask",
        ),
    ],
)
def test_faults_are_named(part, change, level, said):
    found, message, _ = status_of(part, replace(NOW, **change))
    assert found == level
    assert said in message
    assert any(
        (part, level) == (status, explained) and re.fullmatch(pattern, message)
        for status, explained, pattern in explained_statuses()
    ), f"docs/node.md does not explain '{message}' of {part}"


def explained_statuses():
    """(status, level, pattern of the message) from the table of diagnostics in docs/node.md."""
    levels = {"OK": OK, "WARN": WARN, "ERROR": ERROR}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[1] in levels:
            pattern = ".*".join(map(re.escape, cells[2].strip("`").split("…")))
            for status in cells[0].split(", "):
                yield status, levels[cells[1]], pattern


def test_an_old_fault_is_not_reported_as_current():
    past = replace(NOW, rgb=replace(NOW.rgb, bad=3, last_error="step is 0"))
    level, _, values = status_of("rgb camera", replace(past, time=104.0), before=past)
    assert level == OK
    assert values["last error"] == "step is 0"
    assert values["bad messages"] == "3"


def test_facts_and_hints_are_in_the_values():
    thermal = replace(NOW.thermal, facts={"encoding": "mono16"}, findings=[TELEMETRY])
    level, _, values = status_of("thermal camera", replace(NOW, thermal=thermal))
    assert level == OK
    assert values["encoding"] == "mono16"
    assert values["hint: telemetry"] == "2 rows differ"
