"""BLEU, chrF, TER and ROUGE are the reference libraries' own, to 1e-6, in English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from quality_material import copy, rng
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER

from studio.quality import batch_text
from studio.quality.base import Withheld
from studio.quality.batch_items import paired, read_items
from studio.quality.batch_text import ROUGE, CjkTokens, Overlap, rouge
from studio.quality.language import sentences, words

CHINESE = "这盏太阳能露营灯非常轻巧，两小时即可充满电，夜晚因此变得温暖明亮，背包里几乎感觉不到它的重量，我们为它提供两年保修"


def english(n: int) -> list[tuple[str, str]]:
    said = [s for record in copy() for s in sentences(record["text"]) if 6 < len(words(s)) < 30][:n]
    return [(damaged(sentence.split(), i, " "), sentence) for i, sentence in enumerate(said)]


def chinese(n: int) -> list[tuple[str, str]]:
    parts = CHINESE.split("，")
    said = ["，".join(rng(i).permutation(parts)[:3]) + "。" for i in range(n)]
    return [(damaged(list(sentence), i, ""), sentence) for i, sentence in enumerate(said)]


def damaged(parts: list[str], seed: int, glue: str) -> str:
    random = rng(seed)
    kept = [part for part in parts if random.random() > 0.2] or parts[:1]
    i = int(random.integers(len(kept)))
    return glue.join(kept[i:] + kept[:i] if seed % 3 == 0 else kept)


PAIRS = {"English": english(250), "Chinese": chinese(250)}


@pytest.mark.parametrize("tongue", PAIRS)
def test_equal_to_sacrebleu(tongue: str) -> None:
    texts, references = zip(*PAIRS[tongue], strict=True)
    asian = tongue == "Chinese"
    expected = {
        "BLEU": BLEU(tokenize="zh" if asian else "13a"),
        "chrF": CHRF(),
        "TER": TER(normalized=asian, asian_support=asian),
    }
    for name, metric in expected.items():
        score = Overlap(name, texts, [(r,) for r in references]).score()
        assert score.value == pytest.approx(metric.corpus_score(texts, [references]).score, abs=1e-6)
        assert score.version == str(metric.get_signature())
        assert score.interval and score.interval[0] <= score.value <= score.interval[1]


@pytest.mark.parametrize("tongue", PAIRS)
def test_equal_to_rouge_score(tongue: str) -> None:
    texts, references = zip(*PAIRS[tongue], strict=True)
    latin = tongue == "English"
    scorer = RougeScorer(list(ROUGE), use_stemmer=latin, tokenizer=None if latin else CjkTokens())
    found, made_by = rouge(texts, [(r,) for r in references])
    assert ("stemmer" in made_by) and (("Porter" in made_by) is latin)
    for i, (text, reference) in enumerate(PAIRS[tongue]):
        expected = scorer.score("\n".join(sentences(reference)), "\n".join(sentences(text)))
        for name in ROUGE:
            assert found[name][i] == pytest.approx(100 * expected[name].fmeasure, abs=1e-6)


def test_chinese_is_not_scored_as_empty() -> None:
    """rouge-score's own tokenizer drops all Chinese; ours must not."""
    found, _ = rouge(["灯很轻"] * 2, [("灯很亮",)] * 2)
    assert found["rouge1"][0] == pytest.approx(100 * 2 / 3)


def test_several_references() -> None:
    texts = ["the cat sat on the mat tonight"] * 12
    references = [("a dog ran far away from here", "the cat sat on the mat tonight")] * 12
    assert Overlap("BLEU", texts, references).score().value == pytest.approx(100)
    assert rouge(texts, references)[0]["rouge1"][0] == 100
    uneven = [*references[:6], *[("the cat sat on the mat tonight",)] * 6]
    assert Overlap("BLEU", texts, uneven).score().value == pytest.approx(100)


def test_mixed_languages_are_withheld() -> None:
    texts = [text for text, _ in PAIRS["English"][:20] + PAIRS["Chinese"][:20]]
    with pytest.raises(Withheld, match="mix languages"):
        Overlap("BLEU", texts, [(t,) for t in texts])


def test_variety_at_a_fixed_length() -> None:
    few, many = [f"word{i % 50}" for i in range(3000)], [f"word{i}" for i in range(3000)]
    assert batch_text.variety([" ".join(few)], 1) == pytest.approx(5.0)
    assert batch_text.variety([" ".join(many)], 1) == batch_text.variety([" ".join(many[:1000])], 1) == 100
    with pytest.raises(Withheld, match="1,000"):
        batch_text.variety(["too short"], 1)


def test_self_bleu_tells_sameness() -> None:
    same, n = batch_text.self_bleu([PAIRS["English"][0][1]] * 12)
    apart, _ = batch_text.self_bleu([reference for _, reference in PAIRS["English"][:12]])
    assert same == pytest.approx(100) and n == 12 and apart < 30
    with pytest.raises(Withheld, match="N ≥ 10"):
        batch_text.self_bleu(["one text"])


# --- Reading both sides ---------------------------------------------------------------------------


def lines(folder: Path, name: str, rows: list[str]) -> Path:
    path = folder / name
    path.write_text("\n".join(rows), "utf-8")
    return path


def test_lines_and_records(tmp_path: Path) -> None:
    plain = read_items("text", lines(tmp_path, "a.txt", ["one", "", "three"]))
    assert [item.sample.text for item in plain] == ["one", "", "three"]
    rows = [
        json.dumps({"text": "one", "prompt": "p", "references": ["a", "b"]}),
        "",
        json.dumps({"text": "x", "reference": "y"}),
    ]
    records = read_items("text", lines(tmp_path, "b.jsonl", rows))
    assert [item.references for item in records] == [("a", "b"), ("y",)]
    assert records[0].sample.brief.prompt == "p"


def test_folders_pair_by_name(tmp_path: Path) -> None:
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
        for name in ("b", "a"):
            (tmp_path / folder / f"{name}.txt").write_text(f"{folder} {name}")
    mine, theirs = (read_items("text", tmp_path / folder) for folder in ("mine", "theirs"))
    assert paired(mine, theirs) == [("theirs a",), ("theirs b",)]
    (tmp_path / "theirs/a.txt").rename(tmp_path / "theirs/c.txt")
    with pytest.raises(Withheld, match="no reference of the same name"):
        paired(mine, read_items("text", tmp_path / "theirs"))


def test_counts_must_match(tmp_path: Path) -> None:
    a, b = (read_items("text", lines(tmp_path, f"{n}.txt", ["x"] * n)) for n in (5, 4))
    with pytest.raises(Withheld, match="5 candidates but 4 references"):
        paired(a, b)


def test_statistics_sum_to_the_corpus() -> None:
    texts, references = zip(*PAIRS["English"][:40], strict=True)
    both = Overlap("chrF", texts, [(r,) for r in references])
    halves = [Overlap("chrF", texts[s], [(r,) for r in references[s]]) for s in (slice(0, 20), slice(20, 40))]
    assert np.allclose(both.stats.sum(axis=0), sum(half.stats.sum(axis=0) for half in halves))
