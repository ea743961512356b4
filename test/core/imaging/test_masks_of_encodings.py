"""Masks of real pairs in every encoding, compared with the masks of the plain images."""

import cv2
import numpy as np
import pytest

from difusionseg_core import Predictor
from difusionseg_core.imaging.camera_images import rgb_array, thermal_pixels
from difusionseg_core.imaging.thermal_conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal_palettes import palette_colours
from tools.camera_messages import compressed, mosaic, packed_yuv, planar_yuv, raw, rgb_messages

PAIRS = ("msrs_dev", "roadscene")  # folders; one pair of each
JPEG_90 = (cv2.IMWRITE_JPEG_QUALITY, 90)


def lossless(rgb, grey):
    """Pairs of messages by name: the other camera sends its plain image."""
    plain = raw(rgb, "rgb8"), raw(grey, "mono8")
    deep = grey.astype(np.uint16) * 257
    pairs = {name: (message, plain[1]) for name, message in rgb_messages(rgb).items()}
    pairs["rgb png"] = compressed(rgb[..., ::-1], "rgb8; png compressed bgr8"), plain[1]
    for name, message in {
        "thermal rgb8": raw(np.dstack([grey] * 3), "rgb8"),
        "thermal yuyv": raw(np.stack([grey, np.full_like(grey, 128)], axis=-1), "yuyv"),
        "thermal png": compressed(grey, "mono8; png compressed mono8"),
        "thermal inferno": raw(palette_colours("inferno")[grey], "rgb8"),
        "thermal jet": raw(palette_colours("jet")[grey], "rgb8"),
    }.items():
        pairs[name] = plain[0], message
    for name, message in {
        "thermal mono16": raw(deep, "mono16"),
        "thermal 16SC1": raw((deep.astype(np.int32) - 32768).astype(np.int16), "16SC1"),
        "thermal 64FC1": raw(grey.astype(np.float64), "64FC1"),
        "thermal depth": compressed(deep, "16UC1; compressedDepth png", header=bytes(12)),
    }.items():
        pairs[name] = plain[0], message
    return pairs


def lossy(rgb, grey):
    """Return messages of lossy encodings: subsampled chroma, mosaics, JPEG."""
    plain = raw(rgb, "rgb8"), raw(grey, "mono8")
    jet, inferno = palette_colours("jet")[grey], palette_colours("inferno")[grey]
    return {
        "yuyv": (raw(packed_yuv(rgb, True), "yuyv"), plain[1]),
        "nv12": (raw(planar_yuv(rgb, "nv12"), "nv12", height=rgb.shape[0]), plain[1]),
        "bayer": (raw(mosaic(rgb, "rggb"), "bayer_rggb8"), plain[1]),
        "thermal jet jpeg": (
            plain[0],
            compressed(jet[..., ::-1], "rgb8; jpeg compressed bgr8", "jpg", options=JPEG_90),
        ),
        "thermal inferno jpeg": (
            plain[0],
            compressed(inferno[..., ::-1], "rgb8; jpeg compressed bgr8", "jpg", options=JPEG_90),
        ),
        "thermal mono16 jpeg": (
            plain[0],
            compressed(grey, "mono16; jpeg compressed mono8", "jpg", options=JPEG_90),
        ),
    }


@pytest.fixture(scope="module")
def predictor():
    return Predictor.from_pretrained("lite", device="cpu")


def first_pair(folder):
    """RGB and thermal image, with a width and height that every encoding can have."""
    visible = next(p for p in sorted(folder.rglob("*")) if p.parent.name == "vi" and p.is_file())
    thermal = next(visible.parents[1].joinpath("ir").glob(f"{visible.stem}.*"))
    rgb = cv2.cvtColor(cv2.imread(str(visible)), cv2.COLOR_BGR2RGB)
    grey = cv2.imread(str(thermal), cv2.IMREAD_GRAYSCALE)
    height, width = (side // 32 * 32 for side in grey.shape)
    return rgb[:height, :width].copy(), grey[:height, :width].copy()


def grey_of(message):
    """The thermal image of a message as the node converts it, and whether it had 8 bits."""
    pixels = thermal_pixels(message)
    return ThermalConversion(ThermalOptions())(pixels), pixels.dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("folder", PAIRS)
@pytest.mark.parametrize("kind, least", [(lossless, 0.97), (lossy, 0.9)])
def test_masks_agree_over_the_pixels_of_objects(shared, predictor, folder, kind, least):
    rgb, grey = first_pair(shared / "data" / folder)
    deep = raw(grey.astype(np.uint16) * 257, "mono16")
    # Counts of more than 8 bits are scaled by their percentiles, so they have their own reference.
    expected = {
        True: predictor(rgb, grey).labels,
        False: predictor(rgb, grey_of(deep)[0]).labels,
    }
    agreements = {}
    for name, (visible, thermal) in kind(rgb, grey).items():
        image, is_8_bit = grey_of(thermal)
        labels, truth = predictor(rgb_array(visible), image).labels, expected[is_8_bit]
        objects = (labels > 0) | (truth > 0)
        agreements[name] = float((labels == truth)[objects].mean())
    print({name: round(agreement, 4) for name, agreement in agreements.items()})
    assert min(agreements.values()) >= least, agreements
