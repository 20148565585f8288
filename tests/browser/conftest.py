"""A studio served as a user serves it, and a real Chromium looking at it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from find_chromium import chromium
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = ROOT / "build" / "screenshots"


@dataclass
class Served:
    """`python app.py` on a port of its own; `restart` kills it hard and opens it again on the same home."""

    home: Path
    port: int
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            sys.executable,
            "app.py",
            "--port",
            str(self.port),
            "--home",
            str(self.home),
            "--device",
            "cpu",
        ]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **self.environ}, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 180  # on a busy machine
        while True:
            try:
                with urllib.request.urlopen(self.address, timeout=30):
                    return
            except OSError:
                assert self.process.poll() is None, "the studio did not start"
                assert time.monotonic() < deadline, "the page did not answer"
                time.sleep(0.1)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def restart(self) -> None:
        self.kill()
        self.start()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    studio = Served(tmp_path_factory.mktemp("served"), free_port(), {"SIGNET_TEST_ENGINES": "true"})
    try:
        studio.start()
        yield studio
    finally:
        studio.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-sync",
        ]
        chrome = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield chrome
        chrome.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A fresh visitor. Errors in the page's own scripts fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    one = context.new_page()
    faults: list[str] = []
    one.on("pageerror", lambda error: faults.append(str(error)))
    open_page(one, served)
    yield one
    context.close()
    assert faults == []


def open_page(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.wait_for_selector("#text-brief textarea")


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Leaves a screenshot of the whole page in build/screenshots."""

    def take(page: Page, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=SHOTS / f"{re.sub(r'[^a-z0-9-]', '-', name.lower())}.png", full_page=True)

    return take
