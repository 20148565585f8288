"""Training data: what is in it, what is wrong with it, how it is split, and under which licence it comes.

    data = read_data(Path("blurbs.jsonl"), "prompt=question,answer=reply")
    data.split(seed=0)["train"]

Read are folders of text, one text file (a paragraph is one example), JSONL, CSV and TSV with mapped columns,
pairs of prompt and answer, and folders of pictures with captions.

The licence of data is never assumed. Who owns the data says it in `NAME.data.toml` beside the file, or in
`data.toml` inside the folder (name, licence, and if there are any url, author); otherwise it is asked for
when a model trained on it is published.
"""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.catalog import DataSource
from studio.errors import BadInput
from studio.forge.data_read import Shape, read_columns, read_items
from studio.forge.data_rows import Example, Problem

LEAST = 4
SHOWN = 12

__all__ = ["Data", "Example", "Problem", "inspect_data", "read_data"]


@dataclass(frozen=True)
class Data:
    """`examples` can be trained on; `problems` are the rows that cannot, in the order of the files."""

    path: Path
    shape: Shape
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...]
    source: DataSource | None

    @cached_property
    def duplicates(self) -> tuple[tuple[str, str], ...]:
        """(where, where the same stood first) of every repeated example; case and spaces count for nothing."""
        first: dict[str, str] = {}
        found = []
        for one in self.examples:
            earlier = first.setdefault(_key(one), one.where)
            if earlier != one.where:
                found.append((one.where, earlier))
        return tuple(found)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all examples: which data a run has seen."""
        total = hashlib.sha256()
        for one in self.examples:
            total.update(f"{one.prompt}\0{one.text}\0".encode())
            if one.picture is not None:
                total.update(one.picture.read_bytes())
        return total.hexdigest()

    def statistics(self) -> dict[str, float]:
        """Counts of rows and lengths in words, for people and for a card."""
        words = [len(one.text.split()) for one in self.examples] or [0]
        empty = sum(problem.empty for problem in self.problems)
        return {
            "examples": len(self.examples),
            "empty_rows": empty,
            "bad_rows": len(self.problems) - empty,
            "duplicates": len(self.duplicates),
            "words": sum(words),
            "words_shortest": min(words),
            "words_median": float(np.median(words)),
            "words_longest": max(words),
        }

    def preview(self, count: int = 5) -> tuple[Example, ...]:
        """The first `count` examples."""
        return self.examples[:count]

    def report(self) -> str:
        """What was found, one thing a line: counts, then every bad row and duplicate with its line number."""
        numbers = self.statistics()
        lines = [", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in numbers.items())]
        lines += [f"{problem.where} {problem.why}" for problem in self.problems]
        lines += [f"{where} repeats {first}" for where, first in self.duplicates]
        return "\n".join(lines)

    def split(self, seed: int, valid: float = 0.1, test: float = 0.1) -> dict[str, NDArray[np.int64]]:
        """Rows of "train", "valid" and "test" by seed. Duplicates stay together, so none is learnt and tested.

        Raises BadInput for fewer than four different examples.
        """
        groups: dict[str, list[int]] = {}
        for row, one in enumerate(self.examples):
            groups.setdefault(_key(one), []).append(row)
        if len(groups) < LEAST:
            held = {0: "no example", 1: "one example"}.get(len(groups), f"{len(groups)} different examples")
            raise BadInput(
                f"{self.path.name} holds {held}; training, validation and test need at least {LEAST}."
            )
        order = sorted(groups.values())
        random.Random(seed).shuffle(order)
        tested = max(1, round(test * len(order)))
        watched = max(1, round(valid * len(order)))
        parts = {
            "test": order[:tested],
            "valid": order[tested : tested + watched],
            "train": order[tested + watched :],
        }
        return {
            name: np.array(sorted(row for group in part for row in group), np.int64)
            for name, part in parts.items()
        }


def inspect_data(path: Path, columns: str = "") -> Data:
    """All that is there, bad rows included; for a preview. Raises BadInput only if nothing can be read."""
    shape, items = read_items(path, read_columns(columns))
    return Data(
        path=path,
        shape=shape,
        examples=tuple(item for item in items if isinstance(item, Example)),
        problems=tuple(item for item in items if isinstance(item, Problem)),
        source=_source(path),
    )


def read_data(path: Path, columns: str = "", *, skip_bad_rows: bool = False) -> Data:
    """Data to train on. Raises BadInput listing the bad rows by line unless they shall be skipped."""
    data = inspect_data(path, columns)
    if data.problems and not skip_bad_rows:
        shown = "; ".join(f"{problem.where} {problem.why}" for problem in data.problems[:SHOWN])
        more = f"; and {len(data.problems) - SHOWN} more" if len(data.problems) > SHOWN else ""
        raise BadInput(
            f"{len(data.problems)} rows of {path.name} cannot be used: {shown}{more}. "
            "Mend them, or set skip_bad_rows to go on without them."
        )
    if not data.examples:
        raise BadInput(f"{path.name} holds no example that can be used.")
    return data


def _key(one: Example) -> str:
    return f"{' '.join(one.prompt.split())}\0{' '.join(one.text.split())}\0{one.picture or ''}".casefold()


def _source(path: Path) -> DataSource | None:
    """What the owner wrote beside the data, if anything. Raises BadInput if it cannot be read."""
    file = path / "data.toml" if path.is_dir() else path.with_name(f"{path.stem}.data.toml")
    if not file.exists():
        return None
    try:
        raw: Mapping[str, object] = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{file.name} cannot be read: {error}.") from None
    name, licence, url = (str(raw.get(key, "")).strip() for key in ("name", "licence", "url"))
    if not licence:
        raise BadInput(f'{file.name} must say the licence of the data, for example licence = "CC-BY-4.0".')
    return DataSource(name or path.stem, licence, url)
