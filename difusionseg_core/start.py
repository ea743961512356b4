"""How installed programs begin: import the module that does the work, then run its `main()`.

Importing takes a second or more. An interrupt in that time ends the program without a traceback,
and a missing package is reported with the line that installs it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

# Packages that neither rosdep nor apt installs on Ubuntu 22.04 and 24.04.
PIP_ONLY = ("openvino", "onnxruntime", "rosbags", "safetensors", "torch")
_RUN_TIME = "openvino safetensors rosbags"
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def start(module: str, interrupted: int) -> int:
    """Import `module` and run its main(); returns the exit status.

    `interrupted` is the status after SIGINT or SIGTERM during the import.
    """
    # Nothing is running yet, so there is nothing to clean up.
    handlers = {
        number: signal.signal(number, lambda *_: os._exit(interrupted)) for number in _INTERRUPTS
    }
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __package__, module.partition(".")[0]):
            raise  # a broken installation of this package: the traceback is wanted
        print(f"{Path(sys.argv[0]).name}: {how_to_install(package)}", file=sys.stderr)
        return 1
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return main()


def how_to_install(package: str) -> str:
    """One line: the Python package is missing, and the command that installs it."""
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
