"""Text as people really write it: typos and other words for the same thing, by seed.

Typos follow the four that make up most of what is mistyped (Damerau 1964): a letter swapped with the next,
left out, doubled, or hit beside its key. Synonyms come from assets/training/synonyms.txt, a small table of
our own for product copy; a word that is not in it stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from studio.forge.data_rows import Example
from studio.settings import ROOT

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
WORD = re.compile(r"[A-Za-z]+")

Noise = Callable[[str, random.Random], str]


def with_typos(text: str, rng: random.Random, share: float = 0.15) -> str:
    """`text` with a typo in about `share` of its words of four letters and more."""
    return WORD.sub(lambda found: _mistyped(found[0], rng) if _hit(found[0], rng, share) else found[0], text)


def with_synonyms(text: str, rng: random.Random) -> str:
    """`text` with every word that the table knows replaced by another of its group."""
    groups = synonyms()

    def other(found: re.Match[str]) -> str:
        word = found[0]
        choices = groups.get(word.lower())
        if not choices:
            return word
        chosen = rng.choice(choices)
        return chosen.capitalize() if word[0].isupper() else chosen

    return WORD.sub(other, text)


def noisy(example: Example, noise: Noise, seed: int) -> Example:
    """The example with its prompt spoilt; a text without a prompt is spoilt in its first half.

    What is to be written stays as it was, so that the loss says how much the spoilt words disturb it.
    """
    rng = random.Random(f"{seed}/{example.where}")
    if example.prompt:
        return replace(example, prompt=noise(example.prompt, rng))
    middle = example.text.rfind(" ", 0, len(example.text) // 2 + 1) + 1
    return replace(example, text=noise(example.text[:middle], rng) + example.text[middle:])


@cache
def synonyms() -> Mapping[str, tuple[str, ...]]:
    """Each word of the table with the others of its line."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (ROOT / "assets" / "training" / "synonyms.txt").read_text("utf-8").splitlines():
        group = () if line.startswith("#") else tuple(line.split())
        found |= {word: tuple(one for one in group if one != word) for word in group}
    return found


def _hit(word: str, rng: random.Random, share: float) -> bool:
    return len(word) > 3 and rng.random() < share


def _mistyped(word: str, rng: random.Random) -> str:
    place = rng.randrange(len(word) - 1)
    kind = rng.choice(("swap", "drop", "double", "beside"))
    if kind == "swap":
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == "drop":
        return word[:place] + word[place + 1 :]
    if kind == "double":
        return word[: place + 1] + word[place:]
    return word[:place] + _beside(word[place], rng) + word[place + 1 :]


def _beside(letter: str, rng: random.Random) -> str:
    row = next((row for row in KEYS if letter.lower() in row), letter)
    at = row.find(letter.lower())
    near = [row[i] for i in (at - 1, at + 1) if 0 <= i < len(row)] or [letter]
    return rng.choice(near)
