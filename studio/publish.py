"""Publishing what the forge trained: its licence computed, its files proved in the engine that will run them.

    publish(settings, Path("runs/blurbs"), Wish("quay-shop", data_licence="Apache-2.0"))

The rooms do not know each other: the forge writes the files, provenance computes the terms from base models
and data, and the engine must agree (proving.py) before the entry stays in the catalog.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studio.catalog import Catalog, DataSource, Model
from studio.catalog_file import LICENCE, NAME
from studio.errors import BadInput, StorageFull
from studio.forge import publish_lm, publish_made
from studio.forge.lm_record import Lineage
from studio.forge.release import Release, appear, discard
from studio.provenance.licence import combine, licence_url
from studio.proving import loads, measure, without_spare
from studio.settings import Settings
from studio.types import Commercial, LicenceNote

STRICTER: tuple[Commercial, ...] = ("yes", "unknown", "no")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person says at publishing. Licences are SPDX ids or `LicenseRef-…`, never assumed.

    `data_licence` for data that came without one; `base_licence` for a base that is in no catalog; `licence`
    for a model made from nothing but data. `four_bits` is the smaller copy of a language model, which takes
    most of the time that publishing takes.
    """

    name: str
    title: str = ""
    summary: str = ""
    data_licence: str = ""
    data_url: str = ""
    base_licence: str = ""
    licence: str = ""
    attribution: str = ""
    languages: tuple[str, ...] = ()
    four_bits: bool = True


def publish(settings: Settings, run: Path, wish: Wish) -> Model:
    """The new catalog entry, usable at once. Raises BadInput for what is not said and for runs whose result is
    no model by itself, ModelBroken if a file does not compute what was trained."""
    catalog = Catalog.read(settings)
    if not NAME.fullmatch(wish.name) or ".." in wish.name:
        raise BadInput("Name a model with small letters, digits, '.', '_' and '-', at most 64.")
    if wish.name in catalog.names or (settings.checkpoints / wish.name).exists():
        raise BadInput(f"There is a model called {wish.name} already; choose another name.")
    language = not publish_made.made_by(run)
    with _room_on_disk(wish.name):
        folder = (_language if language else _other)(settings, run, wish, catalog)
    try:
        model = Catalog.read(settings).verify(wish.name)
        if not language:
            loads(model, settings)
    except BaseException:
        discard(folder)  # a broken entry would take the whole catalog with it
        raise
    return model


def _language(settings: Settings, run: Path, wish: Wish, catalog: Catalog) -> Path:
    _, lineage = publish_lm.trained_model(run)
    release = _release(lineage, wish, catalog)  # what is not said is asked for before the files are made
    staged = publish_lm.stage(run, settings.checkpoints, wish.name, four_bits=wish.four_bits)
    try:
        measured = measure(staged, run)
        staged = without_spare(staged, measured)
        return appear(staged.folder, release, publish_lm.content(staged), lineage, measured)
    except BaseException:
        discard(staged.folder)
        raise


def _other(settings: Settings, run: Path, wish: Wish, catalog: Catalog) -> Path:
    made = publish_made.stage_made(run, settings, wish.name)
    try:
        release = _release(made.lineage, wish, catalog)
        return appear(made.folder, release, made.content, made.lineage, ())
    except BaseException:
        discard(made.folder)
        raise


@contextmanager
def _room_on_disk(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(
            f"The disk is full: {name} needs about three times the size of its model."
        ) from None


def terms(lineage: Lineage, wish: Wish, data: Sequence[DataSource], catalog: Catalog) -> LicenceNote:
    """The licence of the trained weights: the strictest of base models, own licence and what the data allow.

    What a base model was trained on is judged in its own entry. Notes of outputs (provenance.licence) follow
    `base` and name those data again.
    """
    bases = [catalog.get(name) for name in lineage.base]
    uses: list[tuple[str, ...]] = [("base model", one.title, one.licence, one.attribution) for one in bases]
    if lineage.unlisted:
        uses.append(
            ("base model", lineage.unlisted, _said(wish.base_licence, "the base model", "base_licence"))
        )
    if wish.licence or not uses:
        uses.append(("model", wish.title or wish.name, _said(wish.licence, "the model", "licence")))
    note = combine([*uses, *(("training data", one.name, one.licence) for one in data)])
    commercial = max((note.commercial, *(one.commercial for one in bases)), key=STRICTER.index)
    return replace(note, commercial=commercial)


def _told_data(lineage: Lineage, wish: Wish) -> tuple[DataSource, ...]:
    told = []
    for one in lineage.data:
        if not one.licence:
            licence = _said(wish.data_licence, f"the training data {one.name!r}", "data_licence")
            one = replace(one, licence=licence, url=wish.data_url or one.url)
        # Names of files and what stands beside them are anybody's text; the catalog takes single lines.
        told.append(DataSource(_line(one.name) or "unnamed data", _line(one.licence), _line(one.url)))
    return tuple(told)


def _said(licence: str, what: str, option: str) -> str:
    if not licence:
        raise BadInput(
            f"Say under which licence {what} is ({option}): an SPDX id such as Apache-2.0 or CC-BY-4.0, "
            "LicenseRef-own-work for what is your own, LicenseRef-unknown if nobody knows."
        )
    if not LICENCE.fullmatch(licence):
        raise BadInput(
            f"{licence[:80]!r} is not an SPDX licence id or LicenseRef-…; see https://spdx.org/licenses/."
        )
    return licence


def _release(lineage: Lineage, wish: Wish, catalog: Catalog) -> Release:
    data = _told_data(lineage, wish)
    note = terms(lineage, wish, data, catalog)
    bases = [catalog.get(name) for name in lineage.base]
    recipes = ", then ".join(step["recipe"] for step in lineage.steps)
    made = " and ".join(one.title for one in bases) or lineage.unlisted
    summary = f"{f'{made} after ' if made else 'Made by '}{recipes} on {', '.join(one.name for one in data)}."
    credits = [one.attribution for one in bases if one.attribution] + [wish.attribution]
    return Release(
        name=wish.name,
        title=_line(wish.title) or wish.name,
        summary=_line(wish.summary) or _line(summary),
        note=note,
        licence_url=licence_url(note.id) or "https://spdx.org/licenses/",
        data=data,
        attribution=_line("; ".join(filter(None, credits))),
        languages=wish.languages or tuple(dict.fromkeys(one for base in bases for one in base.languages)),
    )


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:600]).split())
