"""The tables of topics and parameters in docs/node.md are those of the code."""

import dataclasses
from pathlib import Path

import pytest

from difusionseg_ros.common import topics
from difusionseg_ros.common.program import type_name
from difusionseg_ros.fusion.parameters import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "node.md"


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
        kind = type_name(item.default)
        default = str(item.default).lower() if kind == "bool" else str(item.default)
        allowed = ", ".join(f"`{choice}`" for choice in limits.choices) or limits.text()
        run_time = "yes" if limits.run_time else "no"
        rows.append((f"`{item.name}`", kind, f"`{default}`", allowed, run_time, limits.description))
    return table(rows)


def table(rows):
    rows = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


@pytest.mark.parametrize("make_table", [topics_table, parameters_table])
def test_page_has_the_table_of_the_code(make_table):
    wanted, page = make_table(), PAGE.read_text("utf-8")
    missing = [line for line in wanted.splitlines() if line not in page]
    assert not missing, "put these lines into docs/node.md:\n" + "\n".join(missing)
    assert wanted in page, "the table in docs/node.md has rows that the code does not have"
