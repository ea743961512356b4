"""Measure how far masks agree between encodings of one image, by the node's own decoder.

    python -m tools.encoding_agreement MSRS/val --pairs 3

For pairs of a data set, each image is sent as a message of each encoding, and the masks of `lite`
are compared with those of the plain images, over the pixels that are an object in either mask.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core import Predictor
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import read_rgb, read_thermal
from difusionseg_core.imaging.codec.camera_images import rgb_array, thermal_pixels
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal.palettes import palette_colours
from tools.camera_messages import compressed, mosaic, packed_yuv, planar_yuv, raw, rgb_messages

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


def grey_of(message):
    """The thermal image of a message as the node converts it, and whether it had 8 bits."""
    pixels = thermal_pixels(message)
    return ThermalConversion(ThermalOptions())(pixels), pixels.dtype == np.uint8


def agreements(predictor, rgb, grey, kind):
    """Return numbers of pixels by encoding of `kind`, `lossless` or `lossy`: equal, of objects."""
    deep = raw(grey.astype(np.uint16) * 257, "mono16")
    # Counts of more than 8 bits are scaled by their percentiles, so they have their own reference.
    expected = {
        True: predictor(rgb, grey).labels,
        False: predictor(rgb, grey_of(deep)[0]).labels,
    }
    found = {}
    for name, (visible, thermal) in kind(rgb, grey).items():
        image, is_8_bit = grey_of(thermal)
        labels, truth = predictor(rgb_array(visible), image).labels, expected[is_8_bit]
        objects = (labels > 0) | (truth > 0)
        found[name] = int((labels == truth)[objects].sum()), int(objects.sum())
    return found


def pairs_of(folder: Path, count: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield (RGB, grey) images, evenly spread, with a size that every encoding can have."""
    pairs = open_data_set(folder).pairs
    for pair in pairs[:: -(-len(pairs) // count)]:
        rgb, grey = read_rgb(pair.visible), read_thermal(pair.thermal)
        height, width = (side // 32 * 32 for side in grey.shape)
        yield rgb[:height, :width].copy(), grey[:height, :width].copy()


def main() -> None:
    """Print a table: agreement over the objects' pixels of all pairs, and of the worst pair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", help="data sets of registered pairs")
    parser.add_argument("--pairs", type=int, default=3, help="of each folder (default: 3)")
    args = parser.parse_args()
    predictor = Predictor.from_pretrained("lite", device="cpu")
    print("| encoding | | all pairs | worst pair |\n| --- | --- | --- | --- |")
    images = [pair for folder in args.folders for pair in pairs_of(folder, args.pairs)]
    for kind in (lossless, lossy):
        found = [agreements(predictor, rgb, grey, kind) for rgb, grey in images]
        for name in found[0]:
            equal, objects = np.array([one[name] for one in found if one[name][1]]).T
            print(
                f"| {name} | {kind.__name__} | {equal.sum() / objects.sum():.3f} "
                f"| {(equal / objects).min():.3f} |"
            )


if __name__ == "__main__":
    main()
