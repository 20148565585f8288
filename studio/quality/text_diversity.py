"""How much a text resembles the other candidates of its brief: self-BLEU (Zhu et al. 2018)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.decode import read_text
from studio.quality.language import language, need_words
from studio.types import Kind, Score


@lru_cache(maxsize=64)
def _text(path: Path, stamp: int, media_type: str) -> str:
    return read_text(path, media_type)


def bleu_tokenizer(code: str) -> str:
    """sacrebleu's tokenizer for a language code of `language`."""
    return "zh" if code in {"cjk", "mixed"} else "13a"


@metrics.register
class SelfBleu:
    """BLEU-4 of this candidate with the others as its references."""

    name: ClassVar[str] = "self_bleu"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 8)
        others = [_text(path, path.stat().st_mtime_ns, sample.media_type) for path in sample.others]
        others = [text for text in others if text]
        if not others:
            raise Withheld("needs other candidates of the same brief")
        from sacrebleu.metrics import BLEU

        bleu = BLEU(effective_order=True, tokenize=bleu_tokenizer(language(sample.text)))
        value = bleu.sentence_score(sample.text, others).score
        domain = f"beside {len(others)} other candidate{'s' * (len(others) > 1)} of this brief"
        return Score(self.name, value, "BLEU", "lower", domain, "sacrebleu", str(bleu.get_signature()))
