"""Find in /diagnostics why a fusion node publishes no output."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

_CAMERAS = ("rgb camera", "thermal camera")


class Complaints:
    """Keeps the latest statuses of one node, the one in `namespace` if several run."""

    def __init__(self, namespace: str = "/") -> None:
        self._statuses: dict[str, DiagnosticStatus] = {}
        self._folder = namespace.strip("/")

    def take(self, message: DiagnosticArray) -> None:
        """Take a message of /diagnostics."""
        for status in message.status:
            node, _, part = status.name.rpartition(": ")
            if node.rpartition("/")[0] == self._folder:
                self._statuses[part] = status

    def refusal(self) -> str:
        """Return the reason in one line if all images of a camera were refused so far, else ""."""
        for camera in _CAMERAS:
            values = self._values(camera)
            received = values.get("received", "0")
            if received != "0" and values.get("bad messages") == received:
                return f"{values['topic']}: every image is refused: {values['last error']}"
        return ""

    def error(self) -> str:
        """Return the reason in one line if a camera sent nothing, or no images pair, else "".

        A camera that stopped does not count: it may be waiting for the node.
        """
        for camera in _CAMERAS:
            if self._values(camera).get("received") == "0":
                return self._statuses[camera].message
        pairing = self._statuses.get("pairing")
        if pairing is not None and "differ by more than slop" in pairing.message:
            return pairing.message
        return self.refusal()

    def _values(self, part: str) -> dict[str, str]:
        status = self._statuses.get(part)
        return {} if status is None else {item.key: item.value for item in status.values}
