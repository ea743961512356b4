"""A headless Chromium, driven by its DevTools protocol: no more of it than the tests need."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from tornado.websocket import websocket_connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 60.0


def find_program():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A browser with one page; `errors` are what the page's scripts failed with."""

    def __init__(self, width=1280, height=800, mobile=False):
        self._profile = tempfile.mkdtemp(prefix="chromium_")
        self._process = subprocess.Popen(
            [
                find_program(),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--remote-debugging-port=0",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.errors = []
        self._socket = self._loop.run_until_complete(self._connect())
        self.command("Page.enable")
        self.command("Runtime.enable")
        self.command("Log.enable")
        self.resize(width, height, mobile)

    def resize(self, width, height, mobile=False):
        """Set the size of the page in CSS pixels, on a desktop or on a touch screen."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        self.command("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def open(self, address):
        """Load a page."""
        self.command("Page.navigate", url=address)

    def run(self, script):
        """The value of a JavaScript expression; awaited if it is a promise."""
        result = self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script, timeout=60.0):
        """Wait until an expression is true."""
        deadline = time.monotonic() + timeout
        while not self.run(script):
            assert time.monotonic() < deadline, f"timed out: {script}; {self.errors}"
            time.sleep(0.1)

    def mouse(self, x, y, *kinds):
        """Move to a place on the page, or press and release there: moved, pressed, released."""
        for kind in kinds:
            pressed = {} if kind == "moved" else {"button": "left", "clickCount": 1}
            self.command(
                "Input.dispatchMouseEvent", type=f"mouse{kind.title()}", x=x, y=y, **pressed
            )

    def touch(self, x, y):
        """Tap on a place."""
        self.command("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def screenshot(self, path, whole=False):
        """Save what is visible, or the whole page, as PNG."""
        data = self.command("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def command(self, method, **parameters):
        """The result of a command of the protocol."""
        return self._loop.run_until_complete(self._command(method, parameters))

    def close(self):
        self._socket.close()
        self._loop.close()
        self._process.terminate()
        self._process.wait(timeout=20)
        shutil.rmtree(self._profile, ignore_errors=True)

    async def _connect(self):
        return await websocket_connect(self._page_address(), max_message_size=200_000_000)

    async def _command(self, method, parameters):
        self._number += 1
        number = self._number
        await self._socket.write_message(
            json.dumps({"id": number, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(await self._socket.read_message())
            self._note_error(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _note_error(self, message):
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(message["params"]["exceptionDetails"])
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.errors.append(entry)

    def _page_address(self):
        file = Path(self._profile, "DevToolsActivePort")
        deadline = time.monotonic() + START_SECONDS
        while not (file.exists() and file.read_text().count("\n")):
            assert time.monotonic() < deadline and self._process.poll() is None
            time.sleep(0.1)
        port = file.read_text().splitlines()[0]
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=START_SECONDS) as answer:
            pages = json.load(answer)
        return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
