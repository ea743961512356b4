"""The start of installed programs: interrupts and missing packages during imports."""

import signal
import subprocess
import sys

import pytest

START = "import sys; from difusionseg_core.cli.start import start; sys.exit(start({module!r}, 7))"


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """`begin(source)` starts a program whose module is `source`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))

    def program(source):
        (tmp_path / "program.py").write_text(source)
        return subprocess.Popen(
            [sys.executable, "-c", START.format(module="program")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_ends_without_output(begin, number):
    program = begin("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    assert program.stdout.readline() == "importing\n"
    program.send_signal(number)
    printed, errors = program.communicate(timeout=20)
    assert (program.returncode, printed, errors) == (7, "", "")


def test_main_runs_with_the_original_signal_handlers(begin):
    program = begin("import signal\ndef main():\n    return signal.getsignal(2) is not None and 3")
    assert program.wait(timeout=20) == 3
    program.communicate()


def test_a_missing_package_is_one_line(begin):
    program = begin("import rosbags_of_nobody.reader")
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 1
    assert errors.count("\n") == 1 and "rosbags_of_nobody is not installed" in errors


def test_a_broken_installation_shows_a_traceback(begin):
    program = begin("import difusionseg_core.no_such_module")
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 1 and "Traceback" in errors
