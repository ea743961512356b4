"""Put the stand-ins on the path behind the real packages, and skip those that a real one hides."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PIP_ROS = Path(__file__).resolve().parents[2] / "pip_ros"
sys.path.append(str(PIP_ROS))


@pytest.fixture(autouse=True)
def stand_in_only(request):
    package = "cv_bridge" if "cv_bridge" in request.node.nodeid else "message_filters"
    if PIP_ROS not in Path(find_spec(package).origin).parents:
        pytest.skip(f"the real {package} is installed, so its stand-in is not used")
