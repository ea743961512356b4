"""Sample a few pairs of images, evenly spread over a recording or a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import read_rgb, read_rgb_thermal, read_thermal
from difusionseg_core.imaging.codec.camera_images import rgb_array, thermal_pixels
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.recordings.recorded_pairs import recorded_pairs
from difusionseg_core.recordings.rosbag2 import Recording, is_recording

SampledPair = tuple[np.ndarray, np.ndarray]
"""(H, W, 3) uint8 RGB and (h, w) uint8 thermal, not registered."""


def sample_pairs(
    source: Path,
    count: int,
    rgb_topic: str | None = None,
    thermal_topic: str | None = None,
    options: PairingOptions = PairingOptions(),  # noqa: B008 (frozen)
    thermal: ThermalOptions = ThermalOptions(),  # noqa: B008 (frozen)
    notice: Callable[[str], object] = lambda line: None,
) -> list[SampledPair]:
    """Read up to `count` pairs, evenly spread, from a recording or a data-set folder.

    The topics of a recording are those of `Recording.choose_topics`; `options` say
    how they are paired, and `notice` gets a line about each part that is damaged. Each thermal
    image is converted by itself. Raises
    ValueError, in one line, if there is no pair.
    """
    if is_recording(source):
        found = _from_recording(source, count, rgb_topic, thermal_topic, options, notice)
    else:
        found = _from_data_set(source, count, thermal.palette)
    return [(rgb, ThermalConversion(thermal)(pixels)) for rgb, pixels in found]


def _from_data_set(folder: Path, count: int, palette: str) -> Iterator[SampledPair]:
    pairs = open_data_set(folder).pairs
    for pair in pairs[:: -(-len(pairs) // count)]:
        # Not `read_frame`: before registration the two cameras may have different sizes.
        if pair.visible == pair.thermal:
            yield read_rgb_thermal(pair.visible)
        else:
            yield read_rgb(pair.visible), read_thermal(pair.thermal, palette)


def _from_recording(
    path: Path,
    count: int,
    rgb_topic: str | None,
    thermal_topic: str | None,
    options: PairingOptions,
    notice: Callable[[str], object],
) -> Iterator[SampledPair]:
    with Recording(path, notice) as recording:
        topics = recording.choose_topics(rgb=rgb_topic, thermal=thermal_topic)
        every = max(1, recording.count(topics.rgb) // count)
        chosen = list(islice(recorded_pairs(recording, topics, options), 0, None, every))[:count]
    for pair in chosen:
        yield rgb_array(pair.rgb.deserialize()), thermal_pixels(pair.thermal.deserialize())
