"""A message filter that passes images of one camera without pairing while the other is missing."""

from __future__ import annotations

from collections.abc import Callable

from message_filters import SimpleFilter
from sensor_msgs.msg import CompressedImage, Image


class SingleCameraFilter(SimpleFilter):
    """Emits the messages of `images`, or passes them to `take` while `alone()` is true."""

    def __init__(
        self,
        images: SimpleFilter,
        alone: Callable[[], bool],
        take: Callable[[Image | CompressedImage], None],
    ) -> None:
        super().__init__()
        self._alone = alone
        self._take = take
        images.registerCallback(self._arrived)

    def _arrived(self, message: Image | CompressedImage) -> None:
        if self._alone():
            self._take(message)
        else:
            self.signalMessage(message)
