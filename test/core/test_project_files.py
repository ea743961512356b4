"""Project files agree on version, requirements, and versions of the checking tools."""

import re
from importlib.metadata import PackageNotFoundError, version
from xml.etree import ElementTree

import pytest

from difusionseg_core import __version__

requirements = pytest.importorskip("packaging.requirements")


def package_version(root):
    return ElementTree.parse(root / "package.xml").findtext("version")


def listed(path):
    """Return requirements by name from a file in `scripts/requirements`."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    found = [requirements.Requirement(line) for line in lines if line]
    return {item.name.lower(): item for item in found}


def declared(root):
    """Return requirements by name in pyproject.toml, of all extras."""
    text = (root / "pyproject.toml").read_text()
    section = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    lines = re.sub(r"#.*", "", section)
    found = [requirements.Requirement(item) for item in re.findall(r'"([^"]+)"', lines)]
    return {item.name.lower(): item for item in found}


def test_version_is_that_of_the_package():
    try:
        installed = version("difusionseg_ros")
    except PackageNotFoundError:
        installed = "unknown (not installed)"
    assert __version__ == installed


def test_installed_version_is_the_one_in_package_xml(root):
    try:
        installed = version("difusionseg_ros")
    except PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == package_version(root)


def test_newest_release_of_the_changelog_is_this_version(root):
    pytest.importorskip("docutils")
    changelog = pytest.importorskip("catkin_pkg.changelog")
    parsed = changelog.get_changelog_from_path(str(root), "difusionseg_ros")
    released = [release for release, _, _ in parsed.foreach_version()]  # newest first
    assert released[:1] in ([], [package_version(root)])


@pytest.mark.parametrize("name", ["python", "test", "torch", "dev"])
def test_requirements_of_the_scripts_are_within_those_of_pip(root, name):
    pip = declared(root)
    for item in listed(root / "scripts" / "requirements" / f"{name}.txt").values():
        wanted = pip[item.name.lower()].specifier
        bounds = [bound.version for bound in item.specifier]
        assert all(wanted.contains(bound) for bound in bounds), f"{item}: pyproject has {wanted}"


def test_pre_commit_runs_the_ruff_of_the_check(root):
    pinned = listed(root / "scripts" / "requirements" / "dev.txt")["ruff"].specifier
    found = re.search(
        r"ruff-pre-commit\n\s*rev: v(\S+)", (root / ".pre-commit-config.yaml").read_text()
    )
    assert f"=={found[1]}" == str(pinned)
