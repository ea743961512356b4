"""Reports: one self-contained HTML file, the same in Markdown, and charts in both."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cv2
import numpy as np

from difusionseg_core.report import charts
from difusionseg_core.report.document import (
    Cell,
    Figure,
    Report,
    Section,
    Table,
    to_html,
    to_markdown,
    write_report,
)

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are balanced, and collects texts and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.texts, self.addresses = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        assert tag != "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def report():
    chart = charts.histograms({"Qabf": [0.1, 0.5, 0.5, 0.9]})
    return Report(
        title="Streets <of> rain & fog",
        subtitle="two | pipes",
        headline=[("0.42", "mIoU")],
        sections=[
            Section(
                "Classes",
                [
                    "A *paragraph*.",
                    Table(["class", "IoU"], [[Cell("car", (64, 0, 128)), "0.5"]], "of 3 images"),
                ],
            ),
            Section("Scores", [Figure("scores.png", chart, "scores of every image")]),
        ],
    )


def test_the_html_file_needs_no_other_file(tmp_path):
    write_report(report(), tmp_path)
    html = (tmp_path / "report.html").read_text()
    page = Page(html)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert "http:" not in html and "https:" not in html
    text = " ".join(page.texts)
    for part in ("Streets <of> rain & fog", "two | pipes", "0.42", "car", "of 3 images"):
        assert part in text
    assert "rgb(64, 0, 128)" in html
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.md", "pictures"}


def test_the_markdown_file_shows_the_same(tmp_path):
    write_report(report(), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.splitlines()[0] == r"# Streets \<of> rain & fog"
    assert r"two \| pipes" in text and "| class | IoU |\n| --- | ---: |\n| car | 0.5 |\n" in text
    for address in re.findall(r"\]\((.*)\)", text):
        assert cv2.imread(str(tmp_path / address)) is not None


def test_reports_without_figures_and_parts():
    empty = Report("Nothing", "", [Section("Empty", [])])
    Page(to_html(empty))
    assert "## Empty" in to_markdown(empty)


def test_charts_are_images_and_reproducible():
    matrix = np.array([[0.9, 0.1], [np.nan, np.nan]])
    made = [
        lambda: charts.histograms({"a": [1.0], "b": [1.0, 2.0], "c": [3.0], "d": [0.0, 0.0]}),
        lambda: charts.confusion(matrix, ["road", "car"]),
        lambda: charts.reliability(
            np.array([0.2, 0.7]), np.array([0.1, 0.8]), np.array([0.4, 0.6])
        ),
        lambda: charts.time_lines(
            {
                "mIoU": {"mIoU": ([0, 1], [0.5, float("nan")])},
                "classes": {"car": ([0, 1], [0.1, 0.2]), "person": ([0, 1], [0.3, 0.2])},
            }
        ),
        lambda: charts.intervals({"mIoU": (-0.1, 0.0, 0.1)}, "difference"),
    ]
    for draw in made:
        data = draw()
        assert data == draw()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.std() > 0
