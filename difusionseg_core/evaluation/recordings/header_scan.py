"""The first pass over a recording: the cameras' messages, and the pairs of images.

Only headers are read. The second pass (recorded_frames.py) reads the images of the pairs.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from difusionseg_core.cameras.pairing import NearestStampPairer, Pair, PairingCounts
from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.evaluation.recordings.camera_timing import CameraTiming
from difusionseg_core.evaluation.statistics import Faults
from difusionseg_core.imaging.codec.camera_images import (
    RGB_ENCODINGS,
    THERMAL_ENCODINGS,
    BadImage,
    check,
    check_stamp,
)
from difusionseg_core.recordings.rosbag2 import RecordedMessage, Recording, RecordingError
from difusionseg_core.recordings.topic_choice import Topics

_NONE = -1
_TRUTHS_WAITING = 1_000_000  # only their numbers wait


class PlacedPair(NamedTuple):
    """Images of a pair, as their places (0, 1, ...) among the messages of their topics.

    `truth` is the place of the ground truth, None if there is none. `offset_ns` is the corrected
    thermal stamp minus the RGB stamp, `stamp_ns` the time of the pair.
    """

    rgb: int
    thermal: int
    truth: int | None
    offset_ns: int
    stamp_ns: int


@dataclass
class HeaderScan:
    """Result of the first pass. `seconds` counts messages and "pairs" by second of recording."""

    cameras: dict[str, CameraTiming]
    counts: PairingCounts
    faults: Faults
    apart_ns: int | None
    seconds: dict[int, Counter[str]]
    _pairs: array = field(repr=False)  # three numbers a pair
    _truth_of_rgb: array = field(repr=False)
    _stamp_of_rgb: array = field(repr=False)

    def __len__(self) -> int:
        return len(self._pairs) // 3

    def warnings(self) -> list[str]:
        """Return warnings about the stamps, one line each."""
        return [
            f"{role}: {line}" for role, camera in self.cameras.items() for line in camera.warnings()
        ]

    def pairs(self) -> Iterator[PlacedPair]:
        """Yield all pairs in the order of time, which is also that of the places."""
        numbers = iter(self._pairs)
        for rgb, thermal, offset_ns in zip(numbers, numbers, numbers, strict=True):
            truth = self._truth_of_rgb[rgb]
            truth = None if truth == _NONE else truth
            yield PlacedPair(rgb, thermal, truth, offset_ns, self._stamp_of_rgb[rgb])


def scan_headers(
    recording: Recording, topics: Topics, pairing: PairingOptions, max_bytes: int | None = None
) -> HeaderScan:
    """Read the whole recording once. A ground truth belongs to the RGB image of the nearest stamp.

    A message that the node refuses, such as one of more than `max_bytes`, is counted, reported and
    left out. Raises RecordingError if the recording is damaged, ValueError for impossible pairing
    parameters.
    """
    pairer = pairing.pairer()
    truths = NearestStampPairer(pairing.slop_ns, _TRUTHS_WAITING)
    roles = {topics.rgb: "rgb", topics.thermal: "thermal"}
    if topics.mask is not None:
        roles[topics.mask] = "truth"
    cameras = {role: CameraTiming(pairing.slop_ns) for role in roles.values()}
    encodings = {"rgb": RGB_ENCODINGS, "thermal": THERMAL_ENCODINGS, "truth": None}
    places = dict.fromkeys(cameras, -1)
    pairs, truth_of_rgb, stamp_of_rgb = array("q"), array("q"), array("q")
    seconds: dict[int, Counter[str]] = {}
    faults = Faults()
    begin_ns = None

    def keep_truths(found: list[Pair]) -> None:
        for pair in found:
            truth_of_rgb[pair.rgb] = pair.thermal

    for message in recording.messages(roles):
        role = roles[message.topic]
        begin_ns = message.recorded_ns if begin_ns is None else begin_ns
        second = seconds.setdefault((message.recorded_ns - begin_ns) // 10**9, Counter())
        second[role] += 1
        places[role] += 1
        place = places[role]
        if role == "rgb":
            truth_of_rgb.append(_NONE)
            stamp_of_rgb.append(0)
        try:
            stamp_ns = _checked_stamp(message, role, pairing, encodings[role], max_bytes)
        except (BadImage, RecordingError) as error:
            cameras[role].refused += 1
            faults.add(message.topic, error)
            continue
        cameras[role].add(stamp_ns, message.recorded_ns)
        found: list[Pair] = []
        if role == "rgb":
            stamp_of_rgb[place] = stamp_ns
            found = pairer.add_rgb(stamp_ns, place)
            keep_truths(truths.add_rgb(stamp_ns, place))
        elif role == "thermal":
            found = pairer.add_thermal(stamp_ns, place)
        else:
            keep_truths(truths.add_thermal(stamp_ns, place))
        second["pairs"] += len(found)
        for pair in found:
            pairs.extend((pair.rgb, pair.thermal, pair.offset_ns))
    apart_ns = pairer.newest_apart_ns
    for pair in pairer.flush():
        second["pairs"] += 1
        pairs.extend((pair.rgb, pair.thermal, pair.offset_ns))
    keep_truths(truths.flush())
    return HeaderScan(
        cameras, pairer.counts, faults, apart_ns, seconds, pairs, truth_of_rgb, stamp_of_rgb
    )


def _checked_stamp(
    message: RecordedMessage,
    role: str,
    pairing: PairingOptions,
    encodings: tuple[str, ...] | None,
    max_bytes: int | None,
) -> int:
    """Return the time [ns] of a message that the node accepts; arrival is the recorded time.

    Raises BadImage or RecordingError.
    """
    stamp_ns = message.stamp_ns
    if role == "truth":
        check_stamp(stamp_ns)
    else:
        stamp_ns = pairing.used_stamp(role, stamp_ns, message.recorded_ns)
        try:
            check_stamp(stamp_ns)
        except BadImage as error:
            raise BadImage(f"{error}; or set --{role}-stamps to auto or arrival") from None
    check(message.deserialize(), encodings, max_bytes)
    return stamp_ns
