"""A short soak over DDS: every kind of fault, three times."""

import json
import subprocess
import sys

import pytest

from tools.soak_faults import FAULTS

ROUNDS = 3 * len(FAULTS)


@pytest.mark.slow
def test_nothing_grows_in_a_short_soak(tmp_path, untrained_weights):
    output = tmp_path / "soak.json"
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "tools.soak", "--model", str(untrained_weights)),
            *("--frames", "250", "--round", "5", "--size", "48x64", "--backend", "torch"),
            *("--output", str(output)),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert output.exists(), finished.stderr
    figures = json.loads(output.read_text())
    assert figures["frames"] >= 250
    assert len(figures["samples"]) >= ROUNDS
    assert figures["faults"].keys() == {fault.__name__ for fault in FAULTS}
    assert all(found["times"] >= 3 for found in figures["faults"].values())
    # Not the latency, which depends on other work on the machine.
    for name in ("rss_mb", "threads", "files"):
        assert figures["growth"][name]["sound"], figures["growth"]
    assert finished.returncode == (0 if figures["sound"] else 1)


def test_a_node_that_cannot_start_gives_its_reason(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", "tools.soak", "--model", "no_such_model"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 1
    assert "soak: the fusion node ended" in finished.stderr
    assert "model 'no_such_model' is unknown" in finished.stderr
