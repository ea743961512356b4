"""Class colours, overlays, legends and contact sheets."""

import numpy as np
import pytest

from difusionseg_core.classes import FMB, IGNORE, MSRS, LabelSet, label_set_of
from difusionseg_core.imaging.drawing import (
    caption,
    colorize,
    contact_sheet,
    legend,
    overlay,
    side_by_side,
)


@pytest.mark.parametrize("palette", ["display", "published"])
def test_colorize_takes_each_color_from_the_palette(palette):
    labels = np.array([[0, 1, 8, IGNORE]], np.uint8)
    (row,) = colorize(labels, MSRS, palette)
    wanted = MSRS.colors(palette)
    assert [tuple(color) for color in row] == [wanted[0], wanted[1], wanted[8], (255,) * 3]


def test_an_overlay_leaves_unlabelled_and_ignored_pixels():
    image = np.full((1, 3, 3), 100, np.uint8)
    (row,) = overlay(image, np.array([[0, 2, IGNORE]], np.uint8), MSRS, opacity=1.0)
    assert [tuple(color) for color in row] == [(100,) * 3, MSRS.display_palette[2], (100,) * 3]


@pytest.mark.parametrize("label_set", [MSRS, FMB, label_set_of(40)], ids=lambda each: each.name)
@pytest.mark.parametrize("width", [120, 400, 1280])
def test_a_legend_has_every_color_but_the_background(label_set, width):
    image = legend(label_set, width)
    assert image.shape[1] == width
    found = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    assert found >= set(label_set.display_palette[1:])


def test_a_legend_of_one_class_is_an_empty_line():
    assert (legend(LabelSet("one", ("unlabelled",), ((0, 0, 0),)), 100) == 255).all()


def test_a_contact_sheet_has_titles_rows_and_a_legend():
    rows = [[np.zeros((48, 64, 3), np.uint8)] * 2] * 3
    plain = contact_sheet(rows, ("RGB", "fused"), 64)
    assert plain.shape == (28 + 3 * (4 + 48), 64 + 4 + 64, 3)
    with_legend = contact_sheet(rows, ("RGB", "fused"), 64, MSRS)
    with_note = contact_sheet(rows, ("RGB", "fused"), 64, MSRS, "mean IoU 0.49")
    assert with_note.shape[0] > with_legend.shape[0] and with_note[-28:].min() < 100
    assert with_legend.shape[0] > plain.shape[0] and with_legend.shape[1] == plain.shape[1]
    with pytest.raises(ValueError, match="needs 3 images"):
        contact_sheet(rows, ("RGB", "thermal", "fused"), 64)
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([], ("RGB",), 64)


def test_images_side_by_side_are_of_one_width_and_keep_their_shape():
    image = side_by_side(
        [np.zeros((30, 40, 3), np.uint8), np.zeros((60, 40, 3), np.uint8)], ("RGB", "thermal"), 80
    )
    assert image.shape == (120, 80 + 4 + 80, 3)
    assert (image[60:, :80] == 255).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_caption_is_readable_on_any_background(grey):
    image = np.full((40, 120, 3), grey, np.uint8)
    written = caption(image, "frame 7")
    assert written.min() < 40 and written.max() > 215
    assert (image == grey).all()  # the given one stays as it is


def test_every_letter_of_a_name_is_drawn():
    def drawn(name):
        return legend(LabelSet("own", ("ground", name), ((0, 0, 0), (255, 0, 0))), 400)

    images = [drawn(name) for name in ("?", "étagère", "стена", "стены", "a?", "aé")]
    assert len({image.tobytes() for image in images}) == len(images)
    dark = np.zeros((40, 200, 3), np.uint8)
    assert caption(dark, "étagère").max() == 255 and not dark.any()
