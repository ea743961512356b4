"""The viewer's web server: the page, and a WebSocket for its data.

======================  ==========================================================================
`/`                     the page, with its files beside it
`/live`                 WebSocket, see `LiveSocket`
`/status.json`          classes, last frame, diagnostics and settings
`/clip.mp4?stream=...`  the last ten seconds of the named streams, as far as a page showed them
======================  ==========================================================================
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from difusionseg_ros.viewer_page.clip import make_clip
from difusionseg_ros.viewer_page.node_settings import Answer
from difusionseg_ros.viewer_page.streams import ImageStream, Stream

_STATIC = Path(__file__).with_name("static")
_STATUS_PERIOD = 0.5  # seconds
_PING_INTERVAL = 10.0  # seconds; a browser that does not answer is disconnected
_IN_FLIGHT = 2  # packets of a stream sent before the page has shown the first one
_LONGEST_REQUEST = 10_000  # maximum bytes of a request from the page
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:",
    "X-Content-Type-Options": "nosniff",
}

Status = Callable[[], dict[str, object]]
Change = Callable[[object, object, Answer], None]
"""Sets a parameter by name and answers; see `NodeSettings.set`."""


class ViewerServer:
    """Serves in its own thread from `start` to `stop`.

    `change` is None if the page may not change parameters. Raises OSError if it cannot listen on
    `host` and `port`; port 0 is any free one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        streams: Mapping[str, Stream],
        status: Status,
        change: Change | None = None,
    ) -> None:
        self._sockets = _listening(host, port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.streams = dict(streams)
        self.status = status
        self.change = change
        self.encoders = ThreadPoolExecutor(2, "viewer_encoder")
        self.pages: set[LiveSocket] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="viewer_server", daemon=True)

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        return bool(self.pages)

    def start(self) -> None:
        """Start serving."""
        self._attach(self._loop)
        self._thread.start()

    def stop(self) -> None:
        """Close all pages and release the port."""
        self._attach(None)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.encoders.shutdown(cancel_futures=True)

    def _attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        for stream in self.streams.values():
            for feed in stream.feeds:
                feed.attach(loop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = HTTPServer(_application(self), max_body_size=_LONGEST_REQUEST)
        server.add_sockets(self._sockets)
        reports = asyncio.ensure_future(self._report())
        await self._stop.wait()
        reports.cancel()
        server.stop()
        for page in list(self.pages):
            page.close(1001, "the viewer stops")
        await server.close_all_connections()

    async def _report(self) -> None:
        """Send the status to all pages, periodically."""
        while True:
            if self.pages:
                text = json.dumps({"status": self.status()}, allow_nan=False)
                for page in list(self.pages):
                    page.send_text(text)
            await asyncio.sleep(_STATUS_PERIOD)


class LiveSocket(WebSocketHandler):
    """One open page.

    The page sends JSON objects with one of these keys:

    - `watch`: list of the streams that it shows from now on,
    - `shown`: name of a stream; it has shown a packet of it and is ready for the next,
    - `set`: parameter name, with its `value`.

    It receives binary messages, one per packet (see `Packet.encoded`), and JSON objects: `status`
    (`status()` of the server), or the answer to `set`: the name in `set`, and in `refused` the
    reason for refusing it (empty: accepted).
    """

    def initialize(self, server: ViewerServer) -> None:
        """Receive the server from the application."""
        self._server = server
        self._sending: dict[str, asyncio.Task] = {}
        self._room: dict[str, asyncio.Semaphore] = {}

    def open(self, *_: str, **__: str) -> None:
        """Register the page; it shows no stream yet."""
        self.set_nodelay(True)
        self._server.pages.add(self)

    def on_close(self) -> None:
        """Stop watching."""
        self._server.pages.discard(self)
        self._watch([])

    def on_message(self, message: str | bytes) -> None:
        """Handle a request; close a page that sends an invalid one."""
        try:
            request = json.loads(message)
            if "watch" in request:
                self._watch([name for name in request["watch"] if name in self._server.streams])
            elif "shown" in request:
                room = self._room.get(request["shown"])
                if room is not None:
                    room.release()
            elif "set" in request:
                self._set(request["set"], request.get("value"))
        except (AttributeError, TypeError, ValueError):  # not from our page
            self.close(1008, "not understood")

    def send_text(self, text: str) -> None:
        """Send JSON; ignored if the page has closed."""
        asyncio.ensure_future(self._send(text, binary=False))

    def _watch(self, names: list[str]) -> None:
        for name in set(self._sending) - set(names):
            self._sending.pop(name).cancel()
            self._server.streams[name].stop_watching()
        for name in names:
            if name not in self._sending:
                stream = self._server.streams[name]
                stream.start_watching()
                self._room[name] = asyncio.Semaphore(_IN_FLIGHT)
                self._sending[name] = asyncio.ensure_future(self._send_stream(stream))

    async def _send_stream(self, stream: Stream) -> None:
        """Send the newest packet each time the page is ready for one."""
        number, room = stream.newest, self._room[stream.name]
        while True:
            await room.acquire()
            packet = None
            while packet is None:
                number, packet = await stream.after(number, self._server.encoders)
            await self._send(packet.encoded(), binary=True)

    async def _send(self, message: str | bytes, binary: bool) -> None:
        try:
            await self.write_message(message, binary)
        except WebSocketClosedError:
            self.on_close()

    def _set(self, name: object, value: object) -> None:
        loop = asyncio.get_running_loop()

        def answer(refused: str) -> None:
            text = json.dumps({"set": name, "refused": refused})
            loop.call_soon_threadsafe(self.send_text, text)

        if self._server.change is None:
            answer("this viewer is read-only; start it with -p control:=true to change parameters")
        else:
            self._server.change(name, value, answer)


class _StatusHandler(RequestHandler):
    def initialize(self, server: ViewerServer) -> None:
        self._server = server

    def set_default_headers(self) -> None:
        _set_headers(self)

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(self._server.status(), allow_nan=False))


class _ClipHandler(RequestHandler):
    def initialize(self, server: ViewerServer) -> None:
        self._server = server

    def set_default_headers(self) -> None:
        _set_headers(self)

    async def get(self) -> None:
        clips = {}
        for name in self.get_arguments("stream"):
            stream = self._server.streams.get(name)
            if not isinstance(stream, ImageStream):
                raise HTTPError(404)
            clips[name] = stream.clip()
        loop = asyncio.get_running_loop()
        clip = await loop.run_in_executor(self._server.encoders, make_clip, clips)
        if clip is None:
            self.set_status(204)  # no images were shown
            return
        self.set_header("Content-Type", "video/mp4")
        self.finish(clip)


class _PageHandler(StaticFileHandler):
    def set_default_headers(self) -> None:
        _set_headers(self)


def _application(server: ViewerServer) -> Application:
    given = {"server": server}
    static = {"path": str(_STATIC), "default_filename": "index.html"}
    return Application(
        [
            ("/live", LiveSocket, given),
            ("/status.json", _StatusHandler, given),
            ("/clip.mp4", _ClipHandler, given),
            ("/(.*)", _PageHandler, static),
        ],
        websocket_ping_interval=_PING_INTERVAL,
        websocket_max_message_size=_LONGEST_REQUEST,
        log_function=lambda _: None,  # a log line per request does not help an operator
    )


def _listening(host: str, port: int) -> list[socket.socket]:
    # One address only: a name can have several, and port 0 would give each another port.
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return bind_sockets(port, host, family)


def _set_headers(handler: Any) -> None:
    for name, value in _HEADERS.items():
        handler.set_header(name, value)
