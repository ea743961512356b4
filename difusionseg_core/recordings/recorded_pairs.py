"""The pairs of a recording's messages, paired as the node pairs its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from difusionseg_core.cameras.pairing import NearestStampPairer, Pair
from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.recordings.rosbag2 import RecordedMessage, Recording, RecordingError
from difusionseg_core.recordings.topic_choice import Topics


@dataclass(frozen=True)
class RecordedPair:
    """Two messages of a pair; `stamp_ns` is the time of the RGB image by which it was paired."""

    rgb: RecordedMessage
    thermal: RecordedMessage
    stamp_ns: int


def recorded_pairs(
    recording: Recording, topics: Topics, options: PairingOptions
) -> Iterator[RecordedPair]:
    """Pairs in the order of time; images "arrive" when they were recorded.

    Raises RecordingError, which names the cause and the option, if there is no pair.
    """
    pairer = options.pairer()
    unstamped: Counter[str] = Counter()
    found = 0
    for message in recording.messages([topics.rgb, topics.thermal]):
        role = "rgb" if message.topic == topics.rgb else "thermal"
        stamp_ns = options.used_stamp(role, message.stamp_ns, message.recorded_ns)
        unstamped[role] += stamp_ns == 0
        add = pairer.add_rgb if role == "rgb" else pairer.add_thermal
        for pair in add(stamp_ns, (stamp_ns, message)):
            found += 1
            yield _recorded(pair)
    for pair in pairer.flush():
        found += 1
        yield _recorded(pair)
    if not found:
        raise RecordingError(f"{recording.path} has {_cause(pairer, unstamped, options)}")


def _recorded(pair: Pair) -> RecordedPair:
    stamp_ns, rgb = pair.rgb
    _, thermal = pair.thermal
    return RecordedPair(rgb, thermal, stamp_ns)


def _cause(pairer: NearestStampPairer, unstamped: Counter[str], options: PairingOptions) -> str:
    for role, count in unstamped.items():
        if count:
            return (
                f"no pair of images: {count} {role} {'image has' if count == 1 else 'images have'} "
                f"no stamp; set --{role}-stamps auto"
            )
    apart = pairer.newest_apart_ns
    if apart is None:
        return "no pair of images: a camera sent none"
    return (
        f"no pair of images within {options.slop:g} s (the newest stamps are {apart / 1e9:+.3f} s "
        "apart); set --slop, --thermal-time-offset, or --rgb-stamps and --thermal-stamps to arrival"
    )
