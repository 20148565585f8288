"""How the next token is chosen: one sampler for every language engine.

Order: repetition penalty, top-k, top-p and min-p on the model's own distribution, then temperature,
then the watermark if there is one. The same logits and seed give the same token in every engine.

What is *not* here: running the model, and what a watermark does (see provenance/text_mark.py).
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput, ModelBroken
from studio.options import option

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.integer[Any]]

MOST_STOPS = 16
PENALTY_WINDOW = 256
_GROUPS = 768


@dataclass(frozen=True)
class TextOptions:
    """Options of all language engines."""

    max_tokens: int = option(
        400, "Longest answer", low=1, high=8192, hint="In tokens, about ¾ of a word each"
    )
    temperature: float = option(
        0.9,
        "Temperature",
        low=0.0,
        high=2.0,
        step=0.05,
        hint="0 always takes the likeliest word: no watermark then",
    )
    system: str = option(
        "",
        "System prompt",
        max_length=8000,
        advanced=True,
        hint="Who writes, and how; empty takes the model's own",
    )
    top_k: int = option(40, "Top-k", low=1, high=500, advanced=True, hint="Choose among so many tokens")
    top_p: float = option(
        0.95,
        "Top-p",
        low=0.01,
        high=1.0,
        step=0.01,
        advanced=True,
        hint="Choose among the likeliest with this share",
    )
    min_p: float = option(
        0.0,
        "Min-p",
        low=0.0,
        high=1.0,
        step=0.01,
        advanced=True,
        hint="Leave out tokens below this share of the best",
    )
    repetition_penalty: float = option(
        1.1, "Repetition penalty", low=1.0, high=2.0, step=0.05, advanced=True, hint="1 allows any repetition"
    )
    stop: str = option(
        "",
        "Stop strings",
        max_length=500,
        advanced=True,
        hint="Separated by |, \\n is a new line; the text ends before",
    )


class TextMarker(Protocol):
    """The watermark of one text while it is written."""

    def choose(
        self, context: Sequence[int], ids: Ids, probabilities: Floats, rng: np.random.Generator
    ) -> int:
        """The *index* of the chosen candidate.

        `context` are the tokens written so far (without the prompt), `ids` (n,) the candidates, likeliest
        first, and `probabilities` (n,) float64 their distribution, summing to 1.
        """


class TokenMark(Protocol):
    """A text watermark as it stands in `Job.token_mark`; `start` is called once for each text, with its seed."""

    def start(self, seed: int) -> TextMarker: ...


class Sampler:
    """Chooses the tokens of one text. Not for two threads at once."""

    def __init__(self, options: TextOptions, seed: int, mark: TokenMark | None = None) -> None:
        self._options = options
        self._rng = np.random.Generator(np.random.PCG64(seed % 2**64))
        self._marker = mark.start(seed) if mark is not None else None
        self._scratch: Floats = np.empty(0, np.float32)

    def choose(self, context: Sequence[int], logits: Floats) -> tuple[int, float]:
        """The next token after `context` and its log-probability under the unchanged model.

        `logits` is float32 (vocabulary,). Raises ModelBroken if they are not numbers.
        """
        options = self._options
        log_total = self._log_total(logits)
        scores = self._penalised(logits, context)
        if options.temperature == 0.0:
            token = int(scores.argmax())
        else:
            ids, probabilities = candidates(scores, options)
            token = int(ids[self._pick(context, ids, probabilities)])
        return token, float(logits[token]) - log_total

    def _log_total(self, logits: Floats) -> float:
        """The logarithm of the sum of exp(logits), in memory that is used again at every step."""
        if self._scratch.shape != logits.shape:
            self._scratch = np.empty_like(logits)
        top = float(logits.max())
        if not math.isfinite(top):
            raise ModelBroken(
                "The model computes values that are not numbers; pull it again or use another one."
            )
        np.subtract(logits, top, out=self._scratch)
        np.exp(self._scratch, out=self._scratch)
        return top + math.log(float(self._scratch.sum()))

    def _penalised(self, logits: Floats, context: Sequence[int]) -> Floats:
        """Scores with tokens written before made less likely (Keskar et al. 2019, CTRL, section 4.1)."""
        penalty = self._options.repetition_penalty
        if penalty == 1.0 or not context:
            return logits
        seen = np.fromiter(set(context[-PENALTY_WINDOW:]), np.int64)
        values = logits[seen]
        scores = self._scratch
        np.copyto(scores, logits)
        scores[seen] = np.where(values > 0, values / penalty, values * penalty)
        return scores

    def _pick(self, context: Sequence[int], ids: Ids, probabilities: Floats) -> int:
        if self._marker is not None:
            return self._marker.choose(context, ids, probabilities, self._rng)
        return draw(probabilities, self._rng)


def draw(probabilities: Floats, rng: np.random.Generator) -> int:
    """An index drawn from `probabilities` with one number of `rng`."""
    steps = probabilities.cumsum()
    return min(int(steps.searchsorted(rng.random() * steps[-1], side="right")), len(steps) - 1)


def candidates(scores: Floats, options: TextOptions) -> tuple[Ids, Floats]:
    """The tokens to choose from, likeliest first, and their probabilities (float64, summing to 1)."""
    ids = _top(scores, options.top_k)
    chosen = scores[ids].astype(np.float64)
    chosen -= chosen[0]
    if options.top_p < 1.0 or options.min_p > 0.0:
        plain = np.exp(chosen)
        before = plain.cumsum() - plain
        keep = int(min((before < options.top_p * plain.sum()).sum(), (plain >= options.min_p).sum()))
        ids, chosen = ids[:keep], chosen[:keep]
    probabilities = np.exp(chosen / options.temperature)
    return ids, probabilities / probabilities.sum()


def _top(scores: Floats, k: int) -> Ids:
    """Ids of the k highest scores, highest first, ties by id.

    The k-th highest maximum of groups bounds the k-th highest score from below, so that only a few
    scores are sorted: a tenth of the time of a partition of all.
    """
    k = min(k, scores.size)
    if k <= _GROUPS <= scores.size:
        whole = scores.size // _GROUPS * _GROUPS
        maxima = scores[:whole].reshape(-1, _GROUPS).max(axis=0)
        ids = np.flatnonzero(scores >= np.partition(maxima, _GROUPS - k)[_GROUPS - k])
    else:
        ids = np.arange(scores.size)
    return ids[np.argsort(-scores[ids], kind="stable")[:k]]


# --- From tokens to text ----------------------------------------------------------------------------


def read_stops(text: str) -> tuple[str, ...]:
    """Stop strings of the option `stop`: "A|B\\n" → ("A", "B" and a new line); `\\|` is a bar itself."""
    if not text:
        return ()
    parts = re.findall(r"(?:\\.|[^|])+", text, re.DOTALL)
    stops = tuple(re.sub(r"\\([nt|\\])", lambda found: _ESCAPES[found[1]], part) for part in parts)
    if len(stops) > MOST_STOPS:
        raise BadInput(f"Give at most {MOST_STOPS} stop strings, not {len(stops)}.")
    return stops


_ESCAPES = {"n": "\n", "t": "\t", "|": "|", "\\": "\\"}


class TextStream:
    """Text out of token bytes: holds back half characters and what may become a stop string.

    `text` only ever grows by what is sure to stay; white space before the first word is left out.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.text = ""
        self.stopped = False
        self._stops = tuple(stops)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, piece: bytes) -> bool:
        """Take the bytes of one token; True once a stop string is complete and the text has ended."""
        if self.stopped:
            return True
        self._held += self._decoder.decode(piece)
        if not self.text:
            self._held = self._held.lstrip()
        ends = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.stopped = True
            self.text, self._held = self.text + self._held[: min(ends)], ""
            return True
        sure = len(self._held) - self._may_stop()
        self.text, self._held = self.text + self._held[:sure], self._held[sure:]
        return False

    def finish(self) -> str:
        """The whole text, without a half character or white space at its end."""
        self.text, self._held = (self.text + self._held).rstrip(), ""
        return self.text

    def _may_stop(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        longest = min(max(map(len, self._stops), default=1) - 1, len(self._held))
        for length in range(longest, 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0
