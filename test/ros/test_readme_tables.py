"""The README's tables of topics and parameters are those of the code."""

import dataclasses
from pathlib import Path

import pytest

from difusionseg_ros.common import topics
from difusionseg_ros.fusion.parameters import TYPE_NAMES, Settings

README = Path(__file__).resolve().parents[2] / "README.md"


def topics_table():
    rows = [("direction", "topic", "type", "content")]
    for direction, listed in (("in", topics.INPUTS), ("out", topics.OUTPUTS)):
        for topic in listed:
            package = topic.type.__module__.partition(".")[0]
            kind = f"{package}/{topic.type.__name__}"
            rows.append((direction, f"`{topic.name}`", kind, topic.description))
    return table(rows)


def parameters_table():
    rows = [("parameter", "type", "default", "range", "at run time", "meaning")]
    for item in dataclasses.fields(Settings):
        limits = item.metadata["limits"]
        kind = TYPE_NAMES[type(item.default)]
        default = str(item.default).lower() if kind == "bool" else str(item.default)
        allowed = ", ".join(f"`{choice}`" for choice in limits.choices) or limits.text()
        run_time = "yes" if limits.run_time else "no"
        rows.append((f"`{item.name}`", kind, f"`{default}`", allowed, run_time, limits.description))
    return table(rows)


def table(rows):
    rows = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


@pytest.mark.parametrize("make_table", [topics_table, parameters_table])
def test_readme_has_the_table_of_the_code(make_table):
    wanted = make_table()
    missing = [line for line in wanted.splitlines() if line not in README.read_text("utf-8")]
    assert not missing, "lines of README.md to be brought up to date:\n" + "\n".join(missing)
    assert wanted in README.read_text("utf-8"), "the table has rows that the code has not"
