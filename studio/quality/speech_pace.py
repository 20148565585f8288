"""How fast a script is spoken."""

from __future__ import annotations

from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import language, words
from studio.quality.sound_level import FRAME_SECONDS, SILENT_DBFS, frame_levels, need_sound
from studio.types import Kind, Score

LEAST_WORDS = 5


@metrics.register
class Pace:
    """Words of the script per minute between the first and the last sound."""

    name: ClassVar[str] = "pace"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_sound(sample, 0.5)
        count = len(words(sample.brief.prompt))
        if count < LEAST_WORDS:
            raise Withheld(f"needs a script of at least {LEAST_WORDS} words; this has {count}")
        code = language(sample.brief.prompt)
        if code == "mixed":
            raise Withheld("the script mixes languages, whose words are not of one length")
        levels = frame_levels(sample.mono, sample.sound.sample_rate)
        heard = np.flatnonzero(levels >= max(np.quantile(levels, 0.95) - 40, SILENT_DBFS))
        minutes = (heard[-1] - heard[0] + 1) * FRAME_SECONDS / 60
        unit = "characters a minute" if code == "cjk" else "words a minute"
        return Score(
            self.name, count / minutes, unit, "neither", "the script as written; adverts run at 140–180 words"
        )
