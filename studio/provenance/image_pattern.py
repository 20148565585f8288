"""The keyed pattern of the picture mark: plane waves on one lattice, a tile that repeats over the picture.

Three carriers say the same thing at different paces, each where it hides and lasts best. Slow blue waves (27
to 120 canonical pixels long) lie on everything: eyes resolve blue-yellow least (Mullen 1985), and codecs keep
what is coarse. Quicker blue waves (12 to 24) help where little of the picture survives, and luma waves (6 to
16) are added in texture, which masks them. Of the 224 waves of a carrier 160 carry two coded bits each in
their phase (QPSK), 64 have a known phase and find the mark. Each output shifts its tile by an amount that
depends on the message, so that averaging many outputs of one key does not bring out the pattern.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

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


@dataclass(frozen=True, slots=True)
class Carrier:
    """Waves of `low` to `high` cycles a tile, on every `step`-th point of the lattice."""

    channel: Literal["blue", "luma"]
    low: float
    high: float
    step: int


CARRIERS = (Carrier("blue", 3.0, 14.6, 1), Carrier("blue", 16.0, 32.0, 2), Carrier("luma", 24.0, 60.0, 2))
SLOW, QUICK, LUMA = range(len(CARRIERS))


@dataclass(frozen=True, eq=False)
class Pattern:
    """`points` (3, 224, 2): waves per tile to the right and down, pilots first; `phases` complex (3, 224), unit.

    `order` (320,) deals the coded bits to the real and imaginary parts of the carrying points.
    """

    points: Ints
    phases: Complexes
    order: Ints

    @cached_property
    def nearness(self) -> Floats:
        """float32 (3, 224, 64): how much each pilot says of how the waves at each point fared; rows sum to 1."""
        import numpy as np

        radius = np.log(np.hypot(*np.moveaxis(self.points, -1, 0)))
        near = np.exp(-((radius[:, :, None] - radius[:, None, :PILOTS]) ** 2) / (2 * 0.25**2))
        return np.asarray(near / near.sum(axis=2, keepdims=True), np.float32)

    def symbols(self, message: bytes, key: bytes) -> Complexes:
        """complex64 (224,): what each point carries, before base phase and shift: 1 for pilots, else QPSK."""
        import numpy as np

        signs = 1.0 - 2.0 * encode(message, key)[self.order].astype(np.float32)
        qpsk = (signs[0::2] + 1j * signs[1::2]) / np.sqrt(2)
        return np.concatenate([np.ones(PILOTS), qpsk]).astype(np.complex64)

    def shifted(self, shift: tuple[float, float]) -> Complexes:
        """complex64 (3, 224): the phases when the tile is moved by `shift` (right, down), in tiles."""
        import numpy as np

        turn = self.points @ np.asarray(shift)
        return np.asarray(self.phases * np.exp(-2j * np.pi * turn), np.complex64)


def shift_of(message: bytes, key: bytes) -> tuple[float, float]:
    """Where the tile of this output starts, in tiles, 0 to 1."""
    digest = hmac.digest(key, b"picture mark shift" + message, hashlib.sha256)
    return int.from_bytes(digest[:4]) / 2**32, int.from_bytes(digest[4:8]) / 2**32


@lru_cache(maxsize=8)
def pattern_of(key: bytes) -> Pattern:
    """The pattern of one key. Bits come from SHAKE-256, so they are the same with every version of NumPy."""
    import numpy as np

    digest = hashlib.shake_256(b"picture mark order" + key).digest(8 * CODED_BITS)
    order = np.argsort(np.frombuffer(digest, ">u8"), kind="stable")
    points, phases = zip(*(_waves(carrier, key) for carrier in CARRIERS), strict=True)
    return Pattern(np.array(points), np.array(phases), order)


def _waves(carrier: Carrier, key: bytes) -> tuple[Ints, Complexes]:
    """The lattice points of one carrier and their base phases."""
    import numpy as np

    reach = int(carrier.high)
    across = range(-reach // carrier.step * carrier.step, reach + 1, carrier.step)
    grid = [(m, n) for n in range(carrier.step, reach + 1, carrier.step) for m in across if m]
    candidates = np.array([point for point in grid if carrier.low <= np.hypot(*point) <= carrier.high])
    label = f"picture mark waves {carrier}".encode()
    draws = np.frombuffer(hashlib.shake_256(label + key).digest(8 * (len(candidates) + POINTS)), ">u8")
    chosen = np.argsort(draws[:-POINTS], kind="stable")[:POINTS]
    return candidates[chosen], np.exp(2j * np.pi * (draws[-POINTS:] / 2.0**64)).astype(np.complex64)


def render(points: Ints, values: Complexes, height: int, width: int, scale: tuple[float, float]) -> Floats:
    """float32 (height, width): the sum of the waves, of unit mean square over a whole tile.

    `scale` is cells per canonical pixel, down and right.
    """
    import numpy as np

    reach = int(np.abs(points).max())
    table = np.zeros((reach + 1, 2 * reach + 1), np.complex64)
    table[points[:, 1], points[:, 0] + reach] = values / np.sqrt((np.abs(values) ** 2).sum() / 2)
    down = unit(np.outer((np.arange(height) + 0.5) / (TILE * scale[0]), np.arange(reach + 1)))
    right = unit(np.outer(np.arange(-reach, reach + 1), (np.arange(width) + 0.5) / (TILE * scale[1])))
    left = down @ table
    # Side by side, so that one product of real matrices does it.
    rows = np.concatenate([left.real, -left.imag], axis=1)
    return np.asarray(rows @ np.concatenate([right.real, right.imag]), np.float32)


def unit(turns: NDArray[np.float64]) -> Complexes:
    """complex64: exp(2πi · turns), in single precision once whole turns are taken off."""
    import numpy as np

    angle = np.asarray((turns - np.round(turns)) * (2 * np.pi), np.float32)
    waves = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=waves.real)
    np.sin(angle, out=waves.imag)
    return waves
