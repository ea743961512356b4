"""Drawing of masks, overlays, legends and contact sheets. All images are uint8 RGB."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from difusionseg_core.classes import IGNORE, LabelSet
from difusionseg_core.classes.class_colors import Color

_WHITE, _INK = (255, 255, 255), (30, 30, 30)
_TITLE_HEIGHT = 28
_GAP = 4
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
_FONT_SIZE = 14  # of the other font, pixels
_LEGEND_LINE = 24  # height of a line of a legend, pixels
_SWATCH = 16  # side of a legend's colour field, pixels


def colorize(labels: np.ndarray, label_set: LabelSet, palette: str = "display") -> np.ndarray:
    """Colour a mask: (H, W) uint8 ids to (H, W, 3) uint8 RGB. 255 (ignore) becomes white.

    `palette` is "display", clear on every image, or "published", the data set's own colours.
    """
    return _color_table(label_set, palette)[labels]


def overlay(
    rgb: np.ndarray,
    labels: np.ndarray,
    label_set: LabelSet,
    opacity: float = 0.5,
    palette: str = "display",
) -> np.ndarray:
    """Blend the class colours over an image; background and ignored pixels stay as they are.

    `rgb` is (H, W, 3) uint8, `labels` (H, W) uint8; `opacity` 0 (image only) to 1 (colour only).
    """
    colors = colorize(labels, label_set, palette)
    blended = cv2.addWeighted(rgb, 1.0 - opacity, colors, opacity, 0.0)
    marked = labels != IGNORE
    if label_set.background is not None:
        marked &= labels != label_set.background
    return np.where(marked[..., None], blended, rgb)


def legend(label_set: LabelSet, width: int, palette: str = "display") -> np.ndarray:
    """Draw colour and name of each class except the background: (H, `width`, 3) uint8, on white.

    As many lines as the names need; a name that is wider than the legend is cut off.
    """
    lines: list[list[tuple[int, Color, str]]] = [[]]
    left = _GAP
    colors = label_set.colors(palette)
    for label, (color, name) in enumerate(zip(colors, label_set.class_names, strict=True)):
        if label == label_set.background:
            continue
        name = name.replace("_", " ")
        entry_width = _SWATCH + 6 + _text_width(name) + 18
        if lines[-1] and left + entry_width > width:
            lines.append([])
            left = _GAP
        lines[-1].append((left, color, name))
        left += entry_width
    image = np.full((len(lines) * _LEGEND_LINE, width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        top = number * _LEGEND_LINE
        for left, color, name in line:
            corner = left, top + (_LEGEND_LINE - _SWATCH) // 2
            opposite = corner[0] + _SWATCH - 1, corner[1] + _SWATCH - 1
            cv2.rectangle(image, corner, opposite, color, cv2.FILLED)
            write(image, name, (left + _SWATCH + 6, top + 17), _INK)
    return image


def write(image: np.ndarray, text: str, corner: tuple[int, int], color: Color) -> None:
    """Draw a line of text into an image; `corner` is the left end of its baseline (x, y)."""
    _write(image, text, corner, color, thickness=1)


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """Return a copy of the image with a readable text in its upper left corner."""
    captioned = image.copy()
    for thickness, color in ((3, (0, 0, 0)), (1, _WHITE)):
        _write(captioned, text, (6, 18), color, thickness)
    return captioned


def side_by_side(images: Sequence[np.ndarray], titles: Sequence[str], width: int) -> np.ndarray:
    """Return one row of images with titles written into them, each scaled to `width` pixels."""
    tiles = [
        caption(_tile(image, width), title) for image, title in zip(images, titles, strict=True)
    ]
    height = max(tile.shape[0] for tile in tiles)
    return _join([_filled(tile, height) for tile in tiles], axis=1)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    tile_width: int = 320,
    classes: LabelSet | None = None,
    note: str = "",
) -> np.ndarray:
    """Return a page of images, one row a frame, with a title over each column.

    `rows` holds as many (H, W, 3) uint8 images a row as there are `titles`; each is scaled to
    `tile_width` pixels. If `classes` are given, their legend is below, and
    `note` below all. Raises ValueError if a row
    has another number of images.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row of images")
    if any(len(row) != len(titles) for row in rows):
        raise ValueError(f"every row of the contact sheet needs {len(titles)} images")
    lines = [_title_line(titles, tile_width)]
    lines += [_join([_tile(image, tile_width) for image in row], axis=1) for row in rows]
    if classes is not None:
        lines.append(legend(classes, lines[0].shape[1]))
    if note:
        lines.append(_title_line([note], lines[0].shape[1]))
    return _join(lines, axis=0)


def _color_table(label_set: LabelSet, palette: str) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[: label_set.num_classes] = label_set.colors(palette)
    table[IGNORE] = 255
    return table


def _text_width(text: str) -> int:
    if text.isascii():
        return cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]
    return round(_font().getlength(text))


def _write(
    image: np.ndarray, text: str, corner: tuple[int, int], color: Color, thickness: int
) -> None:
    if text.isascii():
        cv2.putText(image, text, corner, _FONT, _FONT_SCALE, color, thickness, cv2.LINE_AA)
        return
    drawn = Image.fromarray(image)
    ImageDraw.Draw(drawn).text(
        corner, text, color, _font(), anchor="ls", stroke_width=thickness // 2
    )
    image[:] = np.asarray(drawn)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """A font for the letters that OpenCV lacks."""
    from matplotlib import font_manager  # which brings it

    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), _FONT_SIZE)


def _filled(image: np.ndarray, height: int) -> np.ndarray:
    """Return the image with white below it, `height` rows in all."""
    return cv2.copyMakeBorder(
        image, 0, height - image.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=_WHITE
    )


def _tile(image: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _title_line(titles: Sequence[str], width: int) -> np.ndarray:
    cells = []
    for title in titles:
        cell = np.full((_TITLE_HEIGHT, width, 3), 255, np.uint8)
        write(cell, title, (6, 19), _INK)
        cells.append(cell)
    return _join(cells, axis=1)


def _join(images: Sequence[np.ndarray], axis: int) -> np.ndarray:
    padded = []
    for index, image in enumerate(images):
        if index:
            shape = list(image.shape)
            shape[axis] = _GAP
            padded.append(np.full(shape, 255, np.uint8))
        padded.append(image)
    return np.concatenate(padded, axis=axis)
