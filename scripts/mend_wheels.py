"""Make a virtual environment of ROS 2 wheels one that colcon can build on.

Run by scripts/setup with the environment's own Python, once, after the wheels are installed. The
wheels lack two things:

- The CMake files of the message packages name the include folders of the machine that built them.
- The environment has no `local_setup.*` and `setup.*`, by which colcon chains a workspace onto it.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

# What `local_setup.sh` must do: put the prefix in front of the paths that ROS looks at. For any
# POSIX shell; the prefix is written out, since plain sh does not tell a file where it lies.
SETUP = """\
# Written by scripts/mend_wheels.py.
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


def mend_include_folders(prefix: Path) -> int:
    """Point the message packages' CMake exports to this Python's headers; returns their number."""
    folders = f"{sysconfig.get_path('include')};{numpy.get_include()}"
    exports = list(prefix.glob("share/*/cmake/*__rosidl_generator_pyExport.cmake"))
    for export in exports:
        text = export.read_text()
        mended = BUILD_MACHINE_FOLDERS.sub(
            lambda _: f'INTERFACE_INCLUDE_DIRECTORIES "{folders}"', text
        )
        export.write_text(mended)
    return len(exports)


def write_setup_files(prefix: Path) -> None:
    """Write `local_setup.sh` and its kin to the environment's root."""
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
    if not mend_include_folders(environment):
        sys.exit(f"mend_wheels: found no ROS message packages in {environment}")
    write_setup_files(environment)
