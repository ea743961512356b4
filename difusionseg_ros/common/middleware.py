"""Fast DDS as the middleware: room for images in shared memory, and no network if so asked."""

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
_LOCAL_FILE = "fastdds_localhost.xml"
_LOCALHOST_ONLY, _RANGE = "ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE"
_SHARED_MEMORY = Path("/dev/shm")
# A container has 64 MB by default. A process whose segment does not fit has no shared memory.
_LEAST_FREE = 256_000_000


def use_image_transport() -> None:
    """Have Fast DDS read config/fastdds.xml, in this process from `rclpy.init` on and in children.

    If ROS is to talk to this computer only, it reads config/fastdds_localhost.xml, which does all
    of that itself. If the user configured Fast DDS, or if shared memory is scarce, its
    configuration stays as it is. Other middleware ignores all this.
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
        # Otherwise ROS adds transports of its own, which open sockets on every network.
        os.environ[_RANGE] = "SYSTEM_DEFAULT"


def is_local() -> bool:
    """Whether ROS is to talk to this computer only."""
    return os.environ.get(_LOCALHOST_ONLY) == "1" or os.environ.get(_RANGE) == "LOCALHOST"


def other_users_of_shared_memory() -> list[str]:
    """The users, other than this process's, that have segments of Fast DDS in shared memory.

    A process of root may use the segments of everybody; for it the list is empty.
    """
    users = set()
    if os.geteuid() == 0:
        return []
    for segment in _SHARED_MEMORY.glob("fast*"):
        with contextlib.suppress(OSError, KeyError):  # removed meanwhile, or of a nameless user
            if segment.stat().st_uid != os.geteuid():
                users.add(segment.owner())
    return sorted(users)


def _has_local_file() -> bool:
    files = (os.environ.get(name, "") for name in (_PROFILES, _PROFILES_OF_3))
    return any(file.endswith(_LOCAL_FILE) for file in files)


def _profiles_variable() -> str | None:
    """The variable that names a configuration file for this release's Fast DDS, if it has one."""
    try:
        rmw = Path(get_package_share_directory("rmw_fastrtps_shared_cpp"), "package.xml")
    except PackageNotFoundError:
        return None
    version = ElementTree.parse(rmw).findtext("version", "0")
    return _PROFILES_OF_3 if int(version.split(".")[0]) >= _FIRST_RMW_OF_3 else _PROFILES
