"""Melodies out of the model: tokens drawn one by one under the grammar, so that every bar is exact.

Several melodies are drawn at once, each with its own grammar; the same seed draws the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.nets.tune_tokens import BEGIN, END, ID, MODES, Grammar, Tune, notes_of, runs

LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be written: head tokens, and (bars, with pickup; None leaves it open) for each part.

    `begin` are tokens after the head that come first as they are (`plan` counts their parts, too).
    """

    metre: str
    mode: str
    style: str
    plan: tuple[tuple[int, bool | None], ...]
    begin: tuple[int, ...] = ()


def sample(
    model: Any,
    wish: Wish,
    count: int,
    seed: int,
    temperature: float = 0.9,
    top_p: float = 0.98,
    stop: Callable[[float], bool] = lambda share: False,
) -> list[Tune]:
    """`count` tunes; fewer if one outgrew what the model can read. An empty list if `stop(share)` said so.

    `share` is how much of the bars is written, 0–1.
    """
    import torch

    rng = np.random.default_rng(seed)
    prefix = _prefix(wish)
    grammars = [Grammar(wish.plan) for _ in range(count)]
    for grammar in grammars:
        for token in prefix:
            grammar.push(token)
    tokens, caches = torch.tensor([prefix] * count), None
    bars = sum(bars for bars, _ in wish.plan)
    # One thread: the steps are tiny, and on busy cores threads wait for each other far longer than they work.
    with one_thread(), torch.inference_mode():
        for step in range(LONGEST - len(prefix)):
            logits, caches = model.step(tokens, caches)
            chosen = _choose(logits.float().numpy(), grammars, temperature, top_p, rng)
            for grammar, token in zip(grammars, chosen, strict=True):
                if not grammar.done:
                    grammar.push(token)
            if all(grammar.done for grammar in grammars):
                break
            if step % 8 == 0 and stop(min(_written(grammar) for grammar in grammars) / bars):
                return []
            tokens = torch.tensor(chosen)[:, None]
    return [grammar.tune() for grammar in grammars if grammar.done]


@contextmanager
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prefix(wish: Wish) -> list[int]:
    head = [ID[BEGIN], ID[wish.metre], ID[wish.mode], ID[wish.style], ID[f"parts:{len(wish.plan)}"]]
    return [*head, *wish.begin]


def _choose(
    logits: NDArray[np.float32],
    grammars: Sequence[Grammar],
    temperature: float,
    top_p: float,
    rng: np.random.Generator,
) -> list[int]:
    draws = rng.random(len(grammars))
    chosen = []
    for row, grammar, draw in zip(logits.astype(np.float64), grammars, draws, strict=True):
        if grammar.done:
            chosen.append(ID[END])
            continue
        places = np.fromiter(sorted(grammar.allowed()), np.int64)
        scores = row[places] / max(temperature, 1e-3)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        sums = np.cumsum(shares[order])
        last = int(np.searchsorted(sums, min(top_p, sums[-1])))  # the nucleus (Holtzman et al. 2020)
        chosen.append(
            int(places[order[int(np.searchsorted(sums[: last + 1], draw * sums[min(last, len(sums) - 1)]))]])
        )
    return chosen


def _written(grammar: Grammar) -> int:
    return sum(len(bars) - 1 for _, bars in grammar.parts)


# --- Which one is best --------------------------------------------------------------------------


def merit(tune: Tune) -> float:
    """How well made a melody is by the rules of its kind, higher is better; it says nothing of beauty.

    In its mode, closing on the tonic, moving mostly by small steps within a singable range, neither
    standing on one note or bar nor without any return of a bar's rhythm.
    """
    notes = list(notes_of(tune))
    if len(notes) < 4:
        return -10.0
    pitches = np.array([pitch for pitch, _ in notes])
    steps = np.abs(np.diff(pitches))
    inside = np.isin(pitches % 12, MODES[tune.mode]).mean()
    ends = np.mean([_last(part.bars[-1]) == 0 for part in tune.parts])
    span = int(pitches.max() - pitches.min())
    rhythms = Counter(tuple(note.ticks for note in bar) for part in tune.parts for bar in part.bars)
    bars = sum(rhythms.values())
    pairs = [pair for part in tune.parts for pair in zip(part.bars, part.bars[1:], strict=False)]
    repeated = sum(a == b for a, b in pairs) / max(len(pairs), 1)  # below 0.08 in 95 % of old tunes
    shares = np.bincount(pitches % 12) / len(pitches)
    colours = -float(
        (shares * np.log2(np.maximum(shares, 1e-9))).sum()
    )  # bits; over 2.4 in 95 % of old tunes
    return float(
        4 * inside
        + 1.5 * ends
        + 1.5 * (_last(tune.parts[-1].bars[-1]) == 0)
        - 3 * (steps > 12).mean()
        - 0.1 * max(0, span - 19)
        - 0.15 * max(0, 7 - span)
        - 2 * max(0.0, (steps == 0).mean() - 0.25)
        - 4 * max(0.0, repeated - 0.05)
        - 0.6 * max(0.0, 2.4 - colours)
        + min(0.8, (bars - len(rhythms)) / max(bars, 1))
    )


def _last(bar: Sequence[Any]) -> int | None:
    sounding = [note.pitch for note in bar if note.pitch is not None]
    return sounding[-1] % 12 if sounding else None


def copied(tune: Tune, known: NDArray[np.uint32]) -> bool:
    """Whether a run of 16 intervals stands in the sorted digests `known` of the training set."""
    own = np.array(sorted(runs(tune)), np.uint32)
    if not len(own) or not len(known):
        return False
    places = np.searchsorted(known, own)
    return bool((known[np.minimum(places, len(known) - 1)] == own).any())
