"""What an evaluation looks at: a folder, a file of texts, or a set out of the library.

    library:teapot model=smollm2-135m since=2026-03-01 until=2026-03-31 favourite=yes

Words and filters are those of the library's search, all of them optional. A library set is laid out as a
folder of links, each beside its prompt and what its engine told, named after the question asked: so two sets that answer the same
briefs line up by name, and their comparison is paired.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from studio.errors import BadInput
from studio.library.store import Library
from studio.library.votes import question_of
from studio.quality.engine_facts import remembered
from studio.types import Kind

PREFIX = "library:"
FILTERS = ("model", "since", "until", "favourite")
MOST = 10_000
YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class LibrarySet:
    """Assets of one kind that the search finds; the newest MOST of them."""

    words: str = ""
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    favourite: bool | None = None

    @classmethod
    def read(cls, text: str) -> LibrarySet:
        """From `library:WORDS [model=M] [since=DATE] …`. Raises BadInput for what cannot be read."""
        try:
            parts = shlex.split(text.removeprefix(PREFIX))
        except ValueError:
            raise BadInput(f"A quotation mark is left open in {text!r}; close it.") from None
        words, given = [], {}
        for part in parts:
            name, sign, value = part.partition("=")
            if sign and name in FILTERS:
                given[name] = value
            elif sign and re.fullmatch(r"[a-z]+", name):
                raise BadInput(f"A library set has no filter {name!r}; it has: {', '.join(FILTERS)}.")
            else:
                words.append(part)
        liked = given.get("favourite")
        if liked is not None and liked.lower() not in YES:
            raise BadInput(f"favourite= takes yes or no, not {liked!r}.")
        return cls(
            " ".join(words),
            given.get("model") or None,
            _date(given.get("since"), time.min),
            _date(given.get("until"), time.max),
            None if liked is None else YES[liked.lower()],
        )

    def __str__(self) -> str:
        filters = {
            "model": self.model,
            "since": self.since and f"{self.since:%Y-%m-%d}",
            "until": self.until and f"{self.until:%Y-%m-%d}",
            "favourite": None if self.favourite is None else ("yes" if self.favourite else "no"),
        }
        named = [f"{name}={shlex.quote(value)}" for name, value in filters.items() if value]
        return PREFIX + " ".join([*([self.words] if self.words else []), *named])


def lay_out(source: str, kind: Kind, library: Library, scratch: Path) -> Path:
    """Where the set stands: the path itself, or for a library set a folder of links in `scratch`.

    The folder is called what the set is called, since reports name a set so. Raises BadInput if nothing fits.
    """
    if not source.startswith(PREFIX):
        return Path(source).expanduser()
    chosen = LibrarySet.read(source)
    found = library.search(
        chosen.words, kind=kind, model=chosen.model, since=chosen.since, until=chosen.until,
        favourite=chosen.favourite, limit=MOST,
    )  # fmt: skip
    here = [asset for asset in reversed(found) if asset.path.is_file()]
    if not here:
        raise BadInput(f"The library has no {kind} that fits {str(chosen)!r}; loosen the filters.")
    folder = scratch / str(chosen).replace("/", "∕").encode()[:200].decode("utf-8", "ignore")
    folder.mkdir(parents=True, exist_ok=True)
    seen: Counter[str] = Counter()
    for asset in here:
        question = question_of(asset.brief)
        seen[question] += 1
        slug = re.sub(r"[^a-z0-9]+", "-", asset.brief.prompt[:200].lower()).strip("-")[:40].strip("-")
        name = f"{slug or kind}-{question[:8]}-{seen[question]}"
        (folder / f"{name}{asset.path.suffix}").symlink_to(asset.path.resolve())
        (folder / f"{name}.prompt.txt").write_text(asset.brief.prompt, "utf-8", "replace")
        if facts := remembered(asset.scorecard):
            (folder / f"{name}.facts.json").write_text(json.dumps(facts), "utf-8")
    return folder


def gather(paths: Sequence[Path], folder: Path) -> Path:
    """Files that a person dropped, as one set: a single file of lines stays itself, others share a folder.

    Only the last part of a name is used. Raises BadInput if there are none, or if two have one name.
    """
    if not paths:
        raise BadInput("Drop some files first, or choose a set of the library.")
    if len(paths) == 1 and paths[0].suffix.lower() in (*LINES, ".txt"):
        return paths[0]
    if mixed := next((path for path in paths if path.suffix.lower() in LINES), None):
        raise BadInput(f"{mixed.name} is a set by itself; drop it alone.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = folder / path.name
        if target.exists():
            raise BadInput(f"Two of the files are called {path.name}; rename one.")
        try:
            os.link(path, target)
        except OSError:  # another disk
            shutil.copyfile(path, target)
    return folder


def _date(text: str | None, at: time) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), at, UTC)
    except ValueError:
        raise BadInput(f"A date is written like 2026-03-31, not {text!r}.") from None
