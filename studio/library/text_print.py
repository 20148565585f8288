"""What a text says, as a sample of its hashed four-word runs: enough to know it again reformatted or in part.

MinHash in the form that also sees containment (FracMinHash, Irber 2022): of all runs those with the smallest
hashes are kept, up to 512, and the threshold they lie under; two texts are compared under the smaller of
their thresholds. Runs that many texts of the library share, such as a disclaimer, count for nothing.

Not covered: translation, paraphrase, and texts of fewer than 12 words.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from studio.library.words import LONGEST_TEXT, tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Runs = NDArray[np.uint32]

LONGEST = 2_000_000
"""Characters of a text that are looked at."""
KEPT = 512
LEAST_RUNS = 9
"""Fewer runs of the given text (12 words) are too little to tell."""
SAME = 0.36
"""Share of the runs of the shorter text that must be found in the other."""
LEAST_SHARED = 5
_WORDS, _SIGNS = 4, 7  # tokens in a run: of words, of scripts written without spaces
_COMMON = 5  # a run found in more texts than this and in 2 % of all tells nothing


def print_of(text: str) -> Runs:
    """Sorted hashes of the kept runs; when 512 are kept, the last one is the threshold."""
    import numpy as np

    parts = range(0, min(len(text), LONGEST), LONGEST_TEXT)
    found = [token for start in parts for token in tokens(text[start : start + LONGEST_TEXT])]
    single = sum(len(token) == 1 for token in found)
    size = _SIGNS if single > len(found) / 2 else _WORDS
    runs = {" ".join(found[start : start + size]) for start in range(len(found) - size + 1)}
    hashes = [int.from_bytes(hashlib.blake2b(run.encode(), digest_size=4).digest(), "big") for run in runs]
    return np.unique(np.array(hashes, np.uint32))[:KEPT]


def nearest(stored: Runs, bounds: NDArray[np.int64], given: Runs) -> tuple[int, float] | None:
    """The text whose runs lie at bounds[i]…bounds[i+1] of `stored` that holds most of the given one: its
    number and the distance (0 all of it, 1 the least that counts), None if none holds enough."""
    import numpy as np

    if len(given) < LEAST_RUNS or not len(stored):
        return None
    at = np.flatnonzero(given[np.searchsorted(given, stored).clip(max=len(given) - 1)] == stored)
    owners = np.searchsorted(bounds, at, "right") - 1
    values, inverse, spread = np.unique(stored[at], return_inverse=True, return_counts=True)
    common = max(_COMMON, 0.02 * (len(bounds) - 1))
    telling = spread[inverse] <= common
    ordinary = len(given) - int((spread > common).sum())
    if not telling.any() or ordinary < LEAST_SHARED:
        return None
    numbers, shared = np.unique(owners[telling], return_counts=True)
    best: tuple[float, int, int] | None = None
    for number, count in zip(numbers, shared, strict=True):
        runs = stored[bounds[number] : bounds[number + 1]]
        asked = min(ordinary, int((given <= _threshold(runs)).sum()), int((runs <= _threshold(given)).sum()))
        if count < LEAST_SHARED or count < SAME * asked:
            continue
        apart = (1 - min(1.0, count / asked)) / (1 - SAME)
        if best is None or (apart, -count) < best[:2]:
            best = float(apart), -int(count), int(number)
    return (best[2], best[0]) if best is not None else None


def _threshold(runs: Runs) -> int:
    """All runs of the text with a hash up to this are kept."""
    return int(runs[-1]) if len(runs) == KEPT else 0xFFFFFFFF
