"""Programs as colcon installs them: child processes, and reports of missing packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

from difusionseg_core.backends.installation import how_to_install

pytestmark = pytest.mark.slow

MISSING = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(scope="module")
def prefix():
    return Path(get_package_prefix("difusionseg_ros"))


@pytest.fixture(scope="module")
def difusionseg(prefix):
    """`difusionseg(*arguments)` runs the installed program and returns its output."""

    def run(*arguments):
        done = subprocess.run(
            [str(prefix / "bin" / "difusionseg"), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=200,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def recordings(difusionseg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for seed in (1, 2):
        difusionseg(
            *("synthesize", "--output", folder / str(seed), "--format", "mcap", "--scenes", 2),
            *("--frames", 1, "--size", "48x64", "--workers", 2, "--seed", seed),
        )
    return folder


def test_synthesize_draws_in_several_processes(recordings):
    assert sorted(path.name for path in recordings.iterdir()) == ["1", "2"]


def test_evaluate_bag_runs_several_recordings_at_a_time(difusionseg, recordings, tmp_path):
    difusionseg(
        *("evaluate-bag", recordings / "1", recordings / "2", "--workers", 2),
        *("--output", tmp_path / "scores"),
    )
    assert (tmp_path / "scores" / "summary.json").is_file()


def test_evaluate_scores_in_several_processes(difusionseg, tmp_path):
    difusionseg(
        *("synthesize", "--output", tmp_path / "drawn", "--scenes", 2, "--size", "48x64"),
        *("--workers", 2),
    )
    difusionseg("evaluate", "--data", tmp_path / "drawn", "--output", tmp_path / "scores")
    assert (tmp_path / "scores" / "metrics.json").is_file()


def test_benchmark_compares_two_configurations(difusionseg):
    printed = difusionseg(
        *("benchmark", "--size", "48x64", "--repeats", 1, "--warmup", 0, "--backend", "openvino"),
        *("--against", "steps=2"),
    )
    assert "steps" in printed


@pytest.mark.parametrize(
    ("program", "package"),
    [("fusion_node", "safetensors"), ("replay", "rosbags"), ("multi_fusion_node", "safetensors")],
)
def test_a_missing_package_is_reported_with_the_line_that_installs_it(
    prefix, tmp_path, program, package
):
    (tmp_path / "sitecustomize.py").write_text(MISSING.format(names={package}))
    done = subprocess.run(
        [str(prefix / "lib" / "difusionseg_ros" / program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert done.returncode == 1
    assert done.stderr == f"{program}: {how_to_install(package)}\n"
    assert "python3 -m venv --system-site-packages" in done.stderr


def test_spawned_children_do_not_run_the_command_again(prefix, tmp_path):
    """The main guard of every program: imported under another name, the file does nothing."""
    for program in [prefix / "bin" / "difusionseg", *(prefix / "lib/difusionseg_ros").iterdir()]:
        code = f"import runpy; runpy.run_path({str(program)!r}, run_name='__mp_main__')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
