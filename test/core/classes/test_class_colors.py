"""Display colours: distinguishable, clear on dark and bright images, the same for the same class.

Differences are CIEDE2000, measured with scikit-image; colour-blindness is simulated with another
model (Vienot et al. 1999) than the one that the colours are made with.
"""

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from difusionseg_core.classes import FMB, MSRS, label_set_of
from difusionseg_core.classes.class_colors import display_palette

# Linear RGB to linear RGB as seen.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array(
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    ),
}


def lab(colors, vision="normal"):
    """(N, 3) CIELAB of sRGB colours, 0..255, as seen by `vision`."""
    part = np.asarray(colors) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    srgb = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb2lab(srgb[None])[0]


def smallest_difference(colors, vision):
    return min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab(colors, vision), 2))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("label_set", "least"), [(MSRS, 15), (FMB, 6)], ids=["msrs", "fmb"])
def test_colors_differ_with_and_without_color_blindness(label_set, least, vision):
    assert smallest_difference(label_set.display_palette, vision) >= least
    assert smallest_difference(label_set.palette, "deuteranopia") < 3  # why there is another one


@pytest.mark.parametrize("label_set", [MSRS, FMB, label_set_of(40)], ids=lambda each: each.name)
def test_colors_are_clear_on_black_and_on_white(label_set):
    colors = lab(label_set.display_palette[1:])
    for background in ((0, 0, 0), (255, 255, 255)):
        assert deltaE_ciede2000(colors, lab([background])).min() > 12
    # A half-transparent overlay on a dark and on a bright image still differs from the image.
    for grey in (20, 128, 235):
        blended = (np.array(label_set.display_palette[1:]) + grey) / 2
        assert deltaE_ciede2000(lab(blended), lab([[grey] * 3])).min() > 8


@pytest.mark.parametrize("count", [1, 2, 3, 9, 10, 40, 255])
def test_there_is_a_different_color_for_every_class(count):
    colors = label_set_of(count).display_palette
    assert len(colors) == len(set(colors)) == count
    assert colors[0] == (0, 0, 0)
    assert all(0 <= part <= 255 for color in colors for part in color)


def test_a_class_has_one_color_in_every_label_set():
    by_name = [
        dict(zip(each.class_names, each.display_palette, strict=True)) for each in (MSRS, FMB)
    ]
    assert by_name[0]["person"] == by_name[1]["person"]
    assert by_name[0]["car"] == by_name[1]["car"]
    assert by_name[0]["bike"] == by_name[1]["bicycle"]
    # Two classes that prefer one colour get two.
    both = display_palette(("unlabelled", "bicycle", "bike", "person", "person"))
    assert len(set(both)) == 5


def test_an_unknown_palette_is_refused():
    assert MSRS.colors("published") == MSRS.palette
    with pytest.raises(
        ValueError, match="palette 'dark' is unknown; use one of display, published"
    ):
        MSRS.colors("dark")
