"""The content of a report, and how it is written as HTML and as Markdown.

A report is data: sections of texts, tables and figures. Two templates decide how they look.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from difusionseg_core.files import write_file

HTML, MARKDOWN, PICTURES = "report.html", "report.md", "pictures"


@dataclass(frozen=True)
class Cell:
    """A cell of a table with a colour (red, green, blue; 0..255 each) before its text."""

    text: str
    color: tuple[int, int, int]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """Each of `rows` has as many cells as there are `columns`; the first cell names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """An encoded image or chart; `name` ends in .png or .jpg and is unique in its report.

    A `wide` one, such as several images side by side, is scrolled on a narrow screen, not shrunk.
    A click enlarges it.
    """

    name: str
    data: bytes
    caption: str = ""
    wide: bool = False

    @property
    def uri(self) -> str:
        """The image as an address, so that a page needs no other file."""
        kind = "jpeg" if self.name.endswith(".jpg") else "png"
        return f"data:image/{kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Legend:
    """Names with their colours (red, green, blue; 0..255 each)."""

    entries: Sequence[Cell]


@dataclass(frozen=True)
class Section:
    """A heading and its content: texts (a paragraph each), tables, figures and legends."""

    title: str
    parts: Sequence[str | Table | Figure | Legend]


@dataclass(frozen=True)
class Report:
    """A page of sections.

    `headline` holds the few values on top, each with its name. `terms` explains names of
    metrics: tables show the meaning on hover, and a list at the end has all.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    headline: Sequence[tuple[str, str]] = field(default_factory=tuple)
    terms: Mapping[str, str] = field(default_factory=dict)

    @property
    def used_terms(self) -> dict[str, str]:
        """Those of `terms` that occur in the headline or in a table, in their order there."""
        names = [name for _, name in self.headline]
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Table):
                    names += [*part.columns, *(str(row[0]) for row in part.rows if row)]
        return {name: self.terms[name] for name in dict.fromkeys(names) if name in self.terms}


def write_report(report: Report, folder: Path) -> None:
    """Write report.html, and report.md with pictures/, into an existing folder.

    The HTML file needs nothing else and runs no script; the Markdown file shows the same images as
    files.
    """
    write_file(folder / HTML, to_html(report))
    write_file(folder / MARKDOWN, to_markdown(report))
    for section in report.sections:
        for part in section.parts:
            if isinstance(part, Figure):
                (folder / PICTURES).mkdir(exist_ok=True)
                write_file(folder / PICTURES / part.name, part.data)


def to_html(report: Report) -> str:
    """Return the page as one HTML file."""
    return _templates().get_template("report.html.j2").render(report=report)


def to_markdown(report: Report) -> str:
    """Return the page as Markdown; its images are files in pictures/."""
    return _templates().get_template("report.md.j2").render(report=report, folder=PICTURES)


def to_text(report: Report) -> str:
    """Return the texts and tables, aligned, for a terminal."""
    lines = [report.title, report.subtitle]
    for section in report.sections:
        lines += ["", section.title]
        for part in section.parts:
            if isinstance(part, Table):
                lines += [*_aligned(part), *([part.note] if part.note else [])]
            elif isinstance(part, str):
                lines.append(part)
    return "\n".join(lines)


def _aligned(table: Table) -> list[str]:
    rows = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["table"] = lambda part: isinstance(part, Table)
    environment.tests["colored"] = lambda cell: isinstance(cell, Cell)
    environment.tests["figure"] = lambda part: isinstance(part, Figure)
    environment.tests["legend"] = lambda part: isinstance(part, Legend)
    environment.filters["escaped"] = _escaped
    return environment


def _escaped(text: object) -> str:
    """Return text that Markdown shows as it is, also in a table."""
    escaped = str(text)
    for character in "\\`*_<|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped.replace("\n", " ")
