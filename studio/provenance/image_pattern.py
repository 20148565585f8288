"""The keyed pattern of the picture mark: slow blue-yellow waves, a tile that repeats over the picture.

The pattern is a sum of plane waves at lattice points drawn by the key: 160 carry two coded bits each in
their phase (QPSK), 64 have a known phase and find the mark. The waves are slow (27 to 128 canonical pixels
long) and live in blue alone, where eyes resolve least (blue-yellow contrast sensitivity: Mullen 1985) and
where codecs keep the coarse part. Each output shifts its tile by an amount that depends on the message, so
that averaging many outputs of one key does not bring out the pattern.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from studio.provenance.image_code import CODED_BITS, encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]

CANONICAL = 512
"""The pattern is laid out on a picture scaled to this many pixels squared in area."""
TILE = 384
PILOTS = 64
POINTS = PILOTS + CODED_BITS // 2
_LOW, _HIGH = 3.0, 14.6


@dataclass(frozen=True, eq=False)
class Pattern:
    """`points` (224, 2): waves per tile to the right and down, pilots first; `phases` complex (224,), unit.

    `order` (320,) deals the coded bits to the real and imaginary parts of the carrying points.
    """

    points: Ints
    phases: Complexes
    order: Ints

    def symbols(self, message: bytes, key: bytes) -> Complexes:
        """complex64 (224,): what each point carries, before base phase and shift: 1 for pilots, else QPSK."""
        import numpy as np

        signs = 1.0 - 2.0 * encode(message, key)[self.order].astype(np.float32)
        qpsk = (signs[0::2] + 1j * signs[1::2]) / np.sqrt(2)
        return np.concatenate([np.ones(PILOTS), qpsk]).astype(np.complex64)

    def soft(self, values: Complexes) -> Floats:
        """float32 (320,) in the code's order, from the demodulated values of the carrying points (160,)."""
        import numpy as np

        dealt = np.empty(CODED_BITS, np.float32)
        dealt[self.order] = np.stack([values.real, values.imag], axis=1).ravel()
        return dealt

    def shifted(self, shift: tuple[float, float]) -> Complexes:
        """complex64 (224,): the phases when the tile is moved by `shift` (right, down), in tiles."""
        import numpy as np

        turn = self.points @ np.asarray(shift)
        return (self.phases * np.exp(-2j * np.pi * turn)).astype(np.complex64)


def shift_of(message: bytes, key: bytes) -> tuple[float, float]:
    """Where the tile of this output starts, in tiles, 0 to 1."""
    digest = hmac.digest(key, b"picture mark shift" + message, hashlib.sha256)
    return int.from_bytes(digest[:4]) / 2**32, int.from_bytes(digest[4:8]) / 2**32


@lru_cache(maxsize=8)
def pattern_of(key: bytes) -> Pattern:
    """The pattern of one key. Bits come from SHAKE-256, so they are the same with every version of NumPy."""
    import numpy as np

    reach = int(_HIGH) + 1
    grid = [(m, n) for n in range(1, reach) for m in range(-reach, reach + 1) if m]
    candidates = np.array([p for p in grid if _LOW <= np.hypot(*p) <= _HIGH])
    digest = hashlib.shake_256(b"picture mark pattern" + key).digest(8 * (len(candidates) + CODED_BITS + POINTS))
    draws = np.frombuffer(digest, ">u8")
    chosen, dealt, phases = np.split(draws, [len(candidates), len(candidates) + CODED_BITS])
    angles = phases.astype(np.float64) * (2 * np.pi / 2.0**64)
    return Pattern(
        points=candidates[np.argsort(chosen, kind="stable")[:POINTS]],
        phases=np.exp(1j * angles).astype(np.complex64),
        order=np.argsort(dealt, kind="stable"),
    )


def render(points: Ints, values: Complexes, height: int, width: int, scale: float) -> Floats:
    """float32 (height, width): the sum of the waves, of unit mean square over a whole tile.

    `scale` is pixels per canonical pixel.
    """
    import numpy as np

    reach = int(np.abs(points).max())
    table = np.zeros((reach + 1, 2 * reach + 1), np.complex64)
    table[points[:, 1], points[:, 0] + reach] = values / np.sqrt((np.abs(values) ** 2).sum() / 2)
    step = 2j * np.pi / (TILE * scale)
    down = np.exp(step * np.outer(np.arange(height) + 0.5, np.arange(reach + 1))).astype(np.complex64)
    right = np.exp(step * np.outer(np.arange(-reach, reach + 1), np.arange(width) + 0.5)).astype(np.complex64)
    left = down @ table
    return np.asarray(left.real @ right.real - left.imag @ right.imag, np.float32)
