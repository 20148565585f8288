"""The tune data: old printed dance tunes and airs from music21's corpus, as tokens, split without leaks.

    python -m studio.forge.tunes /data/tunes

`build` fetches the pinned wheel (it is read, never installed), reads four collections and writes what the
recipe reads with `TuneData`:

    tunes.jsonl    one tune a line: title, collection, group, split, tokens
    sources.json   collections, prints, what is known about their licences; what was left out, and why

Tunes that share a title or a run of 16 intervals (also across collections) are one group, and a group is
never split: about 5 % of tunes are `valid`, 5 % `test`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput, ModelMissing
from studio.nets.tune_abc import Unreadable, read_book, read_tune
from studio.nets.tune_tokens import METRES, SIZE, NotATune, Tune, decode, encode, runs

PACKAGE = "music21==10.5.1"
SHA256 = "dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1"
LONGEST = 512  # tokens of a tune; the few longer ones are left out


@dataclass(frozen=True, slots=True)
class Collection:
    """One folder of the corpus: the print it transcribes and what is said about its use."""

    folder: str
    title: str
    licence: str
    url: str


_NO_GRANT = "old print, out of copyright; the transcription states no licence"
COLLECTIONS = (
    Collection("oneills1850", "O'Neill, Music of Ireland (1903)", _NO_GRANT, "https://www.music21.org/music21docs/about/referenceCorpus.html"),
    Collection("ryansMammoth", "Ryan's Mammoth Collection (1883)", _NO_GRANT, "https://www.music21.org/music21docs/about/referenceCorpus.html"),
    Collection("airdsAirs", "Aird, A Selection of Airs (1782–1803)", _NO_GRANT, "https://www.campin.me.uk/"),
    Collection("miscFolk", "Northumbrian Minstrelsy (1882), American fife tunes", _NO_GRANT, "https://www.campin.me.uk/"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One tune. `group` is the first title of all tunes that count as the same; `split` goes by it."""

    title: str
    collection: str
    group: str
    split: str
    tokens: tuple[int, ...]


class TuneData:
    """A built folder. Raises ModelMissing when it is not there, BadInput when it does not fit the code."""

    def __init__(self, folder: Path) -> None:
        file = folder / "tunes.jsonl"
        if not file.exists():
            raise ModelMissing(f"No tune data in {folder}; build it: python -m studio.forge.tunes {folder}.")
        try:
            rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            self.records = [Record(**row | {"tokens": tuple(row["tokens"])}) for row in rows]
            if any(not 0 <= token < SIZE for record in self.records for token in record.tokens):
                raise ValueError("unknown token")
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"{file} cannot be read ({error}); build it again.") from None

    def of(self, *splits: str) -> list[Record]:
        return [record for record in self.records if record.split in splits]

    def tunes(self, *splits: str) -> Iterator[Tune]:
        return (decode(record.tokens) for record in self.of(*splits))

    def packed(self, split: str, length: int = LONGEST) -> NDArray[np.int16]:
        """int16 (rows, length): whole tunes one after the other, the rest of a row padded with zeros."""
        rows: list[list[int]] = []
        # Longest first into the fullest row that has room wastes 1–2 % of the places.
        for record in sorted(self.of(split), key=lambda one: -len(one.tokens)):
            fitting = [row for row in rows if len(row) + len(record.tokens) <= length]
            if fitting:
                max(fitting, key=len).extend(record.tokens)
            else:
                rows.append(list(record.tokens))
        filled = np.zeros((len(rows), length), np.int16)
        for place, row in enumerate(rows):
            filled[place, : len(row)] = row
        return filled


# --- Building -----------------------------------------------------------------------------------


def fetch(folder: Path) -> Path:
    """The corpus wheel in `folder`, downloaded once and checked."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = next(iter(folder.glob("music21-*.whl")), None)
    if wheel is None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            PACKAGE,
            "-d",
            str(folder),
        ]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise ModelMissing(f"pip could not fetch {PACKAGE}: {error}.") from None
        wheel = next(folder.glob("music21-*.whl"))
    with wheel.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise BadInput(f"{wheel} is not the file that is expected; remove it and build again.")
    return wheel


def read_corpus(wheel: Path, refused: Counter[str]) -> Iterator[tuple[str, str, Tune]]:
    """(collection, title, tune) of all that can be read; `refused` counts the reasons of the others."""
    with zipfile.ZipFile(wheel) as archive:
        for collection in COLLECTIONS:
            prefix = f"music21/corpus/{collection.folder}/"
            for name in sorted(n for n in archive.namelist() if n.startswith(prefix) and n.endswith(".abc")):
                for title, source in read_book(archive.read(name).decode("utf-8", "replace")):
                    try:
                        tune = read_tune(source)
                        _check(tune)
                    except (Unreadable, NotATune) as error:
                        refused[re.sub(r"\d+|'.*'", "…", str(error))] += 1
                        continue
                    yield collection.folder, title, tune


def _check(tune: Tune) -> None:
    """Raises Unreadable for what can be read but is no whole tune, mostly a slip of the transcription."""
    bars = [bar for part in tune.parts for bar in part.bars]
    if len(bars) < 4 or any(len(part.bars) < 2 for part in tune.parts):
        raise Unreadable("a part of one bar, or a tune of less than four")
    if any(
        note.pitch is None and not note.held and note.ticks >= METRES[tune.metre]
        for bar in bars
        for note in bar
    ):
        raise Unreadable("a silent bar")
    tokens = encode(tune)
    decode(tokens)  # notes of a triplet that have unequal lengths are not in the grammar
    if len(tokens) > LONGEST:
        raise Unreadable(f"longer than {LONGEST} tokens")


def groups(titles: Sequence[str], tunes: Sequence[Tune]) -> list[int]:
    """A group number (the first member's place) for each tune: same title or a shared run, transitively."""
    leader = list(range(len(tunes)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    seen: dict[object, int] = {}
    for place, (title, tune) in enumerate(zip(titles, tunes, strict=True)):
        for key in (plain_title(title), *runs(tune)):
            if key in seen:
                a, b = sorted((find(seen[key]), find(place)))
                leader[b] = a
            elif key != "":
                seen[key] = place
    return [find(place) for place in range(len(tunes))]


def plain_title(title: str) -> str:
    """ "Rakes of Mallow, The -- Reel" and "The Rakes of Mallow" are alike; untitled tunes are nobody's."""
    bare = re.sub(r"--.*|\(.*?\)|\b(the|a|an|old)\b|[^a-z ]", " ", title.lower().replace("'", ""))
    words = " ".join(bare.split())
    return "" if words in ("", "untitled", "reel", "jig", "air", "march") else words


def split_of(group: str) -> str:
    """By hash, so that it never moves: 5 % valid, 5 % test."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) % 100
    return "valid" if place < 5 else "test" if place < 10 else "train"


def build(folder: Path) -> list[Record]:
    refused: Counter[str] = Counter()
    found = list(read_corpus(fetch(folder / "packages"), refused))
    unique: dict[tuple[int, ...], tuple[str, str, Tune]] = {}
    for one in found:
        unique.setdefault(tuple(encode(one[2])), one)
    kept = list(unique.values())
    leaders = groups([title for _, title, _ in kept], [tune for *_, tune in kept])
    sizes = Counter(leaders)
    records = []
    for (collection, title, _), tokens, leader in zip(kept, unique, leaders, strict=True):
        group = f"{kept[leader][0]}/{kept[leader][1]}"
        # A large family stays in training: held out it would be half of the held-out set.
        split = "train" if sizes[leader] > 20 else split_of(group)
        records.append(Record(title, collection, group, split, tokens))
    about = {
        "package": PACKAGE,
        "collections": [asdict(one) for one in COLLECTIONS],
        "tunes": dict(Counter(record.collection for record in records)),
        "splits": dict(Counter(record.split for record in records)),
        "exact duplicates left out": len(found) - len(kept),
        "left out": dict(refused.most_common()),
    }
    (folder / "sources.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    # Written last: TuneData takes a folder as complete when the tunes are there.
    lines = "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    (folder / "tunes.jsonl").write_text(lines, "utf-8")
    return records


def known_runs(tunes: Iterable[Tune]) -> NDArray[np.uint32]:
    """Sorted digests of every 16-interval run of `tunes`."""
    return np.array(sorted(set().union(*map(runs, tunes))), np.uint32)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Build the tune training set.")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    made = build(given.folder)
    print(f"{len(made)} tunes in {given.folder}", file=sys.stderr)
