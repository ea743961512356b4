"""The machine that figures were measured on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from difusionseg_core.parallel import available_cores


def machine() -> dict[str, str | int]:
    """Return processor, cores, graphics card, system and versions, for a report."""
    torch: Any
    try:
        import torch
    except ImportError:  # other backends work without PyTorch
        torch = None
    with Path("/proc/cpuinfo").open() as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": available_cores(),
        "gpu": torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "none",
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__ if torch else "none",
    }
