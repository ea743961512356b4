"""Stamps of other clocks, and simulated time without a clock."""

import math
import time

import pytest
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from difusionseg_ros.common import clock_watch

SILENT = "no time has arrived on /clock"


@pytest.mark.parametrize(
    ("behind", "known"),
    [(0.0, True), (60.0, True), (3500.0, True), (3700.0, False), (1e8, False), (-60.0, False)],
)
def test_an_impossible_latency_is_nan(running, behind, known):
    running.stamp = int(time.time() - behind) - 2  # each frame is one second later
    total = running.next_status().latency.total
    assert math.isnan(total) != known
    assert not known or total >= behind


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(clock_watch, "PATIENCE", 0.2)


def test_simulated_time_without_a_clock_is_a_warning(impatient, bench, capfd):
    bench.make_node(use_sim_time=True)
    errors = []

    def warned():
        errors.append(capfd.readouterr().err)
        return SILENT in errors[-1]

    bench.until(warned)
    assert "WARN" in errors[-1]
    until = time.monotonic() + 0.5
    bench.until(lambda: time.monotonic() > until)
    assert SILENT not in capfd.readouterr().err  # once


@pytest.mark.parametrize("simulated", [True, False])
def test_arriving_time_gives_no_warning(impatient, bench, capfd, simulated):
    node = bench.make_node(use_sim_time=simulated)
    if simulated:
        bench.send("/clock", Clock())
        until = time.monotonic() + 20

        def ticking():
            message = Clock()
            message.clock.sec = 5
            bench.send("/clock", message)
            assert time.monotonic() < until
            return node.get_clock().now().nanoseconds

        bench.until(ticking)
        capfd.readouterr()
    until = time.monotonic() + 0.5
    bench.until(lambda: time.monotonic() > until)
    assert SILENT not in capfd.readouterr().err


def test_simulated_time_may_be_set_later(impatient, bench, capfd):
    node = bench.make_node()
    node.set_parameters([Parameter("use_sim_time", value=True)])
    bench.until(lambda: SILENT in capfd.readouterr().err)
