"""The benchmark of the node from end to end, on small images with an untrained network."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

MARK = "DIFUSIONSEG_BENCHMARK_TEST"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """`start(*arguments)` starts the benchmark; at the end, none of its processes may be left."""
    monkeypatch.delenv("ROS_DOMAIN_ID")
    monkeypatch.setenv(MARK, str(os.getpid()))
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "tools.benchmark_node", "--size", "48x64"]
        process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # not killed: its children must end with it
        process.communicate(timeout=40)
    assert processes_of_this_test() == []


def processes_of_this_test():
    """Running processes, other than this one, that were started by the benchmark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(os.getpid()) and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.slow
def test_figures_of_a_short_run(start, tmp_path, untrained_weights):
    output = tmp_path / "figures.json"
    options = ("--rate", "5", "--seconds", "2", "--steps", "2", "--backend", "torch")
    process = start("--model", str(untrained_weights), "--output", str(output), *options)
    printed, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    figures = json.loads(output.read_text())
    assert (figures["size"], figures["rate"], figures["steps"]) == ([48, 64], 5, 2)
    assert (figures["device"], figures["backend"]) == ("cpu", "torch")
    assert 0 < figures["fps"] < 6
    assert 0 < figures["latency_ms"]["median"] <= figures["latency_ms"]["p95"]
    assert 0 < figures["overhead_ms"] < figures["latency_ms"]["p95"]
    assert 0.5 < figures["start_s"] < 60  # Python needs this much
    assert 50 < figures["rss_mb"] < 5000
    stages = figures["stages_ms"]
    assert stages["inference"]["median"] > 0
    assert list(stages)[:3] == ["transport", "pairing", "waiting"]
    assert figures["pairs"]["sent"] in (9, 10, 11)
    assert 0 < figures["pairs"]["fused_received"] <= figures["pairs"]["sent"] + 2
    assert figures["machine"]["cores_used"] == 2
    assert f"{figures['fps']:.1f} frames/s" in printed


def test_a_node_that_cannot_start_gives_its_reason(start, tmp_path):
    output = tmp_path / "figures.json"
    process = start("--model", "no_such_model", "--output", str(output))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("benchmark_node: the fusion node ended")
    assert "model 'no_such_model' is unknown" in errors
    assert not output.exists()


def test_an_unusable_output_is_refused_before_anything_starts(start):
    process = start("--output", "no/such/folder/figures.json")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1 and "there is no folder" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(start, untrained_weights, number):
    process = start("--model", str(untrained_weights), "--seconds", "600")
    deadline = time.monotonic() + 60
    while len(processes_of_this_test()) < 2:  # in the middle of starting its children
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "benchmark_node: interrupted; nothing was written\n"
