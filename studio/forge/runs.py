"""What is known of a training from its folder alone: what was asked, how it stands, how it compares.

    home/runs/blurbs/run.json      recipe, data, options as given: written once
    home/runs/blurbs/status.json   queued, running, stopped, done or failed, and who keeps it
    home/runs/blurbs/…             what track.py and the loop write: curve, log, progress, states

Nothing here starts or stops anything: that is studio/trainings.py.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.options import options_dict, read_options

RunState = Literal["queued", "running", "stopped", "done", "failed"]
OVER: frozenset[RunState] = frozenset({"stopped", "done", "failed"})

# How a run is watched, not what it computes: these may differ on resume (as the loop's checkpoints see it).
WATCHING = frozenset({"checkpoint_seconds", "log_every"})


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `options` are those that were given; `folder` is where relative paths begin."""

    recipe: str
    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 0
    folder: str = "."
    created_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands. `keeper` is the process that answers for it; `result` the folder it has left."""

    state: RunState = "stopped"
    error: str = ""
    result: str = ""
    keeper: str = ""
    device: str = ""
    since: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Pace:
    """Steps done and to do, seconds a step (None until two are done), and the most memory held."""

    step: int = 0
    total: int = 0
    seconds_per_step: float | None = None
    peak_bytes: int = 0

    @property
    def fraction(self) -> float | None:
        return self.step / self.total if self.total else None

    @property
    def seconds_left(self) -> float | None:
        return None if self.seconds_per_step is None else (self.total - self.step) * self.seconds_per_step


@dataclass(frozen=True, slots=True)
class Run:
    name: str
    folder: Path
    request: Request
    status: Status
    pace: Pace

    @property
    def over(self) -> bool:
        return self.status.state in OVER

    def log(self, lines: int = 40) -> list[str]:
        """The last printed lines."""
        file = self.folder / "log.txt"
        return file.read_text("utf-8", "replace").splitlines()[-lines:] if file.exists() else []

    def pictures(self) -> dict[str, list[Path]]:
        """Sample pictures by name, oldest first."""
        found: dict[str, list[Path]] = {}
        for file in sorted(self.folder.glob("*-" + "[0-9]" * 7 + ".png")):
            found.setdefault(file.stem[:-8], []).append(file)
        return found

    def report(self) -> dict[str, Any]:
        """The numbers that the recipe has measured itself, if it has."""
        return _json(self.folder / "report.json")


def read_run(folder: Path, name: str = "") -> Run | None:
    """The run in a folder, None if there is none that can be read."""
    raw = _json(folder / "run.json")
    try:
        request = Request(**raw)
        status, pace = Status(**_json(folder / "status.json")), Pace(**_json(folder / "progress.json"))
    except TypeError:  # written by another version, or damaged
        return None
    return Run(name or folder.name, folder, request, status, pace)


def write_request(folder: Path, request: Request) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "run.json", asdict(request))


def write_status(folder: Path, status: Status) -> None:
    _write(folder / "status.json", asdict(status))


def full_options(request: Request) -> dict[str, Any]:
    """All options, those left at their default too. Raises NotFound, BadInput."""
    return options_dict(read_options(recipes.lookup(request.recipe).Options, request.options))


def refuse_other(old: Request, new: Request) -> None:
    """Raises BadInput that shows what differs, if the new request is not the old one's continuation."""
    before, after = _asked(old), _asked(new)
    changed = [
        f"{name}: {before.get(name)!r} → {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and name not in WATCHING
    ]
    if changed:
        raise BadInput(
            f"The run cannot be resumed with other options ({'; '.join(changed)}); "
            "use the old ones, or start a new run."
        )


def differences(runs: Sequence[Run]) -> dict[str, tuple[Any, ...]]:
    """What sets runs apart: their values of everything asked that is not the same in all of them."""
    asked = [_asked(run.request) for run in runs]
    names = dict.fromkeys(name for one in asked for name in one)
    rows = {name: tuple(one.get(name) for one in asked) for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def command(request: Request, out: Path | str = "", processes: int = 1) -> str:
    """The command line that this request equals, for several GPUs through accelerate."""
    words = ["train", request.recipe, "--data", request.data]
    words += ["--out", str(out)] if out else []
    for name, value in request.options.items():
        words += ["--set", f"{name}={value}"]
    words += ["--threads", str(request.threads)] if request.threads else []
    begin = ["python"] if processes == 1 else ["accelerate", "launch", "--num_processes", str(processes)]
    return shlex.join([*begin, "-m", "studio", *words])


def restarted(request: Request, options: Mapping[str, Any]) -> Request:
    """The same request with other options given."""
    return replace(request, options=dict(options))


def _asked(request: Request) -> dict[str, Any]:
    return {"recipe": request.recipe, "data": request.data, **full_options(request)}


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, value: Mapping[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1, default=str) + "\n", "utf-8")
    part.replace(file)
