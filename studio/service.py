"""`Studio`: the one door to everything, for page, command line and later HTTP alike.

A brief goes `submit` → queue → worker (the line of line.py) → library; `watch` tells of it from any
process and at any time, `run` is both in one. Reading needs no worker: library, catalog, verify.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from studio.brands import brand_folders
from studio.catalog import Catalog, Model
from studio.compare import Likeness, compare
from studio.engines.base import engines
from studio.engines.devices import outlook
from studio.engines.tokens import Tokenizers
from studio.errors import Cancelled, StudioError
from studio.feed import Ended
from studio.jobs import Queue
from studio.judging import Judging
from studio.library.export import add_text, safe_name
from studio.library.store import Library
from studio.line import open_line
from studio.provenance.base import Means
from studio.provenance.notice import notice
from studio.provenance.verify import Verifier
from studio.quality.decode import read_written
from studio.requests import resolve
from studio.runner import Runner
from studio.safety.base import guards
from studio.settings import Settings
from studio.taste import Taste
from studio.templates import read_templates
from studio.trainings import Trainings
from studio.types import FINAL, Asset, Brief, Job, Kind, Progress, Report, State
from studio.uploads import Uploads

logger = logging.getLogger(__name__)

LOCAL = "local"  # the owner of everything until there are accounts
LOOK_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """What the header shows: the device models run on (`devices.outlook`), jobs waiting and running, worker processes."""

    device: str
    waiting: int
    running: int
    workers: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """A second making of an asset beside the first, and how alike they are."""

    original: Asset
    again: Asset
    likeness: Likeness


class Studio:
    """All rooms behind one object. Use as a context manager, or `start` and `close`.

    `serve` takes jobs of anybody on this library; without it only the jobs submitted here are run, and
    the worker starts with the first of them.
    """

    def __init__(self, settings: Settings | None = None, *, serve: bool = False) -> None:
        self.settings = settings or Settings.read()
        self.settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.catalog = Catalog.read(self.settings)
        self.templates = read_templates(self.settings.assets / "templates")
        self.library = Library(self.settings)
        self.uploads = Uploads(self.settings)
        self.exports = self.settings.home / "exports"
        self.trainings = Trainings(self.settings)
        self.taste = Taste(self.settings, self.library, self.trainings)
        self.judging = Judging(self.settings, self.library)
        self.verifier = Verifier(
            self.settings, self.library.find, find_marked=self.library.named,
            recognise=self.library.recognise, means=Means(tokenizers=Tokenizers(self.catalog)),
        )  # fmt: skip
        self._guards = [guard(self.settings) for guard in guards.values()]
        self._queue = Queue(self.library.engine, private=not serve, max_waiting=self.settings.max_waiting)
        lanes = {engine.name: engine.concurrency for engine in engines.values()}
        self._runner = Runner(self._queue, self.settings, open_line, lanes)
        self._serve = serve
        self._starting = threading.Lock()
        self._started = False

    def start(self, *, warm: bool = False) -> None:
        """Begin to take jobs from the queue; `warm` starts the worker processes at once as well."""
        with self._starting:
            if not self._started:
                self._started = True
                self.uploads.sweep()
                self._runner.start()
        if warm:
            self._runner.warm()

    def close(self) -> None:
        """Stop the workers. Waiting and half-done jobs stay queued and run at the next start."""
        self.judging.close()
        self._runner.close()
        self.trainings.close()

    def __enter__(self) -> Studio:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- Making ---------------------------------------------------------------------------------

    def submit(self, brief: Brief, owner: str = LOCAL) -> str:
        """Queue a brief and return the job's id. Whatever cannot work is refused here and at once."""
        if brief.seed is None:
            brief = replace(brief, seed=secrets.randbelow(2**31))
        request = resolve(brief, self.catalog, self.templates, brand_folders(self.settings))
        for guard in self._guards:
            guard.check(request.brief)
        for key in brief.inputs:
            if self.uploads.find(key) is None:
                self.library.get(key)
        job = self._queue.enqueue(brief, owner, lane=request.engine.name)
        self._runner.open_feed(job.id)
        self._runner.wake()
        return job.id

    def watch(self, job_id: str, owner: str | None = None) -> Iterator[Progress | Asset]:
        """What happens to a job, from any moment on, until it is over; assets come best first.

        Raises Cancelled, or StudioError with the sentence of a failed job. Works for jobs of other
        studios on this library too: those are looked up now and then.
        """
        job = self._queue.get(job_id, owner)
        feed = self._runner.feed(job_id)
        told = 0
        if feed is not None:
            for event in feed.watch(LOOK_UP_SECONDS):
                if isinstance(event, Ended):
                    _raise_unless_done(event.state, event.error)
                    return
                if event is not None:
                    told += isinstance(event, Asset)
                    yield event
                elif (job := self._queue.get(job_id)).state in FINAL:  # by another studio, or just now
                    self._runner.settle(Ended(job_id, job.state, job.error))
                    break
        while job.state not in FINAL:
            yield Progress(job_id, None, job.state)
            time.sleep(LOOK_UP_SECONDS)
            job = self._queue.get(job_id)
        _raise_unless_done(job.state, job.error)
        yield from self.results(job_id)[told:]

    def run(self, brief: Brief, owner: str = LOCAL) -> Iterator[Progress | Asset]:
        """Submit and watch. Leaving the loop early cancels the job."""
        self.start()
        job_id = self.submit(brief, owner)
        try:
            yield from self.watch(job_id, owner)
        finally:
            self.cancel(job_id, owner)

    def make(self, brief: Brief, owner: str = LOCAL) -> list[Asset]:
        """Submit, wait, and return the assets, best first."""
        return [event for event in self.run(brief, owner) if isinstance(event, Asset)]

    def cancel(self, job_id: str, owner: str | None = None) -> State:
        """Stop a job wherever it stands; a finished one stays as it is. Returns its state."""
        state = self._queue.cancel(job_id, owner)
        if state == "cancelled":
            self._runner.cancel(job_id)
        return state

    def replay(self, asset_id: str, owner: str = LOCAL) -> Replay:
        """Make an asset again from its record and compare the two, sample by sample."""
        original = self.library.get(asset_id)
        brief = replace(original.brief, model=original.model.id, seed=original.model.seed, count=1)
        again = self.make(brief, owner)[0]
        return Replay(original, again, compare(original, again))

    # --- Looking and steering -------------------------------------------------------------------

    def job(self, job_id: str, owner: str | None = None) -> Job:
        return self._queue.get(job_id, owner)

    def jobs(self, owner: str | None = None, limit: int = 50) -> list[Job]:
        """Waiting jobs first, in the order they will run; then the others, newest first."""
        return self._queue.list(owner, limit=limit)

    def unfinished(self) -> int:
        """How many jobs wait or run on this library, of anybody."""
        return self._queue.count("queued", "running")

    def move(self, job_id: str, place: int, owner: str | None = None) -> None:
        self._queue.move(job_id, place, owner)

    def results(self, job_id: str) -> list[Asset]:
        """The assets of a job, best first."""
        return list(reversed(self.library.search(job=job_id, limit=self.settings.max_count)))

    def models(self, kind: Kind) -> list[Model]:
        """Catalog entries that an engine here can run, ready ones first; test engines come last."""
        return sorted(
            (model for model in self.catalog.of_kind(kind) if model.engine in set(engines)),
            key=lambda model: (
                model.source["type"] == "builtin",
                not self.catalog.ready(model.name),
                not model.default,
            ),
        )

    def listeners(self) -> list[Model]:
        """Catalog entries that write down what is said."""
        return [model for model in self.catalog.of_kind("listen") if model.engine in set(engines)]

    def status(self) -> Status:
        return Status(
            device=outlook(self.settings.device),
            waiting=self._queue.count("queued"),
            running=self._runner.running(),
            workers=len(self._runner.pids()),
            models=tuple(name for name in self.catalog.names if self.catalog.ready(name)),
        )

    def publish(
        self, run: str, name: str, data_licence: str = "", licence: str = "", *, four_bits: bool = True
    ) -> Model:
        """Make a finished training a model called `name`, at once usable. Raises StudioError."""
        self.trainings.publish(run, name, data_licence, licence, four_bits=four_bits)
        return self.catalog.get(name)

    def worker_pids(self) -> list[int]:
        return self._runner.pids()

    # --- Proving and handing out ----------------------------------------------------------------

    def verify(self, path: Path) -> Report:
        return self.verifier.verify(path)

    def verify_text(self, text: str) -> Report:
        return self.verifier.verify_text(text)

    def export(self, ids: Sequence[str], to: Path, *, with_notice: bool = False) -> list[Path]:
        """Copies of sealed files, byte for byte, under readable names; with the NOTICE file for all of them."""
        paths = self.library.export(list(ids), to)
        if with_notice:
            notes = [self.library.get(one).credential.licence for one in ids]
            names = [path.name for path in paths]
            paths.append(add_text(to, "NOTICE.txt", notice(list(zip(names, notes, strict=True)))))
        return paths

    def notice(self, assets: Sequence[Asset]) -> str:
        """The text of a NOTICE file for these outputs: credits, licences, obligations, sources."""
        return notice([(safe_name(asset), asset.credential.licence) for asset in assets])

    def public_copy(self, asset: Asset) -> Path:
        """A sealed copy in the exports folder, the only one the page may serve from.

        Each stands in a folder of its own with an unguessable name, and is swept away after some days.
        """
        folder = self.exports / asset.credential.produce_id
        there = list(folder.glob("*")) if folder.is_dir() else []
        if there and there[0].stat().st_size == asset.path.stat().st_size:
            return there[0]
        return self.library.export([asset.id], folder)[0]

    def text_of(self, asset: Asset) -> str:
        """A text asset as it was written, without front matter and invisible credential."""
        return read_written(self.library.file(asset.id), asset.media_type)


def _raise_unless_done(state: State, error: str | None) -> None:
    if state == "cancelled":
        raise Cancelled("Stopped.")
    if state == "failed":
        raise StudioError(error or "The job failed.")
