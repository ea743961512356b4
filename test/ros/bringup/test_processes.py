"""Processes without `launch`: which of them end the others, and which restart."""

import signal
import subprocess
import sys

import pytest

from difusionseg_ros.bringup.processes import Process

RUN = """
import sys
from difusionseg_ros.bringup.processes import Process, run
sys.exit(run([{processes}]))
"""
PROGRAMS = {
    "lives": "sleep 60",
    "fails": "exit 3",
    "gives_up": "exit 1",
    "is_done": "exit 0",
    # Killed in the first run, finished in the second.
    "is_killed": 'if mkdir "$0.lived" 2>/dev/null; then kill -9 $$; fi; exit 0',
}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """`start(*processes)` runs them in a process of its own, which prints to stderr."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    programs = tmp_path / "lib" / "guest"
    for folder in (index, programs):
        folder.mkdir(parents=True)
    (index / "guest").touch()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))

    def start(*processes):
        code = RUN.format(processes=", ".join(map(repr, processes)))
        return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)

    return start


def guest(name, **rules):
    return Process("guest", name, **rules)


@pytest.mark.parametrize(
    ("processes", "status"),
    [
        ([guest("lives"), guest("fails", essential=True)], 3),
        ([guest("lives"), guest("is_done", essential=True)], 1),
        ([guest("lives"), guest("fails", failure_ends_all=True)], 3),
        ([guest("lives"), guest("is_done", finishes=True)], 0),
        ([guest("is_done"), guest("is_done")], 0),
        ([guest("is_done"), guest("fails")], 3),
        ([guest("lives"), guest("gives_up", essential=True, respawn_delay=0.0)], 1),
        ([guest("is_done", failure_ends_all=True), guest("fails")], 3),
        # Killed, started again, and done: what `finishes` has finished.
        ([guest("lives"), guest("is_killed", finishes=True, respawn_delay=0.0)], 0),
    ],
)
def test_the_end_of_a_process_ends_the_others(start, processes, status):
    running = start(*processes)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == status, errors
    assert "Traceback" not in errors


def test_other_processes_continue_after_a_failure(start):
    running = start(guest("lives"), guest("fails"))
    assert running.stderr.readline() == "fails ended with 3\n"
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (0, "")


def test_a_killed_process_is_started_again(start):
    running = start(guest("is_killed", finishes=True, respawn_delay=0.1), guest("lives"))
    _, errors = running.communicate(timeout=60)
    assert errors == "is_killed ended with -9\nstarting is_killed again in 0.1 s\n"
