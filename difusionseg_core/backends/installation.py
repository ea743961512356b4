"""What to install when a program or a backend lacks a Python package."""

from __future__ import annotations

# Packages that neither rosdep nor apt installs on Ubuntu 22.04 and 24.04.
PIP_ONLY = ("openvino", "onnxruntime", "rosbags", "safetensors", "torch")
_RUN_TIME = "openvino safetensors rosbags"


def how_to_install(package: str) -> str:
    """Return one line: the Python package is missing, and the command that installs it."""
    if package not in PIP_ONLY:
        return (
            f"the Python package {package} is not installed: run rosdep install --from-paths src "
            f"--ignore-src -y in the workspace, or pip install {package} in a virtual environment"
        )
    names = _RUN_TIME if package in _RUN_TIME.split() else f"{package} {_RUN_TIME}"
    return (
        f"the Python package {package} is not installed, and no Ubuntu package provides it: "
        "install it into a virtual environment on top of ROS and activate that before the start: "
        "python3 -m venv --system-site-packages ~/difusionseg && "
        f"source ~/difusionseg/bin/activate && pip install {names}"
    )
