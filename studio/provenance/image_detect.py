"""Finding and reading the picture mark: known waves give place, size and turn; the keyed tag decides.

A guess is how the picture may have been turned, scaled and mirrored since it was marked. For each guess the
pilots are looked up in one padded spectrum and their agreement is searched over all shifts by an FFT. The
plainest guesses come first; only if none of them reads are all the others tried. At most `MAX_DECODES`
readings are decoded, which bounds the chance of a false one by `MAX_DECODES` · 2^-24.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from studio.provenance.image_code import CHANCE, decode
from studio.provenance.image_guess import plain_guesses, waves_of, wide_guesses
from studio.provenance.image_pattern import (
    CARRIERS,
    LUMA,
    PILOTS,
    POINTS,
    QUICK,
    SLOW,
    Pattern,
    pattern_of,
    unit,
)
from studio.provenance.image_plane import SIEVES, flattened, plane_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]
    Trial = tuple[Floats, tuple[int, ...]]

_SYNC, _ALL = (SLOW,), (SLOW, QUICK, LUMA)
_LEADS = (
    _ALL,
    _SYNC,
    (LUMA,),
)  # whose pilots say where the tile lies: a codec may have left only one of them
WIDE_TRIALS = 4
MAX_DECODES = len(_LEADS) * (1 + WIDE_TRIALS)
FALSE_ALARM = MAX_DECODES * CHANCE
_PADDED = 640
_COARSE, _FINE, _FINEST = 64, 128, 512
_REFINEMENTS = ((0.007, _SYNC), (0.003, (SLOW, QUICK)), (0.001, _ALL))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture gave: `message` or None, and how clearly the pilots stood out (in deviations)."""

    message: bytes | None
    clarity: float


def read(pixels: Pixels, key: bytes) -> Reading:
    """Looks for the mark of `key` in uint8 (h, w, 3 or 4)."""
    import numpy as np

    spectra = spectra_of(flattened(pixels))
    pattern = pattern_of(key)
    best = 0.0
    for search in (_plainest, _promising):
        clarity, trials = search(spectra, pattern)
        best = max(best, clarity)
        for batch in (trials[:1], trials[1:]):  # the first is nearly always right
            soft = np.stack([_soft(spectra, pattern, guess, carriers) for guess, carriers in batch])
            for message in decode(soft, key):
                if message is not None:
                    return Reading(message, best)
    return Reading(None, best)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A plane and its padded spectrum, about the centre of the plane."""

    plane: Floats

    @cached_property
    def padded(self) -> Complexes:
        """complex64 (n, n), the mean wave in the middle."""
        import numpy as np
        from scipy import fft

        height, width = self.plane.shape
        size = max(_PADDED, fft.next_fast_len(2 * max(height, width)))
        padded = fft.fftshift(fft.fft2(self.plane, (size, size)))
        cycles = (np.arange(size) - size // 2) * (2j * np.pi / size)
        down, right = np.exp(cycles * (height - 1) / 2), np.exp(cycles * (width - 1) / 2)
        down, right = down.astype(np.complex64), right.astype(np.complex64)
        return np.asarray(padded * down[:, None] * right)

    def near(self, waves: Floats) -> Complexes:
        """complex64 (…): the heights of `waves` (…, 2; cycles per cell, right and down), interpolated.

        They are whitened: noise is as strong at every wave.
        """
        import numpy as np
        from scipy.ndimage import map_coordinates

        size = len(self.padded)
        at = np.moveaxis(waves[..., ::-1], -1, 0) * size + size // 2
        real = map_coordinates(self.padded.real, at, order=1)
        imaginary = map_coordinates(self.padded.imag, at, order=1)
        return np.asarray(-(real + 1j * imaginary) / np.sqrt(steepness(waves)), np.complex64)

    def exact(self, waves: Floats) -> Complexes:
        """complex64 (points,): the heights of the waves (points, 2) that the slopes in the plane belong to."""
        return Probe(waves, self.plane.shape).read(self.plane)


class Probe:
    """Reads the same waves (points, 2; cycles per cell) from many planes of one shape."""

    def __init__(self, waves: Floats, shape: tuple[int, ...]) -> None:
        import numpy as np

        height, width = shape
        down = unit(-np.outer(waves[:, 1], np.arange(height) - (height - 1) / 2))
        right = unit(-np.outer(waves[:, 0], np.arange(width) - (width - 1) / 2))
        self._down = np.concatenate([down.real, down.imag])
        self._right = right / -steepness(waves)[:, None]

    def read(self, plane: Floats) -> Complexes:
        import numpy as np

        real, imaginary = np.split(self._down @ plane, 2)
        return np.asarray(((real + 1j * imaginary) * self._right).sum(axis=1), np.complex64)


def spectra_of(rgb: Pixels) -> tuple[Spectrum, ...]:
    """The spectrum that each carrier is read from."""
    by_channel = {channel: Spectrum(plane_of(rgb, sieve)) for channel, sieve in SIEVES.items()}
    return tuple(by_channel[carrier.channel] for carrier in CARRIERS)


def steepness(waves: Floats) -> Floats:
    """How strongly the difference operator of the planes answers to waves (…, 2) of unit height."""
    import numpy as np

    return np.asarray(4 * (np.sin(np.pi * waves) ** 2).sum(axis=-1), np.float32)


def _plainest(spectra: tuple[Spectrum, ...], pattern: Pattern) -> tuple[float, list[Trial]]:
    """The plain guess that each lead finds clearest, as it stands, and how clear the best is."""
    guesses = plain_guesses()
    clarity = [_clarity(spectra, pattern, guesses, lead) for lead in _LEADS]
    trials = [(guesses[one.argmax()], lead) for one, lead in zip(clarity, _LEADS, strict=True)]
    return float(max(one.max() for one in clarity)), trials


def _promising(spectra: tuple[Spectrum, ...], pattern: Pattern) -> tuple[float, list[Trial]]:
    """The clearest of the wide guesses after refinement, and how clear the best is."""
    import numpy as np

    guesses = wide_guesses()
    order = np.argsort(-_clarity(spectra, pattern, guesses, _SYNC))
    refined: list[tuple[float, Floats]] = []
    while len(order) and len(refined) < WIDE_TRIALS:
        guess = guesses[order[0]]
        order = order[np.abs(guesses[order] - guess).max(axis=1) > 0.05]
        for step, carriers in _REFINEMENTS:
            moves = np.arange(-2, 3) * step
            around = np.array([guess + (turn, size, 0) for turn in moves for size in moves], np.float32)
            values = _clarity(spectra, pattern, around, carriers)
            top, guess = float(values.max()), around[values.argmax()]
        refined.append((top, guess))
    return max(top for top, _ in refined), [(guess, lead) for _, guess in refined for lead in _LEADS]


def _clarity(
    spectra: tuple[Spectrum, ...], pattern: Pattern, guesses: Floats, carriers: tuple[int, ...]
) -> Floats:
    """float (guesses,): the best agreement of the pilots over all shifts, in deviations of chance."""
    import numpy as np

    points = pattern.points[carriers, :PILOTS].reshape(-1, 2)
    values = np.concatenate(
        [
            _pilots(spectra[at], waves_of(pattern.points[at, :PILOTS], guesses), pattern.phases[at])
            for at in carriers
        ],
        axis=1,
    )
    grid = _COARSE if carriers == _SYNC else _FINE
    pieces = np.array_split(values, 1 + len(values) * grid**2 // 2**20)
    best = np.concatenate([_agreement(points, rows, grid).max(axis=(1, 2)) for rows in pieces])
    return np.asarray(best / np.sqrt((np.abs(values) ** 2).sum(axis=1) / 2 + 1e-12))


def _pilots(spectrum: Spectrum, waves: Floats, phases: Complexes) -> Complexes:
    """complex64 (guesses, 64): pilots freed of their phases, of like size, with the outliers held back."""
    import numpy as np

    values = spectrum.near(waves) * phases[:PILOTS].conj()
    size = np.abs(values) + 1e-9
    typical = np.median(size, axis=1, keepdims=True)
    return np.asarray(values / size * np.minimum(size / typical, 1.5), np.complex64)


def _agreement(points: NDArray[np.int64], values: Complexes, grid: int) -> Floats:
    """float (guesses, grid, grid): Re Σ value · exp(−2πi point · shift) for shifts in grid-ths of a tile."""
    import numpy as np
    from scipy import fft

    table = np.zeros((len(values), grid, grid // 2 + 1), np.complex64)
    table[:, points[:, 0], points[:, 1]] = values.conj()
    return np.asarray(fft.irfft2(table, (grid, grid)) * (grid * grid / 2))


def _soft(spectra: tuple[Spectrum, ...], pattern: Pattern, guess: Floats, lead: tuple[int, ...]) -> Floats:
    """float32 (320,): soft bits of a guess at the shift that the pilots of `lead` like best."""
    import numpy as np

    waves = [waves_of(points, guess[None])[0] for points in pattern.points]
    pilots = [_pilots(spectra[at], waves[at][None, :PILOTS], pattern.phases[at]) for at in lead]
    known = pattern.points[lead, :PILOTS].reshape(-1, 2)
    agreement = _agreement(known, np.concatenate(pilots, axis=1), _FINEST)[0]
    shift = np.array(np.unravel_index(agreement.argmax(), agreement.shape)) / _FINEST
    values = [s.exact(w) for s, w in zip(spectra, waves, strict=True)]
    turned = np.array(values) * pattern.phases.conj() * np.exp(2j * np.pi * (pattern.points @ -shift))
    return demodulated(pattern, turned)


def demodulated(pattern: Pattern, values: Complexes) -> Floats:
    """float32 (320,): soft bits from values (3, 224) freed of base phase and shift, weighted as pilots fared."""
    import numpy as np

    total = np.zeros(POINTS - PILOTS, np.complex64)
    for near, row in zip(pattern.nearness, values, strict=True):
        mean = near @ row[:PILOTS].real
        spread = near @ (np.abs(row[:PILOTS]) ** 2) - mean**2
        total += (row * np.maximum(mean, 0) / np.maximum(spread, 1e-9))[PILOTS:]
    soft = np.empty(2 * len(total), np.float32)
    soft[pattern.order] = np.stack([total.real, total.imag], axis=1).ravel()
    limit = 4 * np.abs(soft).mean() + 1e-9
    return np.clip(soft, -limit, limit)
