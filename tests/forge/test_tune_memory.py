"""The longest shared run, against a search that compares interval by interval."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.forge.tune_memory import Memory, hashes
from studio.nets.tune_tokens import Note, Part, Tune


def tune(pitches):
    bars = tuple((Note(pitch, 12),) for pitch in pitches)
    return Tune("4/4", "major", "reel", (Part(bars, ()),))


def plainly(one, others):
    steps = lambda pitches: [b - a for a, b in zip(pitches, pitches[1:], strict=False)]  # noqa: E731
    mine, best = steps(one), 0
    for other in map(steps, others):
        for i in range(len(mine)):
            for j in range(len(other)):
                n = 0
                while i + n < len(mine) and j + n < len(other) and mine[i + n] == other[j + n]:
                    n += 1
                best = max(best, n)
    return best


melodies = st.lists(st.integers(-3, 3), min_size=1, max_size=14)


@settings(max_examples=150, deadline=None)
@given(one=melodies, others=st.lists(melodies, max_size=4))
def test_the_longest_run_is_found_and_never_reaches_from_tune_to_tune(one, others):
    assert Memory(map(tune, others)).longest(tune(one)) == plainly(one, others)


def test_a_run_in_another_key_and_rhythm_is_the_same_run():
    theme = [0, 2, 4, 5, 7, 5, 4, 2, 0, 7, 12]
    higher = Tune("3/4", "minor", "waltz", (Part(tuple((Note(p + 3, 6),) for p in theme), ()),))
    assert Memory([tune([9, 9, *theme])]).longest(higher) == len(theme) - 1


def test_nothing_is_shared_with_nothing():
    assert Memory([]).longest(tune([0, 2, 4])) == 0
    assert Memory([tune([0, 1])]).longest(tune([])) == 0
    assert len(hashes(np.zeros(3, np.uint64), 4)) == 0
