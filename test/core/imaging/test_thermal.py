"""Thermal counts to 8-bit grey: ranges over time, flat frames, broken pixels."""

import numpy as np
import pytest

from difusionseg_core.imaging.thermal.normalizer import ThermalNormalizer, to_uint8


def test_eight_bit_thermal_passes_untouched() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert ThermalNormalizer("fixed")(image) is image


def test_thermal_range_is_smoothed_over_time() -> None:
    normalizer = ThermalNormalizer("percentile", smoothing=0.9)
    cold = np.linspace(7000, 8000, 6400).astype(np.uint16).reshape(80, 80)
    first = normalizer(cold)
    assert first.min() == 0 and first.max() == 255
    hot = cold.copy()
    hot[20:60, 20:60] += 4000
    steady = hot[:, :20]
    assert abs(int(normalizer(hot)[0, 10]) - int(first[0, 10])) < 20, steady.shape


@pytest.mark.parametrize("mode", ["percentile", "minmax"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_flat_and_broken_thermal_frames(mode, dtype) -> None:
    flat = np.full((32, 32), 77, dtype)
    assert np.ptp(ThermalNormalizer(mode)(flat)) == 0
    if dtype == np.float32:
        flat[:] = np.nan
        assert ThermalNormalizer(mode)(flat).max() == 0
        mixed = np.linspace(20, 40, 1024, dtype=np.float32).reshape(32, 32)
        mixed[0, :4] = np.nan, np.inf, -np.inf, np.nan
        result = ThermalNormalizer(mode)(mixed)
        assert result[0, :4].max() == 0 and result.max() == 255


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mode": "auto"}, "use one of"),
        ({"low": 5, "high": 5}, "empty"),
        ({"smoothing": 1}, "smoothing"),
    ],
)
def test_bad_thermal_options_are_refused(options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        ThermalNormalizer(**options)


def ramp(low, high, dtype=np.uint16):
    """(80, 80) from `low` to `high`."""
    return np.linspace(low, high, 6400).reshape(80, 80).astype(dtype)


def test_a_closed_shutter_leaves_the_range_alone() -> None:
    scene = ramp(7000, 8000)
    normalizer = ThermalNormalizer("percentile")
    before = normalizer(scene)
    for counts in (7500, 3000):
        shutter = np.full_like(scene, counts)
        assert np.ptp(normalizer(shutter)) == 0
        assert np.array_equal(normalizer(scene), before)

    normalizer = ThermalNormalizer("percentile")
    normalizer(np.full_like(scene, 7500))  # closed from the start
    assert np.array_equal(normalizer(scene), before)


@pytest.mark.parametrize(
    "after",
    [ramp(0, 250, np.uint8), ramp(20, 40, np.float32), ramp(0, 300), ramp(7400, 7440)],
    ids=["8 bits", "degrees", "low gain", "within the old range"],
)
def test_another_camera_mode_resets_the_range(after) -> None:
    normalizer = ThermalNormalizer("percentile")
    normalizer(ramp(7000, 8000))
    assert np.array_equal(normalizer(after), ThermalNormalizer("percentile")(after))


def test_degrees_below_zero() -> None:
    degrees = ramp(-30, -10, np.float32)
    for normalizer in (
        ThermalNormalizer("minmax"),
        ThermalNormalizer("percentile"),
        ThermalNormalizer("fixed", -30, -10),
    ):
        grey = normalizer(degrees)
        assert (grey.min(), grey.max()) == (0, 255)
        assert np.all(np.diff(grey.ravel().astype(int)) >= 0)


def test_frames_of_only_nan_keep_the_range() -> None:
    degrees = ramp(20, 40, np.float32)
    normalizer = ThermalNormalizer("percentile")
    before = normalizer(degrees)
    for value in (np.nan, np.inf, -np.inf):
        assert normalizer(np.full_like(degrees, value)).max() == 0
    assert np.array_equal(normalizer(degrees), before)
    flat_first = ThermalNormalizer("percentile")
    flat_first(np.full_like(degrees, 25))
    assert flat_first(np.full_like(degrees, np.nan)).max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (3, 2), (480, 640)])
@pytest.mark.parametrize("mode", ["percentile", "minmax", "fixed"])
def test_any_size(shape, mode) -> None:
    image = np.random.default_rng(0).integers(0, 2**16, shape, np.uint16)
    grey = ThermalNormalizer(mode, 0, 2**16)(image)
    assert (grey.shape, grey.dtype) == (shape, np.uint8)


def test_a_single_image_is_converted_alone() -> None:
    grey = ramp(0, 100, np.uint8)
    assert to_uint8(grey) is grey
    assert (to_uint8(ramp(0, 100)).min(), to_uint8(ramp(0, 100)).max()) == (0, 255)
