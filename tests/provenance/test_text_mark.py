"""The text watermark: unbiased, found again, exact about its false alarms, silent where it cannot know."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.provenance import text_mark
from studio.provenance.text_mark import (
    CONTEXT,
    LAYERS,
    VARIANTS,
    TextMark,
    _bits,
    _null,
    _p_value,
    _secrets,
    _tail,
    read_text_mark,
    tournament,
)

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def write(
    length: int, seed: int, key: bytes | None = KEY, spread: float = 0.3, size: int = 5000
) -> list[int]:
    """Tokens of a pretend model: at every step 40 random candidates, with much or little (`spread`) choice."""
    world, rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    marker = TextMark(key).start(seed) if key else None
    written: list[int] = []
    for _ in range(length):
        ids = world.choice(size, 40, replace=False)
        p = np.sort(world.dirichlet(np.full(40, spread)))[::-1]
        chosen = marker.choose(written, ids, p, rng) if marker else int(rng.choice(40, p=p))
        written.append(int(ids[chosen]))
    return written


def words(tokens: Sequence[int]) -> str:
    return " ".join(f"w{token}" for token in tokens)


def tokenize(text: str) -> list[int]:
    return [int(word[1:]) for word in text.split()]


# --- Writing ----------------------------------------------------------------------------------------


def test_over_all_contexts_every_token_keeps_its_probability() -> None:
    p = np.array([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    ids, trials = np.array([5, 900, 17, 33000, 2, 41]), 4000
    total = np.zeros(6)
    for trial in range(trials):
        secret = np.frombuffer(_secrets(KEY, (trial, 7)), np.uint64).reshape(VARIANTS, 2)[trial % VARIANTS]
        total += tournament(p, _bits(secret, ids))
    deviation = (total / trials - p) / np.sqrt(p * (1 - p) / trials)
    assert np.abs(deviation).max() < 4


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40), st.integers(0, 2**63 - 1))
def test_a_tournament_gives_a_distribution(weights: list[float], context: int) -> None:
    p = np.array(weights) / sum(weights)
    secret = np.frombuffer(_secrets(KEY, (context, 0)), np.uint64).reshape(VARIANTS, 2)[0]
    won = tournament(p, _bits(secret, np.arange(len(p))))
    assert won.sum() == pytest.approx(1.0)
    assert (won >= 0).all()


def test_a_tournament_is_two_drawn_and_the_better_taken() -> None:
    """One layer against its definition: pairs drawn from p, the bit wins, ties are tossed."""
    p, bits = np.array([0.5, 0.3, 0.2]), np.array([[False], [True], [False]])
    rng = np.random.default_rng(4)
    one, two = rng.choice(3, 200_000, p=p), rng.choice(3, 200_000, p=p)
    better = bits[one, 0].astype(int) - bits[two, 0]
    winner = np.where(
        better > 0, one, np.where(better < 0, two, np.where(rng.random(200_000) < 0.5, one, two))
    )
    assert np.bincount(winner) / 200_000 == pytest.approx(tournament(p, bits), abs=0.005)


def test_bits_are_fair_and_layers_independent() -> None:
    secrets = np.frombuffer(b"".join(_secrets(KEY, (i, 1)) for i in range(500)), np.uint64).reshape(
        -1, VARIANTS, 2
    )
    bits = _bits(secrets[:, 0][:, None], np.arange(40)[None, :]).reshape(-1, LAYERS).astype(float)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 4 * 0.5 / np.sqrt(len(bits))
    off = np.corrcoef(bits.T) - np.eye(LAYERS)
    assert np.abs(off).max() < 5 / np.sqrt(len(bits))


def test_a_context_is_used_once_a_text_and_the_first_tokens_are_free() -> None:
    p, ids = np.full(40, 1 / 40), np.arange(40)
    marker = TextMark(KEY).start(0)
    assert len({marker.choose([1], ids, p, np.random.default_rng(i)) for i in range(200)}) > 30  # too short
    fresh = [TextMark(KEY).start(0).choose([1, 2], ids, p, np.random.default_rng(i)) for i in range(200)]
    assert len(set(fresh)) < 10  # the mark all but decides
    marker.choose([1, 2], ids, p, np.random.default_rng(0))
    again = [marker.choose([9, 1, 2], ids, p, np.random.default_rng(i)) for i in range(200)]
    assert len(set(again)) > 30


def test_neighbouring_seeds_use_different_secrets() -> None:
    p, ids = np.full(40, 1 / 40), np.arange(40)
    chosen = [TextMark(KEY).start(seed).choose([3, 4], ids, p, np.random.default_rng(0)) for seed in range(8)]
    assert chosen[:4] == chosen[4:]
    assert len(set(chosen[:4])) > 1


def test_the_key_does_not_show_and_the_mark_crosses_processes() -> None:
    mark = TextMark(KEY)
    assert "key" not in repr(mark)
    assert pickle.loads(pickle.dumps(mark)) == mark


# --- Detecting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_marked_text_is_found_only_under_its_key(seed: int) -> None:
    text = words(write(120, seed))
    reading = read_text_mark(text, tokenize, KEY)
    assert reading.state == "marked" and reading.p_value < 1e-6 and reading.tokens > 100
    assert read_text_mark(text, tokenize, OTHER).state == "none"


def test_p_values_of_unmarked_texts_are_uniform() -> None:
    from scipy.stats import kstest

    draw = np.random.default_rng(11)
    values = [_p_value(draw.integers(0, 3000, draw.integers(60, 150)).tolist(), KEY)[0] for _ in range(1000)]
    assert kstest(values, "uniform").pvalue > 0.001


def test_the_tail_is_exact() -> None:
    """Against throwing the bits: mean and 99 % point of the score of 20 tokens."""
    null, rng = _null(), np.random.default_rng(2)
    assert null.chances.sum() == pytest.approx(1.0)
    bits = rng.integers(0, 2, (20_000, 20, LAYERS))
    scores = null.score[bits @ text_mark._WEIGHTS].sum(axis=1)
    for share in (0.5, 0.9, 0.99):
        at = int(np.quantile(scores, share))
        assert _tail(at, 20) == pytest.approx((scores >= at).mean(), rel=0.15)
    assert _tail(-(10**6), 20) == 1.0


@given(st.integers(1, 400), st.integers(0, 60))
def test_the_far_tail_falls_and_never_reaches_zero_by_rounding(tokens: int, step: int) -> None:
    null = _null()
    highest = tokens * (null.lowest + len(null.chances) - 1)
    lower, higher = highest * step // 61, highest * (step + 1) // 61
    assert 0 < _tail(higher, tokens) <= _tail(lower, tokens) <= 1


def test_with_a_third_of_the_words_replaced_it_still_shows() -> None:
    rng = random.Random(5)
    found = 0
    for seed in range(10):
        tokens = write(300, seed)
        edited = [rng.randrange(5000) if rng.random() < 0.3 else token for token in tokens]
        found += read_text_mark(words(edited), tokenize, KEY).found
    assert found >= 9


def test_repetition_counts_once() -> None:
    """A text that says one marked sentence again and again is no stronger evidence than the sentence."""
    sentence = write(40, 1)
    once, often = _p_value(sentence, KEY)[0], _p_value(sentence * 20, KEY)[0]
    assert often > once / 1000
    chorus = [5, 6, 7, 8] * 100
    assert _p_value(chorus, KEY)[1] == 4


def test_little_text_is_too_little_to_tell() -> None:
    for text in ("", " ", "w1", "w1 w2 w3", words(write(30, 3, key=None))):
        assert read_text_mark(text, tokenize, KEY).state == "too_little"
    assert read_text_mark(words([1, 2] * 500), tokenize, KEY).state == "too_little"
    assert read_text_mark(words(write(200, 3, key=None)), tokenize, KEY).state == "none"


def test_text_without_choice_carries_no_mark() -> None:
    assert not read_text_mark(words(write(200, 1, spread=0.001)), tokenize, KEY).found


def test_paragraphs_tell_where_the_mark_is() -> None:
    plain, marked = words(write(150, 1, key=None)), words(write(150, 2))
    text = "\n\n".join([plain, marked, words(write(150, 3, key=None)), words([9] * 5)])
    reading = read_text_mark(text, tokenize, KEY)
    assert len(reading.segments) == 3
    start, end, p = min(reading.segments, key=lambda segment: segment[2])
    assert text[start:end].strip() == marked and p < 1e-6
    assert all(other > 1e-4 for *_, other in reading.segments if other != p)


def test_one_marked_paragraph_in_a_long_text_is_part() -> None:
    plain = [words(write(150, 10 + i, key=None)) for i in range(40)]
    plain.insert(20, words(write(120, 2)))
    reading = read_text_mark("\n\n".join(plain), tokenize, KEY)
    assert reading.state in ("part", "likely", "marked")
    assert reading.found and len(reading.segments) == 41


def test_a_text_of_one_paragraph_has_no_segments() -> None:
    assert read_text_mark(words(write(100, 1)), tokenize, KEY).segments == ()


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    reading = read_text_mark(text, lambda part: list(part.encode("utf-8", errors="replace")), KEY)
    assert 0 <= reading.p_value <= 1
    assert all(0 <= start < end <= len(text) for start, end, _ in reading.segments)


def test_a_very_long_text_is_read_up_to_a_bound() -> None:
    reading = read_text_mark("ab " * 300_000, lambda part: list(range(len(part) // 3)), KEY)
    assert reading.tokens == text_mark.MOST_TOKENS - CONTEXT


# --- The real model ---------------------------------------------------------------------------------


@pytest.mark.real
def test_real_copy_is_marked_and_found_again_from_its_text() -> None:
    import threading
    from datetime import UTC, datetime

    from studio.catalog import Catalog
    from studio.engines.base import Device
    from studio.engines.text_llama import TextLlama
    from studio.engines.tokens import light_tokenizer
    from studio.settings import Settings
    from studio.types import Brief, Draft, Job

    model = Catalog.read(Settings.read({})).require("smollm2-135m")
    engine = TextLlama(model, Device("cpu", "test", 8000, 8000), Settings.read({}, threads=1))
    engine.load()
    brief = Brief(
        "text", "Write a short story about a lighthouse.", seed=1, count=2, options={"max_tokens": 130}
    )
    job = Job(
        "job", brief, "me", "running", datetime.now(UTC), flag=threading.Event(), token_mark=TextMark(KEY)
    )
    texts = [draft.payload for draft in engine.generate(job) if isinstance(draft, Draft)]
    engine.close()
    real_tokenize = light_tokenizer(model)
    for text in texts:
        assert read_text_mark(text, real_tokenize, KEY).state == "marked"
        assert read_text_mark(text, real_tokenize, OTHER).state in ("none", "too_little")
