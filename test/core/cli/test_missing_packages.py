"""Commands that lack a package name what to install, as the extras list it."""

from __future__ import annotations

import re
import runpy
import sys

import pytest

from difusionseg_core.cli.main import main
from difusionseg_core.cli.missing_packages import EXTRAS, how_to_install


@pytest.fixture(scope="module")
def extra_requirements(root):
    """The function that scripts/setup takes requirements from."""
    return runpy.run_path(str(root / "scripts" / "extra_requirements.py"))["requirements"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_named_packages_are_those_of_the_extra(extra_requirements, extra) -> None:
    names = [re.match(r"[\w-]+(\[\w+\])?", line)[0] for line in extra_requirements(extra)]
    assert sorted(names) == sorted(EXTRAS[extra])


def test_extras_of_this_package_are_included(extra_requirements) -> None:
    tests = extra_requirements("test")
    assert set(extra_requirements("train")) < set(tests)
    assert not any(line.startswith("difusionseg") for line in tests)


def test_a_missing_package_is_reported_with_all_packages_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    monkeypatch.delitem(sys.modules, "difusionseg_core.training.command_line", raising=False)
    assert main(["train", "--config=lite_msrs"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install" in said
    assert "'jsonargparse[signatures]' lightning" in said
    assert how_to_install("tqdm", "predict").endswith("pip install tqdm")
