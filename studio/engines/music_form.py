"""The form of a piece: how many bars of what, so that a wished length ends where music ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from studio.nets.tune_tokens import METRES, TICKS

# Sections in order, and what is held against each: A A B A and its extensions are preferred.
_PATTERNS = {
    "A": 0.12, "AA": 0.14, "AB": 0.08, "ABA": 0.06, "AABA": 0.0, "AABB": 0.03, "AABBA": 0.03, "AABACA": 0.01,
    "AABBACA": 0.04, "AABBAABA": 0.02, "AABBACABA": 0.04, "AABBACAABA": 0.04, "AABACAAABACA": 0.04,
    "AABBAACCAABBAA": 0.04, "ABC": 0.1, "AABBCC": 0.04, "AABACABA": 0.0, "AABBCCAABBA": 0.02, "AABACAABACABA": 0.02, "AABBCCAABBCCAABA": 0.02,
}  # fmt: skip
_PATTERNS |= {"AABBCC" * turns + "AABA": 0.04 for turns in range(3, 7)}  # fast and three minutes long
_STRETCH = 0.1  # a tempo may be this much faster or slower than wished, so that the length is right
_STRETCH_SHORT = 0.6  # a sonic logo rather hurries than lasts twice as long
TAIL = 0.4  # seconds that a last chord is heard after its bar


@dataclass(frozen=True, slots=True)
class Form:
    """`pattern` names sections; `lengths` are the bars of "A", "B", …; `bpm` are quarters a minute.

    `cut` > 0 keeps only the last bars of a single section. `intro` and `ending` are bars before and after;
    a loop has neither.
    """

    pattern: str
    lengths: tuple[int, ...]
    intro: int
    ending: int
    bpm: float
    cut: int = 0

    @property
    def letters(self) -> str:
        return "".join(sorted(set(self.pattern)))

    @property
    def bars(self) -> int:
        sections = self.cut or sum(self.lengths[self.letters.index(letter)] for letter in self.pattern)
        return self.intro + sections + self.ending


def plan_form(
    seconds: float, metre: str, bpm: float, loop: bool, lengths: tuple[int, ...] | None = None
) -> Form:
    """The form whose length comes nearest to `seconds` at about `bpm`.

    `lengths` are given when the sections are there already; else sections of four or eight bars are planned.
    """
    bar = METRES[metre] / TICKS * 60 / bpm
    wanted = max(seconds - (0 if loop else TAIL), 0.5) / bar
    best = min(_forms(bpm, loop, wanted, lengths), key=lambda form: _cost(form, wanted))
    most = _STRETCH_SHORT if best.cut else _STRETCH
    change = min(max(best.bars / wanted, 1 - _STRETCH), 1 + most)
    return replace(best, bpm=bpm * change)


def _forms(bpm: float, loop: bool, wanted: float, lengths: tuple[int, ...] | None) -> list[Form]:
    edges = [(0, 0)] if loop else [(0, 1), (1, 1), (2, 1), (2, 2), (4, 1), (4, 2)]
    forms = [
        Form(pattern, tuple(chosen), intro, ending, bpm)
        for pattern in _PATTERNS
        for chosen in (
            [lengths] if lengths else [[bars] * len(set(pattern)) for bars in ((4, 6, 8) if loop else (4, 8))]
        )
        for intro, ending in edges
        if len(chosen) == len(set(pattern))
    ]
    if wanted < 5.5 and lengths is None:
        forms += [Form("A", (4,), 0, 0 if loop else 1, bpm, cut) for cut in (1, 2, 3)]
    return forms


def _cost(form: Form, wanted: float) -> float:
    off = abs(math.log(form.bars / wanted))
    # Within what the tempo can make up for, a better form is worth more than a better fit.
    missed = 0.15 * off if off < _STRETCH * 0.9 else off
    edges = (
        0.02 * (form.intro == 0) + 0.01 * (form.ending == 1) + 0.03 * (form.intro > min(form.lengths) // 2)
    )
    short_sections = 0.03 * (min(form.lengths) == 4) * (wanted > 36)
    return missed + _PATTERNS[form.pattern] * (form.cut == 0) + edges + short_sections
