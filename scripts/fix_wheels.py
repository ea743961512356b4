"""Prepare a virtual environment of ROS 2 wheels so that colcon can build on it.

scripts/setup runs this once with the environment's own Python, after it has installed the wheels.
The wheels lack two things:

- The CMake files of the message packages name the include folders of the machine that built them.
- The environment has no `local_setup.*` and `setup.*`, which colcon needs to chain a workspace onto
  it.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

# `local_setup.sh` puts the prefix in front of the paths that ROS searches. For any POSIX shell; the
# prefix is written out, because plain sh does not tell a sourced file where it is.
SETUP = """\
# Written by scripts/fix_wheels.py.
_difusionseg_prepend() {{
  eval "_difusionseg_old=\\${{$1:-}}"
  case ":$_difusionseg_old:" in
    *":$2:"*) ;;
    *) export "$1=$2${{_difusionseg_old:+:$_difusionseg_old}}" ;;
  esac
}}
{lines}
unset -f _difusionseg_prepend
unset _difusionseg_old
"""
BUILD_MACHINE_FOLDERS = re.compile(
    r'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/[^"]*/include/python3[^"]*"'
)


def fix_include_folders(prefix: Path) -> int:
    """Point the CMake exports of message packages to this Python's headers; return their number."""
    folders = f"{sysconfig.get_path('include')};{numpy.get_include()}"
    exports = list(prefix.glob("share/*/cmake/*__rosidl_generator_pyExport.cmake"))
    for export in exports:
        text = export.read_text()
        fixed = BUILD_MACHINE_FOLDERS.sub(
            lambda _: f'INTERFACE_INCLUDE_DIRECTORIES "{folders}"', text
        )
        export.write_text(fixed)
    return len(exports)


def write_setup_files(prefix: Path) -> None:
    """Write `local_setup.*` and `setup.*` to the root of the environment."""
    site_packages = Path(sysconfig.get_path("purelib"))
    libraries = [prefix / "lib", *sorted(site_packages.glob("ros_*.libs"))]
    paths = [("AMENT_PREFIX_PATH", prefix), ("PATH", prefix / "bin")]
    paths += [("LD_LIBRARY_PATH", folder) for folder in libraries]
    lines = "\n".join(f"_difusionseg_prepend {name} '{path}'" for name, path in paths)
    for name in ("local_setup", "setup"):
        for shell in ("sh", "bash", "zsh"):
            (prefix / f"{name}.{shell}").write_text(SETUP.format(lines=lines))


if __name__ == "__main__":
    environment = Path(sys.prefix)
    if not fix_include_folders(environment):
        sys.exit(f"fix_wheels: found no ROS message packages in {environment}")
    write_setup_files(environment)
