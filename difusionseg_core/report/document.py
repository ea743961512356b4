"""What a report consists of, and writing it as HTML and as Markdown.

A report is data: whoever measured something lists sections of texts, tables and pictures, and the
two templates decide how they look.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
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
    """`rows` hold as many cells as there are `columns`; the first cell names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An encoded image.

    `name` ends in .png or .jpg and is unique in its report. A `wide` one, as of several images
    side by side, is scrolled on a narrow screen instead of shrunk.
    """

    name: str
    data: bytes
    caption: str = ""
    wide: bool = False

    @property
    def uri(self) -> str:
        """The picture in an address, so that a page needs no other file."""
        kind = "jpeg" if self.name.endswith(".jpg") else "png"
        return f"data:image/{kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it: texts (a paragraph each), tables and pictures."""

    title: str
    parts: Sequence[str | Table | Picture]


@dataclass(frozen=True)
class Report:
    """`figures` are the few that stand large on top, each a (value, what it is)."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    figures: Sequence[tuple[str, str]] = field(default_factory=tuple)


def write_report(report: Report, folder: Path) -> None:
    """Write report.html, and report.md with pictures/, into an existing folder.

    The HTML file needs nothing else and runs no script; the Markdown file shows the same pictures
    as files.
    """
    write_file(folder / HTML, to_html(report))
    write_file(folder / MARKDOWN, to_markdown(report))
    for section in report.sections:
        for part in section.parts:
            if isinstance(part, Picture):
                (folder / PICTURES).mkdir(exist_ok=True)
                write_file(folder / PICTURES / part.name, part.data)


def to_html(report: Report) -> str:
    """The page as one HTML file."""
    return _templates().get_template("report.html.j2").render(report=report)


def to_markdown(report: Report) -> str:
    """The page as Markdown; its pictures are files in pictures/."""
    return _templates().get_template("report.md.j2").render(report=report, folder=PICTURES)


def to_text(report: Report) -> str:
    """The texts and tables, aligned, for a terminal."""
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
    environment.tests["picture"] = lambda part: isinstance(part, Picture)
    environment.filters["escaped"] = _escaped
    return environment


def _escaped(text: object) -> str:
    """Text that Markdown shows as it is, also in a table."""
    escaped = str(text)
    for character in "\\`*_<|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped.replace("\n", " ")
