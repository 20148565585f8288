"""Finding the audio mark: where in the pattern a stretch of sound lies, how far it was stretched, what it says.

A recording is read in windows. In each, the sync cells are correlated with the pattern at every place and
at each warp of a fixed grid; the best few of each group of warps are decoded. Only the keyed tag accepts:
periodic sounds can look like the sync cells, but not like the tag. So the chance that an unmarked
recording is taken for a marked one is at most (readings tried) · 2^-28, by arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from studio.provenance.audio_code import CODED_BITS, decode
from studio.provenance.audio_pattern import BANDS, HOPS, HOPS_PER_SLOT, SLOTS, SYNC_SHARE, Pattern
from studio.provenance.audio_plane import BINS_PER_BAND, FIRST_BIN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Spectra = NDArray[np.complexfloating[Any, Any]]

WINDOW_HOPS, STEP_HOPS = 750, 560  # 12 s, 9 s
_LEAST_Z = 4.0
_PER_GROUP = 2


@dataclass(frozen=True, slots=True)
class Warp:
    """Time and pitch of a copy against the original: 1.1 is a tenth longer, or a tenth higher."""

    time: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Find:
    """`place` is the pattern hop at the window's start, `z` the sync correlation in standard deviations."""

    message: bytes
    warp: Warp
    place: int
    z: float


AS_IT_IS = ((Warp(),),)


@cache
def warps() -> tuple[tuple[Warp, ...], ...]:
    """The groups that are searched: as it is; time stretched; played faster or slower; pitch shifted."""
    stretched = tuple(Warp(time=n / 100) for n in range(80, 126) if n != 100)
    played = tuple(Warp(time=200 / n, pitch=n / 200) for n in range(180, 221) if n != 200)
    shifted = tuple(Warp(pitch=n / 200) for n in range(188, 213) if n != 200)
    return (Warp(),), stretched, played, shifted


READINGS_PER_WINDOW = _PER_GROUP * 4


def windows(hops: int) -> list[slice]:
    """Overlapping stretches of a recording, in hops; the last one ends where the recording does."""
    last = max(0, hops - WINDOW_HOPS)
    starts = [*range(0, last, STEP_HOPS), last]
    return [slice(start, start + WINDOW_HOPS) for start in starts]


def find(
    plane: Floats, pattern: Pattern, key: bytes, groups: tuple[tuple[Warp, ...], ...] | None = None
) -> Find | None:
    """The mark in one window of `feature` (hops, bins), or None; `groups` are those of `warps` unless given."""
    for group in groups or warps():
        candidates: list[tuple[float, Warp, int]] = []
        for warp in group:
            cells = cells_of(plane, warp)
            scores = correlation(cells, pattern.sync_spectrum, SYNC_SHARE)
            places = two_best(scores)
            candidates += [(float(scores[place]), warp, place) for place in places]
        candidates.sort(key=lambda candidate: -candidate[0])
        for z, warp, place in candidates[:_PER_GROUP]:
            if z < _LEAST_Z:
                break
            message = decode(soft_bits(cells_of(plane, warp), pattern, place), key)
            if message is not None:
                return Find(message, warp, place, z)
    return None


def cells_of(plane: Floats, warp: Warp) -> Floats:
    """float32 (n, BANDS): the cell that begins at each pattern hop, of mean square 1; hops are the original's."""
    import numpy as np

    bins = FIRST_BIN + BINS_PER_BAND * np.arange(BANDS + 1)
    up = np.zeros((len(plane), plane.shape[1] + 1), np.float32)
    np.cumsum(plane, axis=1, out=up[:, 1:])
    bands = np.diff(_between(up, bins * warp.pitch, axis=1), axis=1)
    along = np.zeros((len(bands) + 1, BANDS), np.float64)
    np.cumsum(bands, axis=0, out=along[1:])
    count = int(len(plane) / warp.time)
    edges = _between(along, np.arange(count + 1) * warp.time, axis=0)
    cells = (edges[HOPS_PER_SLOT:] - edges[:-HOPS_PER_SLOT]).astype(np.float32)
    cells /= np.sqrt((cells**2).mean() + 1e-12)
    return np.clip(cells, -3, 3, out=cells)


def _between(values: Floats, at: Floats, axis: int) -> Floats:
    """`values` at fractional positions along one axis, linearly; positions past the end take the last value."""
    import numpy as np

    at = np.clip(at, 0, values.shape[axis] - 1)
    low = np.minimum(at.astype(np.int64), values.shape[axis] - 2)
    share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1)).astype(values.dtype)
    below = np.take(values, low, axis)
    return below + share * (np.take(values, low + 1, axis) - below)  # type: ignore[no-any-return]


def correlation(cells: Floats, template: Spectra, share: float) -> Floats:
    """float32 (HOPS,): z at each place of the pattern, for a window whose first cell lies there.

    `template` is `spectrum` of the signs looked for, `share` the part of the cells that have one.
    """
    import numpy as np
    from scipy.fft import irfft, rfft

    turns = -(-len(cells) // HOPS)
    folded = np.zeros((turns * HOPS, BANDS), np.float32)
    folded[: len(cells)] = cells
    folded = folded.reshape(turns, SLOTS, HOPS_PER_SLOT, BANDS).sum(axis=0)
    products = np.conj(rfft(folded, axis=0)) * template[:, None, :]
    total = irfft(products.sum(axis=2), SLOTS, axis=0)  # (pattern slot, hop within the slot)
    total /= np.sqrt(share * float((cells**2).sum()) / HOPS_PER_SLOT + 1e-12)
    # A cell `step` hops into the window begins a pattern slot: the window itself began `step` hops earlier.
    places = (np.arange(SLOTS)[:, None] * HOPS_PER_SLOT - np.arange(HOPS_PER_SLOT)[None, :]) % HOPS
    out = np.empty(HOPS, np.float32)
    out[places.ravel()] = total.ravel()
    return out


def aligned(cells: Floats, place: int) -> tuple[Floats, NDArray[np.int64]]:
    """The cells of whole pattern slots (n, BANDS) and which slots (n,) they are."""
    import numpy as np

    step = -place % HOPS_PER_SLOT
    mine = cells[step::HOPS_PER_SLOT]
    return mine, ((place + step) // HOPS_PER_SLOT + np.arange(len(mine))) % SLOTS


def soft_bits(cells: Floats, pattern: Pattern, place: int) -> Floats:
    """float32 (216,): each coded bit's evidence, positive for 0."""
    import numpy as np

    mine, slots = aligned(cells, place)
    owner = pattern.owner[slots].ravel()
    read = (mine * pattern.signs[slots]).ravel()
    total = np.bincount(owner[owner >= 0], read[owner >= 0], CODED_BITS)
    return total.astype(np.float32)


def two_best(scores: Floats) -> list[int]:
    """The best place and the best that is not its neighbour."""
    import numpy as np

    first = int(scores.argmax())
    apart = np.abs((np.arange(HOPS) - first + HOPS // 2) % HOPS - HOPS // 2) > 2
    return [first, int(np.where(apart, scores, -np.inf).argmax())]
