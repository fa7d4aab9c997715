"""Chromium, driven over the WebDriver protocol, as far as our tests need it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
IS_THERE = bool(CHROMIUM and DRIVER)

# No proxy stands between us and a driver on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """One headless window; nothing that it is told to ask for leaves the machine."""

    def __init__(self, *, language: str = "en-US") -> None:
        self._language = language
        self._session = ""

    def __enter__(self) -> Self:
        self._driver = subprocess.Popen(
            [str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert self._driver.stdout
            for line in self._driver.stdout:
                if "started successfully on port" in line:
                    port = line.rpartition(" ")[2].strip(".\n")
                    self._url = f"http://127.0.0.1:{port}"
                    break
            options = {
                "binary": CHROMIUM,
                "args": [
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--disable-background-networking",
                    "--host-resolver-rules=MAP * ~NOTFOUND",
                    f"--lang={self._language}",
                ],
                "prefs": {"intl.accept_languages": self._language},
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._ask("/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{answer['sessionId']}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._session:
            self._ask(self._session, method="DELETE")
        self._driver.terminate()
        self._driver.wait()
        if self._driver.stdout:
            self._driver.stdout.close()

    def _ask(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        data = None if method == "DELETE" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        with _OPENER.open(request, timeout=120) as response:
            return json.load(response)["value"]

    def tell(self, command: str, **parameters: Any) -> Any:
        """Gives the answer of the DevTools protocol."""
        return self._ask(
            f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters}
        )

    def show(self, path: Path, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self._ask(f"{self._session}/url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        """Gives what a script returns."""
        return self._ask(f"{self._session}/execute/sync", {"script": script, "args": []})

    def log(self) -> list[str]:
        """Gives what the console was told since it was asked last."""
        return [
            entry["message"] for entry in self._ask(f"{self._session}/se/log", {"type": "browser"})
        ]

    def shoot(self, *, whole: bool = False) -> bytes:
        """Gives a picture of the window, or of the whole page."""
        answer = self.tell("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])
