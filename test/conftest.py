"""For all tests: a ROS domain of their own, and where things are."""

import os
import random
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def own_ros_domain(tmp_path_factory):
    """Nodes of the tests, and programs they start, meet no others; their logs go away with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 100)))
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        if os.environ.get("ROS_DISTRO") == "humble":
            patch.setenv("ROS_LOCALHOST_ONLY", "1")
        else:
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Networks that the tests export are not kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts():
    """Programs that the tests start heed SIGINT, also where a shell began the tests with `&`.

    Such a shell has it ignored, which every program inherits.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def root():
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared():
    """Real pictures that lie beside the repository on some machines; tests skip elsewhere."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def untrained_weights(tmp_path_factory):
    """A weights file of lite with random values, for tests of what surrounds the network."""
    import torch

    from difusionseg_core.checkpoints.weights_file import ModelInfo, save_weights
    from difusionseg_core.network.model import create_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(create_model("lite"), path, ModelInfo("lite", num_classes=9))
    return path
