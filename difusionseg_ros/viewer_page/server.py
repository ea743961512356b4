"""The viewer's HTTP side: a page, pictures as MJPEG streams, and a status as JSON."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).with_name("page.html")
_STALLED = 10.0  # seconds after which a client that takes nothing is given up
_LOOK_PERIOD = 1.0  # seconds between looks whether a client that gets nothing is still there
_BOUNDARY = "picture"


class Stream:
    """The newest picture of a topic, encoded once for all who watch, and only where somebody does.

    `encode` makes a JPEG of what `put` is given, or None of what cannot be shown. It is called by
    the threads of those who watch, one at a time.
    """

    def __init__(self, encode: Callable[[Any], bytes | None]) -> None:
        self._encode = encode
        self._changed = threading.Condition()
        self._newest: Any = None
        self._number = 0  # of the newest
        self._watchers = 0
        self._closed = False
        self._encoding = threading.Lock()
        self._encoded: tuple[int, bytes | None] = 0, None

    @property
    def is_watched(self) -> bool:
        """Whether anybody is connected."""
        return self._watchers > 0

    def put(self, message: Any) -> None:
        """Replace the newest message."""
        with self._changed:
            self._newest = message
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End `jpegs` for everybody."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def jpegs(self, timeout: float) -> Iterator[bytes | None]:
        """Pictures that come from now on, the newest each time; None where none came in time [s].

        Pictures that come while the receiver is busy are left out.
        """
        with self._changed:
            self._watchers += 1
            seen = self._number
        try:
            while not self._closed:
                jpeg = None
                if self._comes_after(seen, timeout):
                    seen, jpeg = self._encode_newest()
                yield jpeg
        finally:
            with self._changed:
                self._watchers -= 1

    def _comes_after(self, seen: int, timeout: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._number > seen or self._closed, timeout)
            return self._number > seen

    def _encode_newest(self) -> tuple[int, bytes | None]:
        with self._encoding:
            with self._changed:
                number, message = self._number, self._newest
            if self._encoded[0] != number:
                self._encoded = number, self._encode(message)
            return self._encoded


class ViewerServer(ThreadingHTTPServer):
    """Serves /, /stream/NAME for each of `streams`, and /status.json, which `status()` returns.

    Raises OSError where it cannot listen on `address`, a host and a port.
    """

    daemon_threads = True  # a stalled client holds nothing up at the end

    def __init__(
        self,
        address: tuple[str, int],
        streams: Mapping[str, Stream],
        status: Callable[[], dict[str, object]],
    ) -> None:
        super().__init__(address, _Handler)
        self.streams = {f"/stream/{name}": stream for name, stream in streams.items()}
        self.status = status
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)

    def start(self) -> None:
        """Serve, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End all streams and give the port back."""
        for stream in self.streams.values():
            stream.close()
        self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        # HTTPServer's asks DNS for the host's name, which takes long where that is out of reach.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that left is none
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    timeout = _STALLED

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._send("text/html; charset=utf-8", _PAGE.read_bytes())
        elif path == "/status.json":
            status = json.dumps(self.server.status(), allow_nan=False)
            self._send("application/json", status.encode())
        elif path in self.server.streams:
            self._send_stream(self.server.streams[path])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, *_: Any) -> None:
        pass  # one line a request is of no use to an operator

    def _send(self, kind: str, content: bytes) -> None:
        self._send_head(kind)
        self.wfile.write(content)

    def _send_head(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def _send_stream(self, stream: Stream) -> None:
        self._send_head(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        boundary = f"--{_BOUNDARY}\r\n".encode()
        self.wfile.write(boundary)
        with contextlib.closing(stream.jpegs(_LOOK_PERIOD)) as jpegs:
            for jpeg in jpegs:
                if jpeg is not None:
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    # The next part's boundary comes with this one: browsers show a part at its end.
                    self.wfile.write(head.encode() + jpeg + b"\r\n" + boundary)
                elif self._has_left():
                    return

    def _has_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
