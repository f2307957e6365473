"""A browser without a screen, driven by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

START_S = 60.0
ANSWER_S = 60.0


def missing() -> str | None:
    """Say what this machine lacks for it."""
    return None if shutil.which("chromium") else "needs chromium"


class Chromium:
    """One page of a browser with a profile of its own."""

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="nova-lite-chromium-"))
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage")
        self._process = subprocess.Popen(
            ["chromium", *options, "--remote-debugging-port=0", f"--user-data-dir={self._profile}",
             "--window-size=900,640", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._ids = itertools.count(1)
        self.asked: list[dict[str, object]] = []  # what it requested from servers, in order
        try:
            self._connection = connect(self._page(), max_size=None, open_timeout=START_S)
        except BaseException:
            self.close()
            raise
        self.call("Network.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # else no element has the keyboard

    def _page(self) -> str:
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError, ValueError, LookupError, StopIteration):
                port = int((self._profile / "DevToolsActivePort").read_text().split()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                    return next(one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page")
            assert time.monotonic() < until, "the browser did not start"
            time.sleep(0.1)

    def call(self, method, **parameters):
        """Have one thing done; give its result."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(ANSWER_S))
            if message.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                self.asked.append(message["params"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def evaluate(self, script):
        """Give the value of an expression of JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def type(self, text):
        """Type on the page's keyboard."""
        for letter in text:
            key = "Enter" if letter == "\n" else letter
            number = 13 if letter == "\n" else ord(letter.upper())
            code = "Enter" if letter == "\n" else _code(letter)
            for way in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=way, key=key, code=code, windowsVirtualKeyCode=number)
            time.sleep(0.05)

    def picture(self) -> bytes:
        """Give a PNG of the window."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End the browser and all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        shutil.rmtree(self._profile, ignore_errors=True)


def _code(letter: str) -> str:
    if letter.isdigit():
        return f"Digit{letter}"
    return {" ": "Space", "-": "Minus"}.get(letter, f"Key{letter.upper()}")


def wait_for_state(browser, state, timeout_s=30.0):
    until = time.monotonic() + timeout_s
    while browser.evaluate("document.body?.dataset.state") != state:
        assert time.monotonic() < until, browser.evaluate("document.body.innerText")
        time.sleep(0.1)
