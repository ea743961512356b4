"""A message filter that leads a camera's images past the pairing while there is none to pair."""

from __future__ import annotations

from collections.abc import Callable

from message_filters import SimpleFilter
from sensor_msgs.msg import CompressedImage, Image


class Bypass(SimpleFilter):
    """Emits what `images` emits, but while `alone()` holds, hands it to `take` instead."""

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
