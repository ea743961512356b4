"""The last seconds of the images shown, as a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import cv2
import numpy as np

from difusionseg_core.imaging.drawing import side_by_side
from difusionseg_core.imaging.video import VideoWriter

_RATE = 10  # frames a second
_TILE_WIDTH = 640  # pixels

Images = Sequence[tuple[float, int, bytes]]
"""(arrival [s], stamp [ns], JPEG), oldest first."""


def make_clip(streams: Mapping[str, Images]) -> bytes | None:
    """Return an MP4 with the images of all streams side by side; None if there are no images.

    At each moment it shows the newest image of each stream, with its name and time.
    """
    streams = {name: images for name, images in streams.items() if images}
    if not streams:
        return None
    begin = max(images[0][0] for images in streams.values())
    end = max(max(images[-1][0] for images in streams.values()), begin)
    moments = np.arange(begin, min(end, monotonic()) + 1 / _RATE, 1 / _RATE)
    with TemporaryDirectory(prefix="difusionseg_clip_") as folder:
        path = Path(folder, "clip.mp4")
        with VideoWriter(path, _RATE) as video:
            for moment in moments:
                shown = {name: _at(images, moment) for name, images in streams.items()}
                titles = [f"{name}  {_clock(stamp_ns)}" for name, (stamp_ns, _) in shown.items()]
                tiles = [_decoded(jpeg) for _, jpeg in shown.values()]
                video.write(side_by_side(tiles, titles, _TILE_WIDTH))
        return path.read_bytes()


def _at(images: Images, moment: float) -> tuple[int, bytes]:
    earlier = [item for item in images if item[0] <= moment]
    _, stamp_ns, jpeg = earlier[-1] if earlier else images[0]
    return stamp_ns, jpeg


def _decoded(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # encoded by the viewer
    return image[..., ::-1]


def _clock(stamp_ns: int) -> str:
    moment = datetime.fromtimestamp(stamp_ns / 1e9, timezone.utc)
    return moment.strftime("%H:%M:%S.%f")[:-5]
