"""Writing MP4 files."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

# H.264 plays everywhere, but only some builds of OpenCV can encode it; MPEG-4 part 2, which all
# can, plays in video players, and not in browsers.
_CODECS = ("avc1", "mp4v")


class VideoWriter:
    """An MP4 file of (H, W, 3) uint8 RGB images, all of the first one's size, at a fixed rate.

    The file is at `path` when the `with` block ends; after an exception, or without images, there
    is none.
    """

    def __init__(self, path: Path | str, frames_per_second: float) -> None:
        self._path = Path(path)
        self._unfinished = self._path.with_name(f".{self._path.stem}.part.mp4")
        self._rate = frames_per_second
        self._writer: cv2.VideoWriter | None = None
        self._size = 0, 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink(missing_ok=True)

    def write(self, image: np.ndarray) -> None:
        """Append an image.

        Raises ValueError for another size than the first one's, and OSError if the file cannot be
        written.
        """
        if self._writer is None:
            # Both sides must be even; one row or column at the edge is not missed.
            self._size = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            self._writer = self._opened()
        width, height = self._size
        if image.shape[0] // 2 * 2 != height or image.shape[1] // 2 * 2 != width:
            raise ValueError(
                f"the video has images of {width}x{height} pixels, but one has "
                f"{image.shape[1]}x{image.shape[0]}"
            )
        self._writer.write(np.ascontiguousarray(image[:height, :width, ::-1]))

    def _opened(self) -> cv2.VideoWriter:
        # FFmpeg and OpenCV would print about each encoder that they do not find.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        logging = getattr(cv2.utils, "logging", cv2)  # cv2 itself before OpenCV 4.6
        before = logging.setLogLevel(0)
        try:
            for codec in _CODECS:
                code = cv2.VideoWriter.fourcc(*codec)
                writer = cv2.VideoWriter(str(self._unfinished), code, self._rate, self._size)
                if writer.isOpened():
                    return writer
        finally:
            logging.setLogLevel(before)
        raise OSError(f"{self._path} cannot be written as a video")
