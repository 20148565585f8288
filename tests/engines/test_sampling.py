"""The sampler: which tokens may be chosen, how often, and how text comes out of their bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engines.sampling import Floats, Ids, Sampler, TextOptions, TextStream, candidates, read_stops
from studio.errors import BadInput, ModelBroken
from studio.options import read_options

PLAIN = TextOptions(temperature=1.0, top_k=500, top_p=1.0, repetition_penalty=1.0)


def logits_of(probabilities: Sequence[float], size: int = 1000) -> Floats:
    logits = np.full(size, -40.0, np.float32)
    logits[: len(probabilities)] = np.log(probabilities)
    return logits


def random_logits(seed: int, size: int = 2000) -> Floats:
    return (np.random.default_rng(seed).normal(size=size) * 3).astype(np.float32)


def test_samples_follow_the_distribution() -> None:
    logits = logits_of([0.5, 0.3, 0.15, 0.05])
    sampler = Sampler(PLAIN, seed=1)
    counts = np.bincount([sampler.choose([], logits)[0] for _ in range(4000)], minlength=4)
    assert np.abs(counts / 4000 - [0.5, 0.3, 0.15, 0.05]).max() < 0.03


def test_temperature_sharpens_and_zero_is_greedy() -> None:
    logits = logits_of([0.6, 0.4])
    cold = Sampler(TextOptions(temperature=0.5, top_p=1.0, repetition_penalty=1.0), seed=2)
    share = np.mean([cold.choose([], logits)[0] == 0 for _ in range(3000)])
    assert abs(share - 0.36 / 0.52) < 0.03
    greedy = Sampler(TextOptions(temperature=0.0), seed=3)
    assert {greedy.choose([], logits)[0] for _ in range(20)} == {0}


def test_the_same_seed_gives_the_same_tokens_and_another_gives_others() -> None:
    steps = [random_logits(i) for i in range(30)]

    def write(seed: int) -> list[int]:
        sampler = Sampler(TextOptions(), seed)
        return [sampler.choose([], logits)[0] for logits in steps]

    assert write(7) == write(7)
    assert write(7) != write(8)
    assert write(-1) == write(2**64 - 1)  # any integer is a seed


@pytest.mark.parametrize("k", [1, 5, 40, 500])
def test_top_k_are_the_k_likeliest_in_order(k: int) -> None:
    for size in (300, 768, 5000):
        scores = random_logits(k, size)
        ids, probabilities = candidates(scores, TextOptions(temperature=1.0, top_k=k, top_p=1.0))
        assert ids.tolist() == np.argsort(-scores, kind="stable")[:k].tolist()
        assert probabilities.sum() == pytest.approx(1.0)
        assert (np.diff(probabilities) <= 0).all()


def test_ties_are_resolved_by_id() -> None:
    ids, _ = candidates(np.zeros(5000, np.float32), TextOptions(top_k=3, top_p=1.0))
    assert ids.tolist() == [0, 1, 2]


def test_top_p_and_min_p_cut_the_tail() -> None:
    scores = logits_of([0.5, 0.3, 0.15, 0.05])
    assert candidates(scores, TextOptions(temperature=1.0, top_p=0.8))[0].tolist() == [0, 1]
    assert candidates(scores, TextOptions(temperature=1.0, top_p=0.81))[0].tolist() == [0, 1, 2]
    assert candidates(scores, TextOptions(temperature=1.0, top_p=0.01))[0].tolist() == [0]
    cut = candidates(scores, TextOptions(temperature=1.0, top_p=1.0, min_p=0.25))
    assert cut[0].tolist() == [0, 1, 2]
    assert cut[1] == pytest.approx(np.array([0.5, 0.3, 0.15]) / 0.95)


def test_temperature_comes_after_the_cuts() -> None:
    scores = logits_of([0.5, 0.3, 0.15, 0.05])
    ids, probabilities = candidates(scores, TextOptions(temperature=2.0, top_p=0.8))
    assert ids.tolist() == [0, 1]
    assert probabilities == pytest.approx(np.sqrt([0.5, 0.3]) / np.sqrt([0.5, 0.3]).sum())


def test_repetition_penalty_acts_on_positive_and_negative_logits_and_leaves_them_unchanged() -> None:
    logits = np.full(1000, -50.0, np.float32)
    logits[:3] = [2.0, 1.5, -1.0]
    before = logits.copy()
    sampler = Sampler(TextOptions(temperature=0.0, repetition_penalty=2.0), seed=0)
    token, logprob = sampler.choose([0], logits)
    assert token == 1
    total = np.log(np.exp(before.astype(np.float64)).sum())
    assert logprob == pytest.approx(1.5 - total, abs=1e-5)  # of the unchanged model
    assert (logits == before).all()
    logits[:3] = [-1.0, -1.5, -50.0]
    assert sampler.choose([0], logits)[0] == 1


def test_values_that_are_not_numbers_are_a_broken_model() -> None:
    for bad in (np.nan, np.inf):
        logits = random_logits(0)
        logits[5] = bad
        with pytest.raises(ModelBroken, match="not numbers"):
            Sampler(TextOptions(), 0).choose([], logits)


class Recorder:
    """A mark that always takes the last candidate."""

    def __init__(self) -> None:
        self.started = 0
        self.seen: list[tuple[list[int], Ids, Floats]] = []

    def start(self, seed: int) -> Recorder:
        self.started += 1
        return self

    def choose(
        self, context: Sequence[int], ids: Ids, probabilities: Floats, rng: np.random.Generator
    ) -> int:
        self.seen.append((list(context), ids, probabilities))
        return len(ids) - 1


def test_a_mark_chooses_from_the_final_distribution_but_not_greedily() -> None:
    mark = Recorder()
    sampler = Sampler(TextOptions(temperature=1.0, top_p=0.8, repetition_penalty=1.0), 0, mark)
    assert sampler.choose([9, 8], logits_of([0.5, 0.3, 0.2]))[0] == 1
    context, ids, probabilities = mark.seen[0]
    assert (context, ids.tolist(), mark.started) == ([9, 8], [0, 1], 1)
    assert probabilities == pytest.approx(np.array([0.625, 0.375]))
    Sampler(TextOptions(temperature=0.0), 0, mark).choose([], logits_of([0.6, 0.4]))
    assert len(mark.seen) == 1


def test_options_are_checked() -> None:
    for wrong in ({"temperature": 2.1}, {"top_p": 0}, {"top_k": 0}, {"max_tokens": 0}, {"nonsense": 1}):
        with pytest.raises(BadInput):
            read_options(TextOptions, wrong)


# --- Text -------------------------------------------------------------------------------------------


def test_stop_strings_are_separated_by_bars() -> None:
    assert read_stops("") == ()
    assert read_stops("END") == ("END",)
    assert read_stops(r"###|\n\n|a\|b|\\n") == ("###", "\n\n", "a|b", "\\n")
    assert read_stops("a||b|") == ("a", "b")
    with pytest.raises(BadInput, match="at most 16"):
        read_stops("|".join("abcdefghijklmnopqrstuvwxyz"))


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.data())
def test_text_is_the_same_however_its_bytes_are_cut(text: str, stops: list[str], data: st.DataObject) -> None:
    raw = text.encode("utf-8", errors="ignore")
    text = raw.decode()
    stream = TextStream(stops)
    shown, at = "", 0
    while at < len(raw) and not stream.stopped:
        size = data.draw(st.integers(1, 5))
        stream.feed(raw[at : at + size])
        at += size
        assert stream.text.startswith(shown)  # what was shown stays
        assert "\ufffd" not in stream.text or "\ufffd" in text
        shown = stream.text
    body = text.lstrip()
    ends = [body.find(stop) for stop in stops if stop in body]
    if ends:
        assert stream.stopped
        # Which of two overlapping stops is met first depends on where the bytes are cut.
        assert body.startswith(stream.text)
        assert not any(stop in stream.text for stop in stops)
    else:
        assert not stream.stopped
        assert stream.finish() == body.rstrip()


def test_a_stop_string_over_token_boundaries_is_never_shown() -> None:
    stream = TextStream(("###",))
    assert not stream.feed(b"Hello #")
    assert stream.text == "Hello "
    assert not stream.feed(b"#")
    assert stream.feed(b"# more")
    assert stream.finish() == "Hello"


def test_what_only_looks_like_a_stop_string_comes_after_all() -> None:
    stream = TextStream(("###",))
    stream.feed(b"C#")
    assert stream.text == "C"
    stream.feed(b" is")
    assert stream.text == "C# is"


def test_half_characters_are_held_back_and_dropped_at_the_end() -> None:
    stream = TextStream()
    emoji = "😀".encode()
    stream.feed(b"a" + emoji[:2])
    assert stream.text == "a"
    stream.feed(emoji[2:])
    assert stream.text == "a😀"
    stream.feed(emoji[:3])
    assert stream.finish() == "a😀"
