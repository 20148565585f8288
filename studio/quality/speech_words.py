"""Intelligibility: the words a recogniser (Whisper-base) hears, against the script.

Word error rate = (substituted + left out + put in) / words of the script, after both were brought to
one spelling: lower case, no punctuation, whole numbers as words. The recogniser's own errors (names,
brands) are the floor, so a slip is a place to listen to, not a proven fault. English.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import need_english
from studio.quality.sound_level import need_sound
from studio.quality.speech_dnsmos import at_16k
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LISTENER = "whisper-base"
MAX_SECONDS = 600
SHOWN = 10
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"


def spoken(number: int) -> str:
    """A whole number under a million in English words, without "and"."""
    if number < 20:
        return _ONES.split()[number]
    if number < 100:
        return " ".join([_TENS.split()[number // 10], *([spoken(number % 10)] if number % 10 else [])])
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    return " ".join([spoken(number // size), name, *([spoken(number % size)] if number % size else [])])


def one_spelling(text: str) -> str:
    """Lower case, no punctuation, numbers as words: what both sides are brought to."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.lower().replace("’", "'"))
    text = text.replace("%", " percent ").replace("&", " and ").replace("$", " dollars ")
    text = re.sub(r"\d{1,6}(?!\d)", lambda hit: f" {spoken(int(hit.group()))} ", text)
    return " ".join(re.sub(r"[^\w' ]|_", " ", text).split())


def hear(mono: NDArray[np.float32], folder: Path, language: str = "en") -> str:
    """What Whisper-base hears in `mono` (16 kHz), in that language."""
    segments, _ = _listener(folder).transcribe(
        mono, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False
    )
    return " ".join(segment.text.strip() for segment in segments)


@lru_cache(maxsize=1)
def _listener(folder: Path) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def compare(script: str, heard: str) -> tuple[float, list[str]]:
    """The word error rate, and the slips by word ("lantern → lander", "left out: soft")."""
    import jiwer

    said, got = one_spelling(script), one_spelling(heard)
    result = jiwer.process_words(said, got)
    slips = []
    for part in result.alignments[0]:
        wanted = " ".join(said.split()[part.ref_start_idx : part.ref_end_idx])
        found = " ".join(got.split()[part.hyp_start_idx : part.hyp_end_idx])
        if part.type == "substitute":
            slips.append(f"{wanted} → {found}")
        elif part.type != "equal":
            slips.append(f"left out: {wanted}" if part.type == "delete" else f"put in: {found}")
    return float(result.wer), slips


@metrics.register
class Intelligibility:
    name: ClassVar[str] = "intelligibility"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech",)
    needs: ClassVar[tuple[str, ...]] = (LISTENER,)
    costly = True

    def score(self, sample: Sample) -> Score:
        need_sound(sample, 0.5)
        if not one_spelling(sample.brief.prompt):
            raise Withheld("the script has no words")
        need_english(sample.brief.prompt)
        if len(sample.mono) > MAX_SECONDS * sample.sound.sample_rate:
            raise Withheld(f"listens to at most {MAX_SECONDS // 60} minutes")
        wrong, slips = compare(sample.brief.prompt, hear(at_16k(sample), sample.models[LISTENER]))
        detail = "; ".join(slips[:SHOWN]) + (f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else "")
        domain = "English scripts; the recogniser's own errors on names are the floor"
        return Score(
            self.name, 100 * wrong, "% word errors", "lower", domain, LISTENER, "int8, greedy", detail=detail
        )
