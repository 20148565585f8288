"""The keyed pattern of the audio mark: which sign each cell of time and pitch is pushed towards.

The plane is cut into cells of 80 ms × 31 Hz. A frame is 24 cells long and 106 high; in each, 28 % of the
cells are known (they find the mark) and the others are dealt to the 216 coded bits. The signs repeat only
after `FRAMES` frames, and each output starts at a place that depends on its message, so that neither one
output folded upon itself nor many outputs of one key averaged together line up.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from studio.provenance.audio_code import CODED_BITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.uint8]
    Floats = NDArray[np.floating[Any]]
    Spectra = NDArray[np.complexfloating[Any, Any]]

BANDS = 106
FRAME_SLOTS = 24
FRAMES = 4
SLOTS = FRAME_SLOTS * FRAMES
HOPS_PER_SLOT = 5
HOPS = SLOTS * HOPS_PER_SLOT
SYNC_SHARE = 0.28


@dataclass(frozen=True, eq=False)
class Pattern:
    """`signs` float32 (SLOTS, BANDS) of ±1; `owner` int (SLOTS, BANDS): the coded bit of a cell, or −1 for sync."""

    signs: Floats
    owner: NDArray[np.int64]

    @cached_property
    def sync_spectrum(self) -> Spectra:
        """`spectrum` of the signs of the sync cells, 0 elsewhere."""
        return spectrum(self.signs * (self.owner < 0))

    def carrying(self, coded: Bits) -> Floats:
        """float32 (SLOTS, BANDS): the signs of every cell once the coded bits are in them."""
        import numpy as np

        flips = np.append(1.0 - 2.0 * coded.astype(np.float32), np.float32(1.0))
        return self.signs * flips[self.owner]


@lru_cache(maxsize=8)
def pattern_of(key: bytes) -> Pattern:
    """The pattern of one key. Bits come from SHAKE-256, so they are the same with every version of NumPy."""
    import numpy as np

    cells, frame = SLOTS * BANDS, FRAME_SLOTS * BANDS
    seed = hmac.digest(key, b"audio mark pattern", hashlib.sha256)
    stream = hashlib.shake_256(seed).digest(8 * frame + cells)
    order = np.argsort(np.frombuffer(stream[: 8 * frame], "<u8"), kind="stable")
    signs = np.frombuffer(stream[8 * frame :], np.uint8) & 1
    owner = np.full(frame, -1, np.int64)
    carriers = order[round(SYNC_SHARE * frame) :]
    owner[carriers] = np.arange(len(carriers)) % CODED_BITS
    return Pattern(
        1.0 - 2.0 * signs.reshape(SLOTS, BANDS).astype(np.float32),
        np.tile(owner.reshape(FRAME_SLOTS, BANDS), (FRAMES, 1)),
    )


def spectrum(signs: Floats) -> Spectra:
    """complex64 (SLOTS/2 + 1, BANDS): along time, for correlation at every place at once."""
    from scipy.fft import rfft

    out: Spectra = rfft(signs, axis=0)
    return out


def first_hop(message: bytes, key: bytes) -> int:
    """Where in the pattern an output with this message starts, in hops."""
    digest = hmac.digest(key, b"audio mark start" + message, hashlib.sha256)
    return int.from_bytes(digest[:8], "big") % HOPS
