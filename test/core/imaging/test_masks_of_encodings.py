"""Masks of real pairs in every encoding, compared with the masks of the plain images."""

import pytest

from difusionseg_core import Predictor
from tools.encoding_agreement import agreements, lossless, lossy, pairs_of

PAIRS = ("msrs_dev/val", "roadscene")  # folders; one pair of each


@pytest.fixture(scope="module")
def predictor():
    return Predictor.from_pretrained("lite", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("folder", PAIRS)
@pytest.mark.parametrize("kind, least", [(lossless, 0.97), (lossy, 0.9)])
def test_masks_agree_over_the_pixels_of_objects(shared, predictor, folder, kind, least):
    rgb, grey = next(iter(pairs_of(shared / "data" / folder, 1)))
    pixels = agreements(predictor, rgb, grey, kind)
    found = {name: equal / objects for name, (equal, objects) in pixels.items()}
    print({name: round(agreement, 4) for name, agreement in found.items()})
    assert min(found.values()) >= least, found
