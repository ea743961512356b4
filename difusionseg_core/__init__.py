"""DiFusionSeg: fuse and segment pairs of RGB and thermal images. No ROS in here.

from difusionseg_core import Predictor
result = Predictor.from_pretrained("lite")(rgb, thermal)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from difusionseg_core.network.model import create_model
    from difusionseg_core.predictor import Predictor

__all__ = ["Predictor", "create_model"]


def __getattr__(name: str) -> object:
    # Importing PyTorch takes seconds, and reading class names or pairing stamps does not need it.
    if name == "create_model":
        from difusionseg_core.network.model import create_model

        return create_model
    if name == "Predictor":
        from difusionseg_core.predictor import Predictor

        return Predictor
    if name == "__version__":
        return _installed_version()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _installed_version() -> str:
    """Return package.xml's version, which pip and colcon write to the installed metadata."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("difusionseg_ros")
    except PackageNotFoundError:
        return "unknown (not installed)"
