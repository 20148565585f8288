"""The one line a request follows, as it runs in a worker process.

    brief ─► guard ─► engine ─► draft ─► guard ─► seal ─► score ─► library ─► asset

Nothing else calls the seal, and the library takes only what carries a credential, so an unsealed file
cannot be saved on any path. Scores are taken from the sealed file: they describe what ships.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from studio.brands import brand_folders
from studio.catalog import Catalog
from studio.engines.base import Engine
from studio.engines.devices import pick_device
from studio.engines.tokens import Tokenizers
from studio.errors import Cancelled, Refused
from studio.feed import Drawn
from studio.library.store import Library
from studio.memory import Residents
from studio.options import read_options
from studio.previews import Previews
from studio.provenance.base import Means
from studio.provenance.licence import combine, note_for
from studio.provenance.licence_table import UNKNOWN
from studio.provenance.seal import Sealed, Sealer
from studio.quality.base import Sample
from studio.quality.card import make_scorecard
from studio.quality.rank import rank
from studio.requests import Request, resolve
from studio.safety.base import guards
from studio.settings import Settings
from studio.templates import Template, read_templates
from studio.types import Asset, Brief, Draft, Job, LicenceNote, ModelUse, Progress, Scorecard
from studio.uploads import Uploads

RECENT = 12
"""So many of the last outputs a new one is held against."""

MOST_LISTS = 500


class Line:
    """The rooms of one worker. Opening it is cheap; models load when a job needs them."""

    def __init__(self, settings: Settings, device: str) -> None:
        self.settings = replace(settings, device=device)
        self.catalog = Catalog.read(settings)
        self.templates = read_templates(settings.assets / "templates")
        self.library = Library(settings)
        self.uploads = Uploads(settings)
        self.sealer = Sealer(settings, Means(tokenizers=Tokenizers(self.catalog)))
        self.guards = [guard(settings) for guard in guards.values()]
        self.residents: Residents[Engine] = Residents(settings.memory_budget_mb)
        self._device = pick_device(self.settings)
        self._recent: dict[tuple[str, str], deque[Path]] = {}
        self._listing = threading.Lock()

    def produce(self, job: Job) -> Iterator[Progress | Asset | Drawn]:
        """All that happens to one brief. Assets come best first; an interrupted job may run again."""
        if self.library.made(job.id) == job.brief.count:  # finished just before the studio stopped
            yield from self.library.search(job=job.id, limit=job.brief.count)
            return
        request = resolve(job.brief, self.catalog, self.templates, brand_folders(self.settings))
        brief, model = request.brief, request.model
        parents, paths = self._inputs(brief)
        works = [(one.id, one.credential.licence) for one in parents] + _given(request, len(parents))
        licence = note_for(model, self.catalog.get, works)
        _allow(brief, licence)
        self._check(brief)

        finished: list[tuple[Draft, Sealed]] = []
        try:
            mark = self.sealer.token_mark() if brief.kind == "text" else None
            previews = Previews(self.sealer, brief, model, licence, _ingredients(brief, paths))
            for step in self._draw(
                replace(job, brief=replace(brief, inputs=paths), token_mark=mark), request
            ):
                if not isinstance(step, Draft):
                    yield _on_the_way(previews.sealed(step)) if isinstance(step, Progress) else step
                    continue
                draft = _with_disclaimer(step, request.template)
                self._check(draft)
                yield Progress(job.id, 0.92, "sealing", preview=previews.rest(), candidate=len(finished))
                sealed = self.sealer.seal(
                    draft, brief, licence, model_title=model.title, author=brief.author,
                    parents=_ingredients(brief, paths),
                )  # fmt: skip
                finished.append((draft, sealed))
            if job.cancelled:
                raise Cancelled("Stopped.")
            yield Progress(job.id, 0.95, "scoring")
            yield from self._keep(job, request, finished, tuple(parent.id for parent in parents))
        finally:
            for _, sealed in finished:  # what reached the library has left this place
                sealed.path.unlink(missing_ok=True)

    def _draw(self, job: Job, request: Request) -> Iterator[Progress | Draft | Drawn]:
        """What the engine says; the last draft comes after `Drawn`: the engine is free while it is sealed."""
        drafts, last = 0, None
        for step in self._generate(job, request):
            drafts += isinstance(step, Draft)
            if isinstance(step, Draft) and drafts == job.brief.count:
                last = step
            else:
                yield step
        yield Drawn(job.id)
        if last is not None:
            yield last

    def _generate(self, job: Job, request: Request) -> Iterator[Progress | Draft]:
        model = request.model

        def load() -> Engine:
            self.catalog.prove(model.name)
            engine = request.engine(model, self._device, self.settings)
            engine.load()
            return engine

        if model.name not in self.residents.names():
            yield Progress(job.id, None, "loading", f"Loading {model.title}")
        with self.residents.use(model.name, model.memory_mb, load) as engine:
            yield from engine.generate(job)

    def _cards(
        self, request: Request, finished: Sequence[tuple[Draft, Sealed]], recent: Sequence[Path]
    ) -> list[Scorecard]:
        """One scorecard a sealed file, each beside the other candidates and what was made lately."""
        paths = [sealed.path for _, sealed in finished]
        return [
            make_scorecard(
                Sample(
                    sealed.path,
                    draft.kind,
                    sealed.media_type,
                    # What names an edit is no script that was to be spoken.
                    replace(request.brief, prompt="") if draft.edits else request.brief,
                    {**draft.facts, **sealed.fidelity},
                    others=tuple(path for path in paths if path != sealed.path),
                    recent=tuple(recent),
                    required=request.required,
                    forbidden=request.forbidden,
                ),
                self.catalog,
                self.settings,
            )
            for draft, sealed in finished
        ]

    def _keep(
        self,
        job: Job,
        request: Request,
        finished: Sequence[tuple[Draft, Sealed]],
        parents: tuple[str, ...],
    ) -> Iterator[Asset]:
        recent = self._last_made(job)
        cards = self._cards(request, finished, recent)
        for place in rank(cards, request.brief.kind):
            draft, sealed = finished[place]
            asset = self.library.add(
                sealed.path,
                job=job,
                media_type=sealed.media_type,
                model=ModelUse(
                    draft.model_id, draft.revision, request.engine.name, draft.seed, draft.device, draft.dtype,
                    draft.seconds, draft.settings,
                ),
                scorecard=cards[place],
                credential=sealed.credential,
                parents=parents,
                text=draft.payload if isinstance(draft.payload, str) else "",
            )  # fmt: skip
            recent.append(asset.path)
            yield asset

    def _last_made(self, job: Job) -> deque[Path]:
        """The last outputs of this person and kind since the start; of the last MOST_LISTS such lists."""
        key = job.owner, job.brief.kind
        with self._listing:
            recent = self._recent.pop(key, None)
            self._recent[key] = recent = deque(maxlen=RECENT) if recent is None else recent
            while len(self._recent) > MOST_LISTS:
                del self._recent[next(iter(self._recent))]
        return recent

    def _inputs(self, brief: Brief) -> tuple[list[Asset], tuple[str, ...]]:
        """The library assets among the inputs, and a checked path for every input."""
        assets, paths = [], []
        for key in brief.inputs:
            path = self.uploads.find(key)
            if path is None:
                asset = self.library.get(key)
                assets.append(asset)
                path = asset.path
            paths.append(str(path))
        return assets, tuple(paths)

    def _check(self, thing: Brief | Draft) -> None:
        for guard in self.guards:
            guard.check(thing)


def _on_the_way(step: Progress) -> Progress:
    """Drawing is most of a job, not all of it."""
    return step if step.fraction is None else replace(step, fraction=0.9 * step.fraction)


def _allow(brief: Brief, licence: LicenceNote) -> None:
    """A wish for commercial use is answered before anything is made, not after."""
    if brief.licence_wish == "commercial" and licence.commercial != "yes":
        raise Refused(f"Commercial use was asked for, but: {licence.note} Choose another model or input.")


def _given(request: Request, parents: int) -> list[tuple[str, LicenceNote]]:
    """The licence of uploads, where an engine hands them on so closely that it asks for it (`given_licence`).

    It is the word of who gave them; without one nothing is promised.
    """
    stated = getattr(read_options(request.engine.Options, request.brief.options), "given_licence", None)
    if stated is None or len(request.brief.inputs) == parents:
        return []
    id = {"": UNKNOWN, "own": "LicenseRef-own-work"}.get(stated.strip().lower(), stated.strip())
    return [("given", combine([("input", "given recording", id)]))]


def _ingredients(brief: Brief, paths: tuple[str, ...]) -> list[Path]:
    """What is in the result: of a picture and its mask the picture, since a mask only says where to paint."""
    return [Path(path) for path in (paths[:1] if brief.kind == "image" else paths)]


def _with_disclaimer(draft: Draft, template: Template | None) -> Draft:
    if template is None or not template.disclaimer or draft.kind != "text":
        return draft
    return replace(draft, payload=f"{draft.payload.rstrip()}\n\n{template.disclaimer}")


def open_line(settings: Settings, device: str) -> Callable[[Job], Iterator[Progress | Asset | Drawn]]:
    """What a worker process calls once, on the device it is for."""
    return Line(settings, device).produce
