"""Print the requirements of one of the package's extras, one a line, as pyproject.toml lists them.

scripts/setup installs them: each list of requirements has one place.
"""

import re
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements(extra: str) -> list[str]:
    """Return the extra's requirements; those of other extras of this package are included."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    listed = []
    for requirement in project["optional-dependencies"][extra]:
        own = re.fullmatch(project["name"] + r"\[([\w,-]+)\]", requirement)
        listed += sum(map(requirements, own[1].split(",")), []) if own else [requirement]
    return listed


if __name__ == "__main__":
    print(*requirements(sys.argv[1]), sep="\n")
