"""Scores of a whole set of texts: overlap with references, and variety within the set.

BLEU, chrF and TER are sacrebleu's own, ROUGE is rouge-score's own; this module chooses tokenizers by
language, keeps the per-text statistics for intervals, and names what was computed. Each raises Withheld
below its minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from studio.quality.base import Withheld
from studio.quality.batch_items import Item, paired
from studio.quality.bootstrap import interval, mean_interval
from studio.quality.language import language, script, sentences, words
from studio.quality.text_repetition import ngrams
from studio.types import Better, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_PAIRS = 10
LEAST_SELF_BLEU = 10
MAX_SELF_BLEU = 100
DISTINCT_WORDS = 1000
MAX_TER_WORDS = 40
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
References = Sequence[Sequence[str]]


def need(count: int, least: int, what: str) -> None:
    if count < least:
        raise Withheld(f"needs N ≥ {least:,} {what}; this set has {count:,}")


def need_sentences(name: str, texts: Sequence[str]) -> None:
    """Raises Withheld for TER of long texts: it moves phrases about, in time cubic in their length."""
    length = sum(len(words(text)) for text in texts) / max(1, len(texts))
    if name == "TER" and length > MAX_TER_WORDS:
        raise Withheld(
            f"works on sentences, up to {MAX_TER_WORDS} words; these texts have {length:.0f} on average"
        )


def common_language(texts: Sequence[str]) -> str:
    """The language code of the set. Raises Withheld if a tenth of it is of another script."""
    codes = [code for code in map(_family, texts) if code != "unknown"]
    if not codes:
        raise Withheld("the texts have no words")
    main = max(set(codes), key=codes.count)
    if main == "mixed" or codes.count(main) < 0.9 * len(codes):
        raise Withheld(
            "the texts mix languages that need different tokenizers; evaluate each language by itself"
        )
    return main


def _family(text: str) -> str:
    """What decides the tokenizer: "zh", "char" (Japanese, Korean), "en", or another script's 13a."""
    code = language(text)
    if code == "cjk":
        kana = sum(script(c) == "cjk" and not "\u4e00" <= c <= "\u9fff" for c in text)
        return "char" if kana > 0.1 * len(text) else "zh"
    return code if code in {"en", "mixed", "unknown"} else "13a"


class Overlap:
    """One corpus score with the per-text statistics it is computed from."""

    def __init__(self, name: str, candidates: Sequence[str], references: References) -> None:
        import numpy as np

        self.name = name
        family = common_language([*candidates[:2000], *(r[0] for r in references[:2000])])
        streams = [
            [row[k] if k < len(row) else None for row in references] for k in range(max(map(len, references)))
        ]
        self._metric: Any = _metric(name, family)
        # Public scores give no interval; the statistics behind them are summed rows, as below.
        self.stats: Floats = np.asarray(
            self._metric._extract_corpus_statistics(candidates, streams), np.float64
        )
        self.signature = str(self._metric.get_signature())

    def value(self, total: Floats) -> float:
        """The corpus score from summed statistics."""
        return float(self._metric._compute_score_from_stats([float(x) for x in total]).score)

    def score(self) -> Score:
        value = self.value(self.stats.sum(axis=0))
        better: Better = "lower" if self.name == "TER" else "higher"
        domain = f"{len(self.stats):,} texts and references; overlap of words, not quality"
        return Score(
            self.name, value, "0–100" if self.name != "TER" else "% edits", better, domain, "sacrebleu",
            self.signature, interval=interval(self.stats, self.value),
        )  # fmt: skip


def _metric(name: str, family: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name == "BLEU":
        return BLEU(tokenize=family if family in {"zh", "char"} else "13a")
    if name == "chrF":
        return CHRF()
    asian = family in {"zh", "char"}
    return TER(normalized=asian, asian_support=asian)


class CjkTokens:
    """rouge-score's tokenizer seam for scripts without spaces: words by `language.words`."""

    def tokenize(self, text: str) -> list[str]:
        return [word.lower() for word in words(text)]


def rouge(candidates: Sequence[str], references: References) -> tuple[dict[str, list[float]], str]:
    """F1 of each text by ROUGE variant (best reference), 0–100, and what computed it."""
    from rouge_score.rouge_scorer import RougeScorer

    family = common_language([*candidates[:2000], *(r[0] for r in references[:2000])])
    latin = family == "en"
    scorer = RougeScorer(list(ROUGE), use_stemmer=latin, tokenizer=None if latin else CjkTokens())
    found: dict[str, list[float]] = {name: [] for name in ROUGE}
    for text, row in zip(candidates, references, strict=True):
        # ROUGE-Lsum takes a line for a sentence; the other variants do not see the line breaks.
        best = scorer.score_multi(["\n".join(sentences(one)) for one in row], "\n".join(sentences(text)))
        for name in ROUGE:
            found[name].append(100 * best[name].fmeasure)
    return (
        found,
        f"rouge-score 0.1.2, {'Porter stemmer' if latin else 'words and CJK characters, no stemmer'}",
    )


def variety(texts: Sequence[str], n: int) -> float:
    """Different n-grams in the first DISTINCT_WORDS words of the set, in percent."""
    tokens = [word.lower() for text in texts for word in words(text)]
    need(len(tokens), DISTINCT_WORDS, "words, since the share falls with length")
    grams = ngrams(tokens[:DISTINCT_WORDS], n)
    return 100 * len(set(grams)) / len(grams)


def self_bleu(texts: Sequence[str]) -> tuple[float, int]:
    """Mean BLEU of each text against all others, over at most MAX_SELF_BLEU texts; and how many."""
    import numpy as np
    from sacrebleu.metrics import BLEU

    texts = [text for text in texts if words(text)]
    need(len(texts), LEAST_SELF_BLEU, "texts with words")
    if len(texts) > MAX_SELF_BLEU:
        chosen = np.random.default_rng(0).choice(len(texts), MAX_SELF_BLEU, replace=False)
        texts = [texts[i] for i in sorted(chosen)]
    family = common_language(texts)
    bleu = BLEU(effective_order=True, tokenize=family if family in {"zh", "char"} else "13a")
    scores = [bleu.sentence_score(text, [*texts[:i], *texts[i + 1 :]]).score for i, text in enumerate(texts)]
    return float(np.mean(scores)), len(texts)


# --- As steps of an evaluation --------------------------------------------------------------------


def steps(
    items: Sequence[Item], others: Sequence[Item] | None
) -> list[tuple[str, Callable[[], Iterator[Score]]]]:
    """Name and computation of each figure of a set of texts."""
    texts = [item.sample.text for item in items]
    found = [(name, partial(_overlap, name, texts, items, others)) for name in ("BLEU", "chrF", "TER")]
    return [
        *found,
        ("ROUGE", partial(_rouge, texts, items, others)),
        ("distinct", partial(_variety, texts)),
        ("self-BLEU", partial(_self_bleu, texts)),
    ]


def _need_references(items: Sequence[Item], others: Sequence[Item] | None) -> References:
    references = paired(items, others)
    if not references:
        raise Withheld("needs a reference for each candidate")
    need(len(references), LEAST_PAIRS, "pairs of candidate and reference")
    return references


def _overlap(
    name: str, texts: Sequence[str], items: Sequence[Item], others: Sequence[Item] | None
) -> Iterator[Score]:
    references = _need_references(items, others)
    need_sentences(name, texts)
    yield Overlap(name, texts, references).score()


def _rouge(texts: Sequence[str], items: Sequence[Item], others: Sequence[Item] | None) -> Iterator[Score]:
    import numpy as np

    found, made_by = rouge(texts, _need_references(items, others))
    for name, values in found.items():
        label = f"ROUGE-{name.removeprefix('rouge')}"
        domain = f"{len(values):,} texts and references; overlap of words, not quality"
        yield Score(
            label,
            float(np.mean(values)),
            "F1, 0–100",
            "higher",
            domain,
            made_by,
            interval=mean_interval(values),
        )


def _variety(texts: Sequence[str]) -> Iterator[Score]:
    for n in (1, 2):
        domain = f"the first {DISTINCT_WORDS:,} words of the set; comparable at this length only"
        yield Score(f"distinct-{n}", variety(texts, n), "%", "higher", domain)


def _self_bleu(texts: Sequence[str]) -> Iterator[Score]:
    value, n = self_bleu(texts)
    yield Score("self-BLEU", value, "BLEU", "lower", f"each of {n} texts against the others", "sacrebleu")
