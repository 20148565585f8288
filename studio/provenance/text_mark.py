"""A watermark in the choice of words: tournament sampling, and its detector with an exact p-value.

Source: Dathathri et al., "Scalable watermarking for identifying large language model outputs", Nature
634 (2024): 30 layers, two candidates a tournament. Each layer gives every token a secret bit that depends
on the key and the two tokens before; candidates with the bit are preferred so that, over all keys, each
token keeps its probability. A context is used once a text, by writer and detector alike.

Two tokens of context survive editing better than the paper's four, but would make texts of one key alike.
Therefore a text uses one of VARIANTS secrets, by its seed; the detector tries all and pays for it in
its p-value. The detector needs no training: unmarked text has fair bits, so its score has a known
distribution, here convolved exactly.

What is *not* covered: greedy text carries no mark; heavy paraphrase and translation remove it; it says
that text came from a holder of the key, not which output it was.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LAYERS = 30
CONTEXT = 2
VARIANTS = 4
MARKED_AT, LIKELY_AT = 1e-6, 1e-4  # rates of false alarm
ENOUGH_TOKENS = 60  # fewer than these scored tokens may hide a mark
SEGMENT_TOKENS = 40
MOST_TOKENS = 50_000

# Later layers tell less. Integers, so that the score's distribution is exact.
_WEIGHTS = np.round(np.linspace(20, 3, LAYERS)).astype(np.int64)
_SHARE, _SHIFT = 0.4, 1.1  # of an edited text: tokens still marked, and how many σ their weight is up
_GRAIN = 32  # score units a nat
_EXACT_FROM = 1e-10  # below, rounding of the convolution could show; a bound takes its place
_SMALLEST = -600.0  # natural logarithm of the least p-value told

_SHIFTS = np.arange(LAYERS, dtype=np.uint64)

Bits = NDArray[np.bool_]
State = Literal["marked", "likely", "part", "none", "too_little"]


# --- Writing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextMark:
    """The mark of one installation, as it goes into `Job.token_mark`."""

    key: bytes = field(repr=False)

    def start(self, seed: int) -> TextMarker:
        """The state of one text, whose secret is chosen by `seed`."""
        return TextMarker(self.key, seed % VARIANTS)


class TextMarker:
    """Chooses the tokens of one text."""

    def __init__(self, key: bytes, variant: int) -> None:
        self._key, self._variant = key, variant
        self._seen: set[tuple[int, ...]] = set()

    def choose(
        self,
        context: Sequence[int],
        ids: NDArray[np.integer[Any]],
        probabilities: NDArray[np.floating[Any]],
        rng: np.random.Generator,
    ) -> int:
        """The index of the chosen candidate; `probabilities` (n,) of the tokens `ids` (n,) sum to 1."""
        before = tuple(context[-CONTEXT:])
        if len(before) == CONTEXT and before not in self._seen:
            self._seen.add(before)
            secret = np.frombuffer(_secrets(self._key, before), np.uint64).reshape(VARIANTS, 2)[self._variant]
            probabilities = tournament(probabilities, _bits(secret, ids))
        steps = probabilities.cumsum()
        return min(int(steps.searchsorted(rng.random() * steps[-1], side="right")), len(steps) - 1)


def tournament(probabilities: NDArray[np.floating[Any]], bits: Bits) -> NDArray[np.floating[Any]]:
    """The winner's distribution over candidates (n,) whose `bits` are (n, LAYERS).

    Of two candidates drawn from p the one with the bit wins, a tie is tossed: p'(x) = p(x) (1 + g(x) − E g),
    layer after layer (the paper's two-candidate form, in expectation over the draws).
    """
    p = probabilities
    for layer in np.ascontiguousarray(bits.T, dtype=np.float64):
        p = p * (layer + (1.0 - p.dot(layer)))
    won: NDArray[np.floating[Any]] = np.maximum(p, 0.0)  # rounding may leave −1e-34
    return won


def _secrets(key: bytes, context: Sequence[int]) -> bytes:
    """16 bytes for each variant: a keyed hash, so that no amount of text tells the key."""
    data = struct.pack(f"<{CONTEXT}q", *context)
    return hashlib.blake2b(data, digest_size=16 * VARIANTS, key=key[:64], person=b"signet-text").digest()


def _bits(secret: NDArray[np.uint64], ids: NDArray[np.integer[Any]]) -> Bits:
    """The layers' bits (…, LAYERS) of tokens `ids` (…) under `secret` (…, 2): a 64-bit mix (splitmix64)."""
    x = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + secret[..., 0]
    for word in (secret[..., 1], np.uint64(0)):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31)) ^ word
    bits: Bits = (x[..., None] >> _SHIFTS) & np.uint64(1) != 0
    return bits


# --- Detecting --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextReading:
    """What a text says under a key.

    `p_value`: the chance that a text written without the key scores as high. `state`: "marked" up to
    MARKED_AT, "likely" up to LIKELY_AT, "part" if only a segment is marked, "too_little" if fewer than
    ENOUGH_TOKENS could be scored, else "none". `segments` are (start, end, p-value) in characters, whole
    paragraphs of at least SEGMENT_TOKENS tokens; none if there is only one.
    """

    state: State
    p_value: float
    tokens: int
    segments: tuple[tuple[int, int, float], ...] = ()

    @property
    def found(self) -> bool:
        return self.state in ("marked", "likely", "part")


def read_text_mark(
    text: str, tokenize: Callable[[str], Sequence[int]], key: bytes, tries: int = 1
) -> TextReading:
    """Look for the mark of `key`; `tokenize` is the tokenizer of the model that may have written the text.

    Only the first MOST_TOKENS tokens are read. `tries` is how many tokenizers are tried: every p-value
    pays for them.
    """
    p_value, tokens = _p_value(tokenize(text[: 8 * MOST_TOKENS]), key)
    p_value = min(1.0, tries * p_value)
    parts = _segments(text[: 8 * MOST_TOKENS], tokenize, key)
    segments = tuple((start, end, min(1.0, tries * p)) for start, end, p in parts)
    state: State = "none" if tokens >= ENOUGH_TOKENS else "too_little"
    if p_value <= MARKED_AT:
        state = "marked"
    elif p_value <= LIKELY_AT:
        state = "likely"
    elif any(p * len(segments) <= MARKED_AT for _, _, p in segments):
        state = "part"
    return TextReading(state, p_value, tokens, segments)


def _segments(
    text: str, tokenize: Callable[[str], Sequence[int]], key: bytes
) -> Iterator[tuple[int, int, float]]:
    """Paragraphs, short ones joined to the next; nothing for a text of one."""
    spans: list[tuple[int, int, Sequence[int]]] = []
    start = at = 0
    for line in text.splitlines(keepends=True):
        at += len(line)
        if line.strip() and at < len(text):
            continue
        tokens = tokenize(text[start:at])
        if len(tokens) >= SEGMENT_TOKENS:
            spans.append((start, at, tokens))
            start = at
    if len(spans) > 1:
        yield from ((begin, end, _p_value(tokens, key)[0]) for begin, end, tokens in spans)


def _p_value(tokens: Sequence[int], key: bytes) -> tuple[float, int]:
    """The p-value of a text and how many of its tokens were scored."""
    first: dict[tuple[int, ...], int] = {}
    ids = [int(token) for token in tokens[:MOST_TOKENS]]
    for at in range(CONTEXT, len(ids)):
        first.setdefault(tuple(ids[at - CONTEXT : at]), ids[at])
    if not first:
        return 1.0, 0
    secret = b"".join(_secrets(key, context) for context in first)
    secrets = np.frombuffer(secret, np.uint64).reshape(-1, VARIANTS, 2)
    written = np.fromiter(first.values(), np.int64)[:, None]
    scores = _null().score[_bits(secrets, written) @ _WEIGHTS].sum(axis=0)
    best = _tail(int(scores.max()), len(first))
    return float(-np.expm1(VARIANTS * np.log1p(-best))) if best < 1.0 else 1.0, len(first)


@dataclass(frozen=True, slots=True)
class _Null:
    """`score` by weighted number of bits; `chances` of scores `lowest`, `lowest` + 1, … of an unmarked token."""

    score: NDArray[np.int64]
    lowest: int
    chances: NDArray[np.float64]


@functools.cache
def _null() -> _Null:
    """The score of a token: log-likelihood ratio of a text of which `_SHARE` is still marked.

    It is computed from the weighted number of its bits, in σ of an unmarked token, as if that were normal;
    the distribution that follows is exact whatever the score.
    """
    sums = np.ones(1)
    for weight in _WEIGHTS:
        toss = np.zeros(weight + 1)
        toss[[0, weight]] = 0.5
        sums = np.convolve(sums, toss)
    sigma = np.sqrt((_WEIGHTS**2).sum()) / 2
    z = (np.arange(len(sums)) - _WEIGHTS.sum() / 2) / sigma
    ratio = np.log1p(_SHARE * np.expm1(_SHIFT * z - _SHIFT**2 / 2))
    score = np.round(_GRAIN * ratio).astype(np.int64)
    lowest = int(score.min())
    chances = np.bincount(score - lowest, weights=sums).astype(np.float64)
    return _Null(score, lowest, chances)


def _tail(score: int, tokens: int) -> float:
    """The chance that `tokens` unmarked tokens together score at least `score`.

    Exact by convolution; where that is lost in rounding, Chernoff's upper bound.
    """
    null = _null()
    top = tokens * (len(null.chances) - 1)
    at = score - tokens * null.lowest
    if at <= 0:
        return 1.0
    size = 1 << (top + 1).bit_length()
    sums = np.fft.irfft(np.fft.rfft(null.chances, size) ** tokens, size)
    tail = float(sums[at : top + 1].sum())
    if tail > _EXACT_FROM:
        return min(tail, 1.0)
    steps = np.arange(len(null.chances))
    tilts = np.geomspace(1e-3, 1.0, 200)[:, None]
    bounds = tokens * np.log(np.exp(tilts * (steps - at / tokens)) @ null.chances)
    return float(np.exp(np.clip(bounds.min(), _SMALLEST, np.log(_EXACT_FROM))))
