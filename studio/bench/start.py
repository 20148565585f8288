"""How soon the page answers, and how much memory the studio takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from studio.bench.base import RUNS, Figure, Place, bench
from studio.settings import ROOT, Settings
from studio.types import Brief

MEGABYTE = 2**20


@contextmanager
def page(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`python app.py` on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--home", str(home), "--device", "cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(address: str, process: subprocess.Popen[bytes], patience: float = 60.0) -> None:
    """Until the page answers with its HTML."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if b"gradio" in answer.read(4096).lower():
                    return
        except OSError:
            pass
        if process.poll() is not None:
            raise RuntimeError(f"the studio ended with status {process.returncode}")
        time.sleep(0.02)
    raise TimeoutError("the page did not answer")


@bench("start")
def start(place: Place) -> list[Figure]:
    """Seconds from the command to a page that answers; whether the web process has loaded torch."""
    times, torch_loaded = [], False
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        with page(place.folder) as (process, address):
            wait_for(address, process)
            times.append(time.perf_counter() - began)
            torch_loaded |= any("libtorch" in one.path for one in psutil.Process(process.pid).memory_maps())
    figure = median(times[1:])
    note = "torch in the web process" if torch_loaded else "no torch in the web process"
    return [Figure("start", figure, "s", RUNS, "≤ 5, no torch", figure <= 5 and not torch_loaded, note=note)]


@bench("memory")
def memory(place: Place) -> list[Figure]:
    """Peak memory of web process and worker while every default model is used in turn."""
    from studio.service import Studio

    with page(place.folder) as (process, address):
        wait_for(address, process)
        for path in ("/", "/config", "/"):
            urllib.request.urlopen(address + path, timeout=10).read()
        web = peak(process.pid)
    with Studio(Settings.read(os.environ, home=place.folder / "worker", device="cpu")) as studio:
        for brief in default_briefs(studio.catalog):
            studio.make(brief)
        worker = max(peak(pid) for pid in studio.worker_pids())
    return [
        Figure("memory.web", web, "MB", 1, "≤ 250", web <= 250, note="peak resident"),
        Figure(
            "memory.worker",
            worker,
            "MB",
            1,
            "≤ 1500",
            worker <= 1500,
            note="peak resident, default models in turn",
        ),
    ]


def default_briefs(catalog: object) -> list[Brief]:
    """One brief for every kind that has a default model here."""
    from studio.catalog import Catalog

    assert isinstance(catalog, Catalog)
    prompts = {
        "text": "Describe a red bicycle for a shop window.",
        "image": "a red apple",
        "speech": "The museum opens at nine.",
        "music": "a cheerful jig",
    }
    ready = [
        model for model in catalog if model.default and model.kind in prompts and catalog.ready(model.name)
    ]
    return [Brief(kind=model.kind, prompt=prompts[model.kind], seed=1) for model in ready]  # type: ignore[arg-type]


def peak(pid: int) -> float:
    """Peak resident megabytes of a process (Linux: VmHWM; elsewhere what it holds now)."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return psutil.Process(pid).memory_info().rss / MEGABYTE
