"""Publishing what the forge trained: its licence computed, its files proved in the engine that will run them.

    publish(settings, Path("runs/blurbs"), Wish("quay-shop", data_licence="Apache-2.0"))

The rooms do not know each other: the forge writes the files, provenance computes the terms from base models
and data, and llama.cpp (engines) must agree with PyTorch before the entry appears in the catalog.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.catalog import Catalog, DataSource, Model
from studio.catalog_file import LICENCE, NAME
from studio.engines.llama_model import LlamaModel, Row
from studio.errors import BadInput, ModelBroken, StorageFull
from studio.forge import publish_lm
from studio.forge.lm_record import Lineage
from studio.forge.publish_lm import Probe, Release, Staged
from studio.provenance.licence import combine, licence_url
from studio.settings import Settings
from studio.types import Commercial, LicenceNote

# Mean KL in nats a token that a file may be away from PyTorch's half-precision weights.
TOLERANCE = {"model-q8_0.gguf": 0.02, "model-q4_1.gguf": 0.25}
SPARE = "model-q4_1.gguf"  # a smaller copy: left out, and the card says so, where four bits lose too much
STRICTER: tuple[Commercial, ...] = ("yes", "unknown", "no")
ROUNDS = 3  # speeds are taken in turn, so that a busy moment does not fall on one file alone
SPEED_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person says at publishing. Licences are SPDX ids or `LicenseRef-…`, never assumed.

    `data_licence` for data that came without one; `base_licence` for a base that is in no catalog; `licence`
    for a model made from nothing but data.
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


def publish(settings: Settings, run: Path, wish: Wish) -> Model:
    """The new catalog entry, usable at once. Raises BadInput for what is not said, ModelBroken if a file
    computes something else than PyTorch."""
    _, lineage = publish_lm.trained_model(run)
    catalog = Catalog.read(settings)
    if not NAME.fullmatch(wish.name) or ".." in wish.name:
        raise BadInput("Name a model with small letters, digits, '.', '_' and '-', at most 64.")
    if wish.name in catalog.names or (settings.checkpoints / wish.name).exists():
        raise BadInput(f"There is a model called {wish.name} already; choose another name.")
    data = _told_data(lineage, wish)
    release = _release(lineage, wish, data, terms(lineage, wish, data, catalog), catalog)
    try:
        staged = publish_lm.stage(run, settings.checkpoints, wish.name)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(
            f"The disk is full: {wish.name} needs about three times the size of its model."
        ) from None
    try:
        measured = measure(staged, run)
        staged = _without_spare(staged, measured)
        folder = publish_lm.appear(staged, release, measured)
    except BaseException:
        publish_lm.discard(staged.folder)
        raise
    try:
        return Catalog.read(settings).verify(wish.name)
    except BaseException:
        publish_lm.discard(folder)  # a broken entry would take the whole catalog with it
        raise


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


def _release(
    lineage: Lineage, wish: Wish, data: tuple[DataSource, ...], note: LicenceNote, catalog: Catalog
) -> Release:
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


# --- What llama.cpp says about the files --------------------------------------------------------


def measure(staged: Staged, run: Path) -> list[dict[str, Any]]:
    """One row a file: size, distance from PyTorch, held-out perplexity, tokens a second. Raises ModelBroken.

    `start.gguf`, which `prune` leaves in its run, is measured along in turn as what it was before.
    """
    before = run / "start.gguf"
    paths = {file: staged.folder / file for file in staged.files}
    paths |= {before.name: before} if before.is_file() and staged.files else {}
    rows = {file: _proved(path, staged) for file, path in paths.items()}
    speeds: dict[str, list[float]] = {file: [] for file in paths}
    for _ in range(ROUNDS):
        for file, path in paths.items():
            speeds[file].append(_speed(path, staged.probes[0].ids[0]))
    return [row | {"tokens/s": float(np.median(speeds[file]))} for file, row in rows.items()]


def _proved(path: Path, staged: Staged) -> dict[str, Any]:
    model = LlamaModel(path)
    try:
        distance, perplexity = _compared(model, staged.probes)
    finally:
        model.close()
    row: dict[str, Any] = {"file": path.name, "MB": path.stat().st_size / 1e6, "KL from PyTorch": "–"}
    if path.name in TOLERANCE:
        if not distance <= TOLERANCE[path.name] and path.name != SPARE:
            raise ModelBroken(
                f"llama.cpp computes something else from {path.name} than PyTorch from the trained weights "
                f"({distance:.3f} nats a token apart); nothing was published."
            )
        row["KL from PyTorch"] = distance
    return row | {"held-out perplexity": perplexity}


def _compared(model: LlamaModel, probes: Sequence[Probe]) -> tuple[float, float]:
    """Mean KL from PyTorch's logits and perplexity, both over the tokens of all probes that count."""
    distance, loss, count = 0.0, 0.0, 0
    for probe in probes:
        told = _logits(model, probe.ids[:-1])[probe.start - 1 :]
        chances, wanted = _log_softmax(told.astype(np.float64)), probe.ids[probe.start :]
        distance += divergence(probe.logits, told) * len(wanted)
        loss -= float(chances[np.arange(len(wanted)), wanted].sum())
        count += len(wanted)
    return distance / count, float(np.exp(loss / count))


def _without_spare(staged: Staged, measured: list[dict[str, Any]]) -> Staged:
    """Take the four-bit file out if it has drifted too far; its row stays, under a name that says so."""
    for row in measured:
        if row["file"] == SPARE and not row["KL from PyTorch"] <= TOLERANCE[SPARE]:
            row["file"] = f"{SPARE}, left out: four bits lose too much"
            (staged.folder / SPARE).unlink()
            return replace(staged, files=tuple(file for file in staged.files if file != SPARE))
    return staged


def divergence(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Mean KL(one ‖ two) in nats a token, of logits (tokens, vocabulary)."""
    p, q = (_log_softmax(logits.astype(np.float64)) for logits in (one, two))
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(-1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def _logits(model: LlamaModel, ids: Sequence[int]) -> NDArray[np.float32]:
    context = model.context(1, max(256, len(ids) + 1), 1)
    try:
        found = []
        for place, token in enumerate(ids):
            context.decode([Row(token, place, 0, True)])
            found.append(context.logits(0).copy())
        return np.stack(found)
    finally:
        context.close()


def _speed(path: Path, token: int) -> float:
    model = LlamaModel(path)
    context = model.context(1, 256, 1)
    try:
        context.decode([Row(token, 0, 0, True)])
        began = time.perf_counter()
        for place in range(1, SPEED_TOKENS + 1):
            context.decode([Row(token, place, 0, True)])
        return SPEED_TOKENS / (time.perf_counter() - began)
    finally:
        context.close()
        model.close()
