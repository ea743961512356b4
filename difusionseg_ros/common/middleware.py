"""Where Fast DDS is the middleware: room for whole images in its shared memory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

# Where Fast DDS 2 (Humble, Jazzy) looks for its configuration, and Fast DDS 3 (from Kilted on).
_PROFILES, _PROFILES_OF_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
_FIRST_RMW_OF_3 = 9
_SHARED_MEMORY = Path("/dev/shm")
# A container has 64 MB by default; segments that do not fit leave a process without shared memory.
_LEAST_FREE = 256_000_000


def use_image_transport() -> None:
    """Have Fast DDS read config/fastdds.xml, in this process from `rclpy.init` on and in children.

    Where the user configured Fast DDS, and where shared memory is scarce, all stays as it is.
    Other middleware ignores what this sets.
    """
    if any(name in os.environ for name in (_PROFILES, _PROFILES_OF_3, _TRANSPORTS)):
        return
    if not _SHARED_MEMORY.is_dir() or shutil.disk_usage(_SHARED_MEMORY).free < _LEAST_FREE:
        return
    try:
        rmw = Path(get_package_share_directory("rmw_fastrtps_shared_cpp"), "package.xml")
    except PackageNotFoundError:
        return
    version = ElementTree.parse(rmw).findtext("version")
    name = _PROFILES_OF_3 if int(version.split(".")[0]) >= _FIRST_RMW_OF_3 else _PROFILES
    share = get_package_share_directory("difusionseg_ros")
    os.environ[name] = str(Path(share, "config", "fastdds.xml"))
