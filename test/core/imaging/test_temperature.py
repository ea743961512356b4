"""Temperatures from counts, with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.imaging.thermal.temperature import UNITS, TemperatureScale, guess_unit

SCENE = np.linspace(5.0, 36.0, 48).reshape(6, 8)  # degrees Celsius
COUNTS = {
    "celsius": SCENE.astype(np.float32),
    "kelvin": (SCENE + 273.15).astype(np.float32),
    "centikelvin": np.round((SCENE + 273.15) * 100).astype(np.uint16),
    "decikelvin": np.round((SCENE + 273.15) * 10).astype(np.uint16),
    "optris": np.round((SCENE + 100) * 10).astype(np.uint16),
}


@pytest.mark.parametrize("unit", COUNTS)
def test_known_answers_and_the_right_guess(unit) -> None:
    counts = COUNTS[unit]
    assert guess_unit(counts) == unit
    for chosen in (unit, "auto"):
        degrees = TemperatureScale(chosen).celsius(counts)
        assert degrees.dtype == np.float32
        np.testing.assert_allclose(degrees, SCENE, atol=0.06)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float64])
def test_types_of_counts(kind) -> None:
    counts = COUNTS["centikelvin"].astype(kind)
    np.testing.assert_allclose(TemperatureScale("centikelvin").celsius(counts), SCENE, atol=0.01)


@pytest.mark.parametrize(
    "counts",
    [
        np.full((4, 4), 120, np.uint8),
        np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16),  # automatic gain, 16 bits
        np.full((4, 4), 8000, np.uint16),  # raw 14-bit counts
        np.full((4, 4), np.nan, np.float32),
        np.empty((0, 4), np.uint16),
        np.full((4, 4), 0.5, np.float32) * np.array([1, 1, 4000, 4000], np.float32),
    ],
    ids=["8-bit", "16-bit agc", "raw", "nan", "empty", "spread"],
)
def test_counts_without_a_meaning_have_no_temperature(counts) -> None:
    assert TemperatureScale("auto").celsius(counts) is None


def test_none_is_none_and_linear_is_linear() -> None:
    assert TemperatureScale("none").celsius(COUNTS["kelvin"]) is None
    degrees = TemperatureScale("linear", scale=0.5, offset=-20).celsius(np.array([[80]], np.uint8))
    assert degrees.item() == 20


def test_infinite_counts_become_nan() -> None:
    degrees = TemperatureScale("celsius").celsius(np.array([[np.inf, -np.inf, np.nan, 3.0]]))
    assert np.isnan(degrees[0, :3]).all() and degrees[0, 3] == 3


def test_emissivity() -> None:
    """A surface at 60 degrees with emissivity 0.9 that reflects 20 degrees (Stefan-Boltzmann)."""
    seen = (0.9 * 333.15**4 + 0.1 * 293.15**4) ** 0.25 - 273.15
    scale = TemperatureScale("celsius", emissivity=0.9, reflected=20.0)
    assert scale.celsius(np.array([[seen]], np.float32)).item() == pytest.approx(60.0, abs=0.01)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"unit": "rankine"}, "auto, celsius"),
        ({"emissivity": 0.0}, "emissivity"),
        ({"emissivity": 1.1}, "emissivity"),
        ({"unit": "linear", "scale": 0.0}, "thermal_scale"),
    ],
)
def test_bad_options_are_refused(options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        TemperatureScale(**options)


def test_every_unit_is_accepted() -> None:
    for unit in UNITS:
        TemperatureScale(unit)
