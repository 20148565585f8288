"""Writing the audio mark: magnitudes of short-time spectra are pushed up or down by the signs of the pattern.

Quiet points are pushed further than loud ones in proportion, up to `_MOST`; one strength is solved for
each half minute, so that the signal stays `_AIM_DB` above the change. Bits that read weakly after two rounds
are pushed harder, strong ones less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.provenance.audio_code import CODED_BITS
from studio.provenance.audio_pattern import FRAME_SLOTS, HOPS_PER_SLOT, SLOTS, Pattern
from studio.provenance.audio_plane import (
    BINS_PER_BAND,
    END_BIN,
    FIRST_BIN,
    HOP,
    feature,
    spectra,
    waveform,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.uint8]
    Floats = NDArray[np.floating[Any]]

    Spectra = NDArray[np.complex64]

_AIM_DB = 26.2
_MOST = 0.6
_PASSES, _ADJUST_AFTER = 4, 2
_GROUP_SLOTS = 3 * FRAME_SLOTS
_WANTED = 2.6  # what a coded bit should read over three frames, in standard deviations
_BLOCK, _FADE = 1_875 * HOP, 63 * HOP  # 30 s and 1 s; whole hops, so that blocks share one grid


def change(samples: Floats, pattern: Pattern, coded: Bits, start: int) -> Floats:
    """float32 (frames,): what to add to `samples` (8 kHz mono). `start` is the first hop's place in the pattern."""
    import numpy as np

    carrying = pattern.carrying(coded)
    total = np.zeros_like(samples)
    step = _BLOCK - _FADE
    starts = range(0, max(1, len(samples) - _FADE), step)
    for at in starts:
        end = len(samples) if at == starts[-1] else at + _BLOCK
        delta = _block(samples[at:end], pattern, carrying, start + at // HOP)
        fade = np.linspace(0, 1, _FADE, dtype=np.float32)
        if at > 0:
            delta[:_FADE] *= fade
        if end < len(samples):
            delta[-_FADE:] *= fade[::-1]
        total[at:end] += delta
    return total


def _block(samples: Floats, pattern: Pattern, carrying: Floats, start: int) -> Floats:
    import numpy as np

    original = spectra(samples)
    used = slice(FIRST_BIN, END_BIN)
    slots = (np.arange(len(original)) + start) // HOPS_PER_SLOT
    slots -= slots[0] // SLOTS * SLOTS
    signs = np.repeat(carrying[slots % SLOTS], BINS_PER_BAND, axis=1)
    loud = np.abs(original[:, used])
    room = _room(loud, float((np.abs(original) ** 2).sum()))
    effort = np.ones((slots[-1] // _GROUP_SLOTS + 1, CODED_BITS + 1), np.float32)
    owner = pattern.owner[slots % SLOTS]  # −1 (sync) reads the last column, which stays 1
    current, out = original, samples
    for done in range(1, _PASSES + 1):
        push = np.repeat(effort[(slots // _GROUP_SLOTS)[:, None], owner], BINS_PER_BAND, axis=1)
        wanted = np.maximum(loud + push * signs * room, 0.25 * loud)
        current = current.copy()
        now = current[:, used]
        current[:, used] = now * (wanted / np.maximum(np.abs(now), 1e-12))
        out = waveform(current, len(samples))
        if done < _PASSES:
            current = spectra(out)
        if done == _ADJUST_AFTER:
            reading = feature(current)[:, used] * signs
            effort = _adjusted(effort, reading, slots, owner)
    return out - samples


def _room(loud: Floats, energy: float) -> Floats:
    """float32 like `loud`: how far each magnitude may move."""
    import numpy as np
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    local = np.sqrt(np.maximum(uniform_filter1d(loud**2, 5, axis=1, mode="nearest"), 0.0))
    # Just before an attack the ear hears the change without its mask.
    local = np.minimum(local, 1.5 * minimum_filter1d(local, 5, axis=0, mode="nearest"))
    top = float(np.quantile(local, 0.98))
    quieter = (top / np.maximum(local, 1e-12 + 1e-6 * top)) ** np.float32(1.1)
    low, high = 0.01, 0.12
    budget = energy / 10 ** (_AIM_DB / 10)
    room = local
    for _ in range(10):
        strength = (low + high) / 2
        room = local * np.clip(strength * quieter, strength, _MOST)
        low, high = (low, strength) if float((room**2).sum()) > budget else (strength, high)
    out: Floats = room.astype(np.float32)
    return out


def _adjusted(effort: Floats, reading: Floats, slots: NDArray[np.int64], owner: NDArray[np.int64]) -> Floats:
    """`effort` by group of frames and coded bit, raised where a bit reads weakly."""
    import numpy as np

    cells = reading.reshape(len(reading), -1, BINS_PER_BAND).sum(axis=2)
    by_slot = np.add.reduceat(cells, first := np.flatnonzero(np.diff(slots, prepend=slots[0] - 1)), axis=0)
    place = (slots[first] // _GROUP_SLOTS)[:, None] * (CODED_BITS + 1) + owner[first] % (CODED_BITS + 1)
    size = effort.size
    total = np.bincount(place.ravel(), by_slot.ravel(), size)
    per_group = _GROUP_SLOTS * by_slot.shape[1] * (1 - 0.28) / CODED_BITS
    score = (total / np.sqrt(per_group * (by_slot**2).mean() + 1e-12)).reshape(effort.shape)
    raised = np.clip(effort * np.clip(1 + 0.3 * (_WANTED - score), 0.5, 1.5), 0.3, 1.6)
    raised[:, -1] = 1.0
    out: Floats = raised.astype(np.float32)
    return out
