"""Installs all of difusionseg_ros except its ROS messages, for use without ROS: `pip install .`.

The metadata is in pyproject.toml. Version and maintainer come from package.xml, which colcon needs;
colcon builds the same tree, messages included, through CMakeLists.txt.
"""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import setup

ROOT = Path(__file__).parent
SHARE = Path("share/difusionseg_ros")
PACKAGE = ElementTree.parse(ROOT / "package.xml").getroot()


def shared_files() -> list[tuple[str, list[str]]]:
    """Return `data_files` entries: package.xml, launch/ and config/, laid out as colcon does."""
    entries = {str(SHARE): ["package.xml"]}
    for file in sorted(path for top in ("config", "launch") for path in (ROOT / top).rglob("*.*")):
        if file.is_file() and file.suffix != ".pyc":
            relative = file.relative_to(ROOT)
            entries.setdefault(str(SHARE / relative.parent), []).append(str(relative))
    return list(entries.items())


setup(
    version=PACKAGE.findtext("version"),
    maintainer=PACKAGE.findtext("maintainer"),
    maintainer_email=PACKAGE.find("maintainer").get("email"),
    data_files=shared_files(),
)
