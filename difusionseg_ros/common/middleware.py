"""Fast DDS settings: shared memory for large images, and no network if ROS is to stay local."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

# The configuration files of Fast DDS 2 (Humble, Jazzy) and of Fast DDS 3 (from Kilted on).
_PROFILES, _PROFILES_OF_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
_FIRST_RMW_OF_3 = 9
_FIRST_RMW_WITH_RANGE = 7  # Iron
_LOCAL_FILE = "fastdds_localhost.xml"
_LOCALHOST_ONLY, _RANGE = "ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE"
_SHARED_MEMORY = Path("/dev/shm")
# Containers have 64 MB by default. A process whose segment does not fit gets no shared memory.
_LEAST_FREE = 256_000_000


def use_image_transport() -> None:
    """Make Fast DDS read config/fastdds.xml, in this process and its children.

    Call this before `rclpy.init`. If ROS is restricted to this computer, Fast DDS reads
    config/fastdds_localhost.xml instead. The configuration does not change if the user has
    configured Fast DDS, or if shared memory is too small. Other middleware ignores all this.
    """
    local = is_local()
    configured = any(name in os.environ for name in (_PROFILES, _PROFILES_OF_3, _TRANSPORTS))
    scarce = not _SHARED_MEMORY.is_dir() or shutil.disk_usage(_SHARED_MEMORY).free < _LEAST_FREE
    name = None if configured or scarce else _profiles_variable()
    if name is not None:
        folder = Path(get_package_share_directory("difusionseg_ros"), "config")
        os.environ[name] = str(folder / (_LOCAL_FILE if local else "fastdds.xml"))
    if local and not _has_local_file():
        # ROS releases from Kilted on do not know ROS_LOCALHOST_ONLY.
        os.environ[_RANGE] = "LOCALHOST"
    elif local:
        # Otherwise ROS adds transports that open sockets on every network.
        os.environ[_RANGE] = "SYSTEM_DEFAULT"
        if (_rmw_release() or 0) >= _FIRST_RMW_WITH_RANGE:
            os.environ.pop(_LOCALHOST_ONLY, None)  # Jazzy prefers it to the range


def is_local() -> bool:
    """Return whether ROS is restricted to this computer."""
    return os.environ.get(_LOCALHOST_ONLY) == "1" or os.environ.get(_RANGE) == "LOCALHOST"


def other_users_of_shared_memory() -> list[str]:
    """Return the other users who have Fast DDS segments in shared memory.

    The list is empty for a process of root, which can use the segments of all users.
    """
    users = set()
    if os.geteuid() == 0:
        return []
    for segment in _SHARED_MEMORY.glob("fast*"):
        with contextlib.suppress(OSError, KeyError):  # removed, or unknown user
            if segment.stat().st_uid != os.geteuid():
                users.add(segment.owner())
    return sorted(users)


def _has_local_file() -> bool:
    files = (os.environ.get(name, "") for name in (_PROFILES, _PROFILES_OF_3))
    return any(file.endswith(_LOCAL_FILE) for file in files)


def _profiles_variable() -> str | None:
    """Return the variable for a configuration file of this release's Fast DDS, if set."""
    release = _rmw_release()
    if release is None:
        return None
    return _PROFILES_OF_3 if release >= _FIRST_RMW_OF_3 else _PROFILES


def _rmw_release() -> int | None:
    """Return the first number of the version of ROS's layer over Fast DDS, if it is installed."""
    try:
        rmw = Path(get_package_share_directory("rmw_fastrtps_shared_cpp"), "package.xml")
    except PackageNotFoundError:
        return None
    return int(ElementTree.parse(rmw).findtext("version", "0").split(".")[0])
