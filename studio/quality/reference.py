"""Named local reference sets: where an output stands among others made by the studio's default models.

A set is `assets/reference/NAME.json` with the values of every score over its outputs, and an entry in
`index.toml` with its SHA-256, which is checked when the set is read. `python -m studio.reference NAME`
makes the outputs and builds the set; the texts of `signet-copy-en` are shipped beside it, so that set
can be built again from the repository alone.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio.catalog import Catalog
from studio.errors import BadInput
from studio.quality.base import Sample, Withheld
from studio.settings import Settings
from studio.types import Brief, Kind, Score

SETS: dict[Kind, str] = {
    "text": "signet-copy-en",
    "image": "signet-stickers",
    "speech": "signet-speech-en",
    "music": "signet-tunes",
}
MEDIA = {
    "txt": "text/plain",
    "md": "text/markdown",
    "png": "image/png",
    "jpg": "image/jpeg",
    "wav": "audio/wav",
}
LEAST = 30


@dataclass(frozen=True)
class ReferenceSet:
    """`values` holds, by score name, the sorted values over the set's `n` outputs."""

    name: str
    kind: Kind
    language: str
    what: str
    n: int
    units: dict[str, str]
    values: dict[str, list[float]]

    def label(self, score: str) -> str:
        """The set's name and how many of its outputs had this score."""
        return f"{self.name} (N = {len(self.values.get(score, []))})"

    def percentile(self, score: Score) -> float | None:
        """The share of the set at or below this score, ties counted half, in percent.

        None if too few of the set had this score, or had it in another unit.
        """
        values = self.values.get(score.name, [])
        if len(values) < LEAST or self.units[score.name] != score.unit:
            return None
        below, upto = bisect.bisect_left(values, score.value), bisect.bisect_right(values, score.value)
        return 50.0 * (below + upto) / len(values)


def reference_for(kind: Kind, folder: Path) -> ReferenceSet:
    """The set of this kind. Raises Withheld if it is missing or not the one that the index names."""
    name = SETS.get(kind)
    path = folder / f"{name}.json"
    index = folder / "index.toml"
    try:
        stamps = path.stat().st_mtime_ns, index.stat().st_mtime_ns
    except OSError:
        raise Withheld(f"the reference set for {kind} ({name}) is not here") from None
    return _read(path, index, stamps)


@lru_cache(maxsize=16)
def _read(path: Path, index: Path, stamps: tuple[int, int]) -> ReferenceSet:
    try:
        data = path.read_bytes()
        expected = str(tomllib.loads(index.read_text("utf-8"))[path.stem]["sha256"])
        if hashlib.sha256(data).hexdigest() != expected:
            raise Withheld(
                f"the reference set {path.stem} was altered (its SHA-256 is not the one in index.toml); "
                f"restore it, or build it again with `python -m studio.reference {path.stem}`"
            )
        return ReferenceSet(**json.loads(data))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Withheld(f"the reference set {path.stem} cannot be read ({error})") from error


# --- Building -----------------------------------------------------------------------------------


def build(name: str, records: Iterable[dict[str, Any]], what: str, settings: Settings) -> ReferenceSet:
    """Scores every record, {"prompt", "text" or "path"}, with every metric of the set's kind.

    Raises BadInput for an unknown name or too few records.
    """
    from studio.quality.base import metrics
    from studio.quality.card import score_one, with_models
    from studio.quality.language import language

    kinds: dict[str, Kind] = {n: kind for kind, n in SETS.items()}
    if name not in kinds:
        raise BadInput(f"There is no reference set called {name!r}; choose one of: {', '.join(kinds)}.")
    kind, catalog = kinds[name], Catalog.read(settings)
    chosen = [metric for metric in metrics.values() if kind in metric.kinds]
    values: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    spoken: list[str] = []
    n = 0
    with TemporaryDirectory() as scratch:
        for sample in _samples(kind, records, Path(scratch)):
            n += 1
            sample = with_models(sample, chosen, catalog)
            spoken += [language(sample.text)] if kind == "text" else []
            for metric in chosen:
                try:
                    score = score_one(metric, sample, catalog)
                except Withheld:
                    continue
                if units.setdefault(score.name, score.unit) == score.unit:
                    values.setdefault(score.name, []).append(round(score.value, 5))
    if n < LEAST:
        raise BadInput(f"A reference set needs at least {LEAST} outputs; these are {n}.")
    known = max(spoken, key=spoken.count, default="")
    return ReferenceSet(
        name, kind, known, what, n, units, {key: sorted(v) for key, v in sorted(values.items())}
    )


def _samples(kind: Kind, records: Iterable[dict[str, Any]], scratch: Path) -> Iterator[Sample]:
    for i, record in enumerate(records):
        path = Path(record["path"]) if "path" in record else scratch / f"{i}.txt"
        if "text" in record:
            path.write_text(record["text"], "utf-8")
        media_type = MEDIA.get(path.suffix.lstrip("."), "application/octet-stream")
        facts = {key: float(value) for key, value in record.get("facts", {}).items()}
        yield Sample(path, kind, media_type, Brief(kind, record["prompt"]), facts)


def save(reference: ReferenceSet, folder: Path) -> Path:
    """Writes the set and its line in the index, each to a temporary name first."""
    path, index = folder / f"{reference.name}.json", folder / "index.toml"
    data = json.dumps(reference.__dict__, indent=1, ensure_ascii=False).encode() + b"\n"
    entries = tomllib.loads(index.read_text("utf-8")) if index.exists() else {}
    entries[reference.name] = {
        "kind": reference.kind,
        "what": reference.what,
        "n": reference.n,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    lines = ["# The local reference sets that percentiles are taken from; written by studio.reference."]
    for key, entry in sorted(entries.items()):
        lines += ["", f"[{key}]", *(f"{field} = {json.dumps(value)}" for field, value in entry.items())]
    for target, content in ((path, data), (index, "\n".join(lines).encode() + b"\n")):
        part = target.with_name(target.name + ".part")
        part.write_bytes(content)
        os.replace(part, target)
    return path
