"""Pairs of images from files, videos and recordings, in the order in which they were taken."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.data.file_names import is_image, with_common_names
from difusionseg_core.data.folder import pair_images
from difusionseg_core.data.image_files import DataError, read_rgb, read_thermal
from difusionseg_core.imaging.codec.camera_images import rgb_array, thermal_pixels
from difusionseg_core.recordings.recorded_pairs import RecordedPair, recorded_pairs
from difusionseg_core.recordings.rosbag2 import Recording

_NEUTRAL = 6.0  # largest mean difference of the channels of a grey video
_USUAL_RATE = 10.0  # frames a second, where it is unknown
VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts")

Images = tuple[np.ndarray, np.ndarray]
"""(H, W, 3) uint8 RGB, and (h, w) counts or (h, w, 3) uint8 RGB pseudo-colours."""


@dataclass(frozen=True)
class InputPair:
    """One pair; `name` names its outputs and may have folders.

    `read` raises ValueError if an image is damaged; call it before asking for the next pair.
    `seconds` is the time of a frame of a video or recording [s], None for single images.
    """

    name: str
    read: Callable[[], Images]
    seconds: float | None = None


@dataclass(frozen=True)
class PairSource:
    """Pairs in order; `total` of them, at most; `alone` has a line for each image without partner.

    `rate` is the number of frames a second of a video or recording, None for images.
    """

    pairs: Iterator[InputPair]
    total: int
    alone: tuple[str, ...] = ()
    rate: float | None = None


def open_files(rgb: str, thermal: str, palette: str = "auto") -> PairSource:
    """Open two images, two folders (with subfolders), two patterns ("vi/*.png") or two videos.

    `palette` is that of thermal images in pseudo-colours. Raises DataError.
    """
    if _is_video(rgb) and _is_video(thermal):
        return _open_videos(Path(rgb), Path(thermal))
    if _is_video(rgb) or _is_video(thermal):
        raise DataError("--rgb and --thermal must be two videos, or none of them")
    pairs, alone = _pair_files(rgb, thermal)

    def reader(one: Path, other: Path) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        return lambda: (read_rgb(one), read_thermal(other, palette))

    made = (InputPair(name, reader(one, other)) for name, one, other in pairs)
    return PairSource(made, len(pairs), tuple(alone))


def open_recording(
    path: Path,
    rgb_topic: str | None = None,
    thermal_topic: str | None = None,
    options: PairingOptions = PairingOptions(),  # noqa: B008 (frozen)
    notice: Callable[[str], object] = lambda line: None,
) -> PairSource:
    """Return the pairs of a rosbag2 recording, paired as the node does, named by the RGB stamp [s].

    `notice` gets a line about each part that is missing or damaged. Raises RecordingError; if there
    is no pair, when the first is requested.
    """
    recording = Recording(path, notice)
    topics = recording.choose_topics(rgb=rgb_topic, thermal=thermal_topic)

    def pairs() -> Iterator[InputPair]:
        with recording:
            for pair in recorded_pairs(recording, topics, options):
                yield _recorded(pair)

    return PairSource(pairs(), recording.count(topics.rgb), rate=_USUAL_RATE)


def _recorded(pair: RecordedPair) -> InputPair:
    def read() -> Images:
        return rgb_array(pair.rgb.deserialize()), thermal_pixels(pair.thermal.deserialize())

    seconds, nanoseconds = divmod(pair.stamp_ns, 1_000_000_000)
    return InputPair(f"{seconds}_{nanoseconds:09d}", read, pair.stamp_ns * 1e-9)


def _pair_files(rgb: str, thermal: str) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """Return (name, RGB file, thermal file) by pair, and a line for each unpaired image."""
    if Path(rgb).exists() and Path(thermal).exists() and not (_is_deep(rgb) or _is_deep(thermal)):
        found, alone = pair_images(Path(rgb), Path(thermal))
        return [(pair.name, pair.visible, pair.thermal) for pair in found], alone
    sides = with_common_names({"visible": _found(rgb), "thermal": _found(thermal)}, {})
    visible, warm = sides["visible"], sides["thermal"]
    alone = [f"{visible[name]} has no thermal partner" for name in sorted(visible.keys() - warm)]
    alone += [f"{warm[name]} has no RGB partner" for name in sorted(warm.keys() - visible)]
    names = sorted(visible.keys() & warm.keys())
    if not names:
        raise DataError(f"no image has a partner of the same name; {alone[0]}")
    return [(name, visible[name], warm[name]) for name in names], alone


def _found(given: str) -> dict[str, Path]:
    """Return the images in a folder and all below it, or that match a pattern, by relative name."""
    folder = Path(given)
    if folder.is_dir():
        files = {str(path.relative_to(folder).with_suffix("")): path for path in folder.rglob("*")}
    elif not folder.exists() and not glob.has_magic(given):
        raise DataError(f"there is no file or folder {given}")
    else:
        # Path.glob takes no pattern that begins at the root.
        matches = glob.glob(given, recursive=True)  # noqa: PTH207
        files = {Path(path).stem: Path(path) for path in matches}
    files = {name: path for name, path in sorted(files.items()) if is_image(path)}
    if not files:
        raise DataError(f"there are no images at {given}")
    return files


def _is_deep(given: str) -> bool:
    """Return whether images are in folders below the folder."""
    folder = Path(given)
    return folder.is_dir() and any(
        is_image(path) and path.parent != folder for path in folder.rglob("*")
    )


def _is_video(given: str) -> bool:
    return Path(given).suffix.lower() in VIDEO_ENDINGS


def _open_videos(rgb: Path, thermal: Path) -> PairSource:
    captures = [_opened(path) for path in (rgb, thermal)]
    counts = [int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) for capture in captures]
    rates = [capture.get(cv2.CAP_PROP_FPS) for capture in captures]
    alone = []
    if counts[0] != counts[1]:
        alone.append(f"{rgb} has {counts[0]} images, {thermal} {counts[1]}: the rest of the longer")
    if abs(rates[0] - rates[1]) > 0.01 * max(rates):
        raise DataError(
            f"{rgb} has {rates[0]:g} images a second, {thermal} {rates[1]:g}: images are paired "
            "by their number, so both must have the same rate"
        )

    def pairs() -> Iterator[InputPair]:
        for number in range(min(counts)):
            if not all(capture.grab() for capture in captures):
                return
            yield InputPair(
                f"{number:06d}",
                lambda: (_retrieved(captures[0]), _grey(captures[1])),
                number / (rates[0] or _USUAL_RATE),
            )

    return PairSource(pairs(), min(counts), tuple(alone), rates[0] or None)


def _opened(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(f"{path} cannot be read as a video; it is damaged or of an unknown codec")
    return capture


def _retrieved(capture: cv2.VideoCapture) -> np.ndarray:
    done, image = capture.retrieve()
    if not done:
        raise DataError("an image of the video cannot be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _grey(capture: cv2.VideoCapture) -> np.ndarray:
    # Videos carry grey images as colours; the codec leaves small differences of the channels.
    image = _retrieved(capture)
    spread = image.max(axis=2).astype(int) - image.min(axis=2)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if spread.mean() < _NEUTRAL else image
