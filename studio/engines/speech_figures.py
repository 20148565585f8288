"""What the study of voices measured (`python -m studio.bench.speech_study`), for whoever chooses a voice.

The figures are read from `assets/studies/speech-results.json`; a voice that the study has not heard has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import mean

from studio.settings import ROOT

RESULT = ROOT / "assets" / "studies" / "speech-results.json"
TARGET_LUFS = -16.0
MOST_WRONG, LEAST_DNSMOS, LUFS_WITHIN = 0.05, 3.2, 0.5

FIGURES = "Measured: words that a recogniser misheard (5 % at most wanted), and DNSMOS, how clean it sounds (3.2 to 5 wanted)"


@dataclass
class Row:
    """One voice. `wrong` counts the slips of `words` (Japanese: of sounds); `dnsmos` and `lufs` go by sentence."""

    voice: str
    sentences: int = 0
    words: int = 0
    wrong: int = 0
    clipped: int = 0
    dnsmos: list[float] = field(default_factory=list)
    lufs: list[float] = field(default_factory=list)
    slips: list[str] = field(default_factory=list)

    @property
    def wer(self) -> float:
        return self.wrong / max(1, self.words)

    @property
    def lufs_off(self) -> float:
        return max(abs(one - TARGET_LUFS) for one in self.lufs)

    @property
    def reached(self) -> bool:
        good = self.wer <= MOST_WRONG and mean(self.dnsmos) >= LEAST_DNSMOS
        return good and self.lufs_off <= LUFS_WITHIN and not self.clipped


def read(path: Path) -> list[Row]:
    """The rows of an earlier study; none if there is no file."""
    return [Row(**one) for one in json.loads(path.read_text("utf-8"))] if path.exists() else []


def best_first(voices: Iterable[str]) -> tuple[str, ...]:
    """Those that reached every figure, then the others, by DNSMOS; what was not measured comes last."""

    def rank(voice: str) -> tuple[bool, float]:
        row = _measured().get(voice)
        return (not row.reached, -mean(row.dnsmos)) if row else (True, 0.0)

    return tuple(sorted(voices, key=rank))


def told(voices: Mapping[str, str]) -> dict[str, str]:
    """A label with its figures for each voice, given what kind of voice it is."""
    return {voice: f"{voice}, {kind}: {_figures(_measured().get(voice))}" for voice, kind in voices.items()}


def _figures(row: Row | None) -> str:
    if row is None:
        return "not measured"
    said = ", recommended" if row.reached else ""
    return f"{100 * row.wer:.1f} % misheard, {mean(row.dnsmos):.2f} clean{said}"


@cache
def _measured() -> dict[str, Row]:
    return {row.voice: row for row in read(RESULT)}
