"""Pseudo-colours: every palette is found and mapped back; other colours become luma."""

import cv2
import numpy as np
import pytest

from difusionseg_core.imaging.bad_image import BadImage
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.imaging.thermal.palettes import (
    GREY,
    PALETTES,
    UNKNOWN,
    find_palette,
    palette_colours,
    thermal_grey,
)

# Beginning and end of these have the same colours.
CYCLIC = ("hsv", "twilight", "twilight_shifted")


def scene():
    """(H, W) uint8: a smooth background, warm objects, all grey levels."""
    y, x = np.mgrid[:96, :160]
    image = 60 + 0.4 * x + 20 * np.sin(y / 9)
    for row, column, heat in ((30, 40, 190), (60, 100, 255), (70, 20, 0)):
        image += (heat - image) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 120)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def jpeg(rgb, quality=90):
    data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()


@pytest.mark.parametrize("name", PALETTES)
def test_a_palette_is_found_and_mapped_back(name):
    grey = scene()
    rgb = palette_colours(name)[grey]
    if name not in CYCLIC:
        assert find_palette(rgb) == name
        assert np.abs(thermal_grey(rgb).astype(int) - grey).max() <= 1
    assert np.abs(thermal_grey(rgb, name).astype(int) - grey).mean() < 4


@pytest.mark.parametrize("name", ["jet", "inferno", "turbo", "hot", "iron", "tyrian", "rainbow"])
def test_a_palette_is_found_in_a_jpeg(name):
    grey = scene()
    rgb = jpeg(palette_colours(name)[grey])
    assert find_palette(rgb) == name
    assert np.abs(thermal_grey(rgb).astype(int) - grey).mean() < 5


def test_the_hottest_is_the_brightest():
    """In JET's luma it is not."""
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(16, 0)
    rgb = palette_colours("jet")[ramp]
    assert cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[0].argmax() < 200
    assert thermal_grey(rgb)[0].argmax() == 255


def test_opencv_draws_the_same():
    grey = scene()
    rgb = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1]
    assert np.array_equal(thermal_grey(rgb), grey)


def test_text_in_the_image_does_not_hide_the_palette():
    rgb = palette_colours("inferno")[scene()].copy()
    cv2.putText(rgb, "23.4 C", (5, 90), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 255, 0), 2)
    assert find_palette(rgb) == "inferno"


def test_grey_in_colour_channels_stays():
    grey = scene()
    assert np.array_equal(thermal_grey(np.dstack([grey] * 3)), grey)
    tinted = jpeg(np.dstack([grey] * 3), 60)
    assert find_palette(tinted) == GREY


def test_colours_of_no_palette_are_luma():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert find_palette(rgb) == UNKNOWN
    assert np.array_equal(thermal_grey(rgb), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    assert np.array_equal(to_uint8(rgb), thermal_grey(rgb))


def test_one_image_by_itself():
    grey = scene()
    assert np.array_equal(to_uint8(palette_colours("jet")[grey]), grey)


def test_a_conversion_keeps_the_palette_through_a_shutter_event():
    convert = ThermalConversion(ThermalOptions())
    grey = scene()
    jet = palette_colours("jet")
    assert np.array_equal(convert(jet[grey]), grey)
    assert convert.palette == "jet"
    convert(np.full_like(jet[grey], 128))
    assert convert.palette == "jet"
    assert np.array_equal(convert(jet[grey // 2]), grey // 2)
    assert np.abs(convert(palette_colours("iron")[grey]).astype(int) - grey).max() <= 1
    assert convert.palette == "iron"


def test_a_conversion_warns_of_unknown_colours():
    convert = ThermalConversion(ThermalOptions())
    assert not convert.warning
    convert(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    assert "thermal_palette" in convert.warning
    convert = ThermalConversion(ThermalOptions(palette="grey"))
    convert(palette_colours("jet")[scene()])
    assert not convert.warning


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("mode", ["auto", "percentile", "fixed", "minmax"])
def test_black_hot(dtype, mode):
    counts = scene().astype(dtype)
    options = {"mode": mode, "low": 0, "high": 255}
    white = ThermalConversion(ThermalOptions(**options))(counts)
    black = ThermalConversion(ThermalOptions(**options, invert=True))(counts)
    assert np.abs(white.astype(int) + black - 255).max() <= 1


def test_broken_pixels_of_a_black_hot_camera_are_black():
    degrees = scene().astype(np.float32)
    degrees[0, :3] = np.nan, np.inf, -np.inf
    assert ThermalConversion(ThermalOptions(invert=True))(degrees)[0, :3].max() == 0


def test_telemetry_rows_are_cut_off_before_the_range_is_found():
    counts = scene().astype(np.uint16) * 20 + 8000
    framed = np.pad(counts, ((2, 0), (0, 3)), constant_values=60000)
    convert = ThermalConversion(ThermalOptions(crop=(2, 0, 0, 3)))
    assert np.array_equal(convert(framed), ThermalConversion(ThermalOptions())(counts))
    with pytest.raises(BadImage, match=r"thermal_crop \[98, 0, 0, 0\] leaves nothing of"):
        ThermalConversion(ThermalOptions(crop=(98, 0, 0, 0)))(framed)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"palette": "lava"}, "palette 'lava' is unknown; use one of auto, grey, jet"),
        ({"crop": (1, 2)}, "must be 4 numbers"),
        ({"crop": (-1, 0, 0, 0)}, "must be 4 numbers"),
        ({"mode": "best"}, "mode 'best' is unknown"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ThermalConversion(ThermalOptions(**options))
