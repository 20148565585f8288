"""Where in a recording the audio mark is, once one window has told its message.

With the message known, every cell's sign is known. Short stretches each look for their own place in the
pattern, so that cuts and splices inside a marked recording are followed; a two-state Viterbi path over
the evidence then draws the borders. Silence is no evidence either way and takes its neighbours' state.
"""

from __future__ import annotations

from math import erfc, sqrt
from typing import TYPE_CHECKING, Any

from studio.provenance.audio_code import encode
from studio.provenance.audio_locate import Find, aligned, cells_of, correlation, two_best
from studio.provenance.audio_pattern import BANDS, HOPS, HOPS_PER_SLOT, Pattern, spectrum
from studio.provenance.audio_plane import HOP, RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_WINDOW, _STEP = 375, 125  # 6 s, 2 s
_LEAST_Z = 6.0
_LOCAL = 61  # about a second
_SWITCH_COST = 6.0
_MOST_EVIDENCE = 6.0  # of one slot, so that no single one draws a border


def segments(
    plane: Floats, heard: Floats, found: Find, pattern: Pattern, key: bytes
) -> tuple[tuple[float, float, float], ...]:
    """(start s, end s, p-value) of the marked stretches of `feature` (hops, bins); `heard` says which hops can tell (see `seen`)."""
    import numpy as np

    cells = cells_of(plane, found.warp)
    carrying = pattern.carrying(encode(found.message, key))
    scores = _evidence(cells, carrying)
    weight = heard[np.minimum((np.arange(len(scores)) * found.warp.time).astype(np.int64), len(heard) - 1)]
    typical = scores[(scores > 1) & (weight > 0.5)]
    shift = float(np.clip(typical.mean() if len(typical) else 1.0, 1.0, 2.5))
    ratio = np.clip(shift * scores - shift**2 / 2, -_MOST_EVIDENCE, _MOST_EVIDENCE) * weight / HOPS_PER_SLOT
    marked = _path(ratio)
    borders = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0, append=0))
    seconds = found.warp.time * HOP / RATE
    whole = (len(plane) - 2) * HOP / RATE
    return tuple(
        (float(a) * seconds, min(float(b) * seconds, whole), _chance(scores[a:b]))
        for a, b in zip(borders[::2], borders[1::2], strict=True)
    )


def _evidence(cells: Floats, carrying: Floats) -> Floats:
    """By hop: the agreement with the pattern in standard deviations."""
    import numpy as np
    from scipy.ndimage import uniform_filter1d

    hops = len(cells) + HOPS_PER_SLOT - 1
    scores, best = np.zeros(hops, np.float32), np.full(hops, -np.inf, np.float32)
    template = spectrum(carrying)
    last = max(0, len(cells) - _WINDOW)
    for start in [*range(0, last, _STEP), last]:
        window = cells[start : start + _WINDOW]
        z = correlation(window, template, 1.0)
        for place in (place for place in two_best(z) if z[place] >= _LEAST_Z):
            mine, slots = aligned(window, place)
            read = (mine * carrying[slots]).sum(axis=1) / np.sqrt((mine**2).sum(axis=1) + 1e-3 * BANDS)
            first = start + -place % HOPS_PER_SLOT
            stretch = slice(first, first + HOPS_PER_SLOT * len(read))
            by_hop = np.repeat(read, HOPS_PER_SLOT)
            local = uniform_filter1d(by_hop, _LOCAL, mode="nearest")
            better = local > best[stretch]
            scores[stretch][better] = by_hop[better]
            best[stretch][better] = local[better]
    return scores


def _path(ratio: Floats) -> NDArray[np.bool_]:
    """The likeliest sequence of unmarked and marked hops, each change of state costing `_SWITCH_COST`."""
    import numpy as np

    came = np.empty((len(ratio), 2), bool)
    plain, marked = 0.0, 0.0
    for at, gain in enumerate(ratio.tolist()):
        came[at] = marked - _SWITCH_COST > plain, marked >= plain - _SWITCH_COST
        plain, marked = (
            max(plain, marked - _SWITCH_COST),
            max(marked, plain - _SWITCH_COST) + gain,
        )
    out = np.empty(len(ratio), bool)
    state = marked > plain
    for at in reversed(range(len(ratio))):
        out[at] = state
        state = bool(came[at, int(state)])
    return out


def _chance(scores: Floats) -> float:
    """That unmarked sound agrees this well somewhere in the pattern (normal tail, all places counted)."""
    z = float(scores.sum()) / HOPS_PER_SLOT / sqrt(max(1.0, len(scores) / HOPS_PER_SLOT))
    return min(1.0, max(1e-300, HOPS * 0.5 * erfc(z / sqrt(2))))
