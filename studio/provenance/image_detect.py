"""Finding and reading the picture mark: known waves give place, size and turn; the keyed tag decides.

A guess is how the picture may have been turned, scaled and mirrored since it was marked. For each guess the
pilots are looked up in one padded spectrum and their agreement is searched over all shifts by an FFT. The
plainest guesses come first; only if none of them reads are all the others tried. At most `MAX_DECODES`
readings are decoded, which bounds the chance of a false one by `MAX_DECODES` · 2^-24.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from studio.provenance.image_code import CHANCE, decode
from studio.provenance.image_pattern import CANONICAL, PILOTS, TILE, Pattern, pattern_of
from studio.provenance.image_plane import PLANE, bared, flattened, plane_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

PLAIN_TRIALS, WIDE_TRIALS = 3, 7
MAX_DECODES = PLAIN_TRIALS + WIDE_TRIALS
FALSE_ALARM = MAX_DECODES * CHANCE
_CELL = CANONICAL / PLANE / TILE  # tiles per cell of the plane
_PADDED = 512
_COARSE, _FINE = 64, 256
_HALF_TURN = 3.141592653589793


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture gave: `message` or None, and how clearly the pilots stood out (in deviations)."""

    message: bytes | None
    clarity: float


def read(pixels: Pixels, key: bytes) -> Reading:
    """Looks for the mark of `key` in uint8 (h, w, 3 or 4)."""
    spectrum = Spectrum.of(flattened(pixels))
    pattern = pattern_of(key)
    best = 0.0
    for guesses, trials in ((plain_guesses(), PLAIN_TRIALS), (wide_guesses(), WIDE_TRIALS)):
        clarity, chosen = _promising(spectrum, pattern, guesses, trials)
        best = max(best, clarity)
        soft = _soft(spectrum, pattern, chosen)
        for message in decode(soft, key):
            if message is not None:
                return Reading(message, best)
    return Reading(None, best)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The plane of a picture and its padded spectrum, about the centre of the plane."""

    plane: Floats
    padded: Complexes

    @classmethod
    def of(cls, rgb: Pixels) -> Spectrum:
        import numpy as np
        from scipy import fft

        plane = bared(plane_of(rgb))
        height, width = plane.shape
        size = max(_PADDED, fft.next_fast_len(2 * max(height, width)))
        padded = fft.fftshift(fft.fft2(plane, (size, size)))
        cycles = (np.arange(size) - size // 2) * (2j * np.pi / size)
        down, right = np.exp(cycles * (height - 1) / 2), np.exp(cycles * (width - 1) / 2)
        return cls(plane, (padded * down[:, None] * right).astype(np.complex64))

    def near(self, waves: Floats) -> Complexes:
        """complex (…): the spectrum at `waves` (…, 2) in cycles per cell (right, down), interpolated."""
        import numpy as np
        from scipy.ndimage import map_coordinates

        size = len(self.padded)
        at = np.moveaxis(waves[..., ::-1], -1, 0) * size + size // 2
        real = map_coordinates(self.padded.real, at, order=1)
        imaginary = map_coordinates(self.padded.imag, at, order=1)
        return np.asarray(real + 1j * imaginary, np.complex64)

    def exact(self, waves: Floats) -> Complexes:
        """complex64 (points,): the heights of the waves (points, 2) that the slopes in the plane belong to."""
        import numpy as np

        height, width = self.plane.shape
        down = np.exp(-2j * np.pi * np.outer(waves[:, 1], np.arange(height) - (height - 1) / 2))
        right = np.exp(-2j * np.pi * np.outer(np.arange(width) - (width - 1) / 2, waves[:, 0]))
        summed = (down.astype(np.complex64) @ self.plane) * right.T.astype(np.complex64)
        return np.asarray(-summed.sum(axis=1) / (waves**2).sum(axis=1), np.complex64)


# --- Guesses: rows of (turn in radians, logarithm of the size, mirrored 0 or 1) ------------------


@cache
def plain_guesses() -> Floats:
    """The eight ways to lay a sheet on a table, unscaled."""
    import numpy as np

    return np.array([(quarter * _HALF_TURN / 2, 0.0, m) for m in (0, 1) for quarter in range(4)], np.float32)


@cache
def wide_guesses() -> Floats:
    """Turns within ±17° at the size they have when nothing else is done, less at sizes from 0.45 to 1.5."""
    import numpy as np

    step = 0.02
    sizes = np.arange(-0.8, 0.41, step)
    rows = [(0.0, size) for size in sizes]
    rows += [(turn * step, size) for turn in range(-7, 8) if turn for size in sizes if -0.45 <= size <= 0.25]
    rows += [(turn * step, size) for turn in range(-15, 16) if abs(turn) > 7 for size in sizes if -0.2 <= size <= 0.05]
    return np.array([(*row, mirrored) for row in rows for mirrored in (0, 1)], np.float32)


def waves_of(points: NDArray[np.int64], guesses: Floats) -> Floats:
    """float (guesses, points, 2): cycles per cell of the lattice points under each guess."""
    import numpy as np

    turn, size, mirrored = guesses.T
    scale = _CELL * np.exp(-size)
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    across = points[:, 0] * (1 - 2 * mirrored[:, None])
    right = across * cosine[:, None] - points[:, 1] * sine[:, None]
    down = across * sine[:, None] + points[:, 1] * cosine[:, None]
    return np.stack([right, down], axis=-1)


def _promising(spectrum: Spectrum, pattern: Pattern, guesses: Floats, trials: int) -> tuple[float, Floats]:
    """The clearest `trials` guesses after refinement, best first, and the clarity of the best."""
    import numpy as np

    clarity = _clarity(spectrum, pattern, guesses)
    order = list(np.argsort(-clarity))
    kept: list[int] = []
    while order and len(kept) < trials:
        kept.append(order.pop(0))
        apart = np.abs(guesses - guesses[kept[-1]]).max(axis=1) > 0.05
        order = [at for at in order if apart[at]]
    refined, best = [], []
    for guess in guesses[kept]:
        top = 0.0
        for reach, step in ((2, 0.007), (2, 0.002)):
            moves = np.arange(-reach, reach + 1) * step
            around = np.array([guess + (turn, size, 0) for turn in moves for size in moves], np.float32)
            values = _clarity(spectrum, pattern, around)
            top, guess = float(values.max()), around[values.argmax()]
        best.append(top)
        refined.append(guess)
    return max(best), np.array(refined)[np.argsort(best)[::-1]]


def _clarity(spectrum: Spectrum, pattern: Pattern, guesses: Floats) -> Floats:
    """float (guesses,): the best agreement of the pilots over all shifts, in deviations of chance."""
    import numpy as np

    waves = waves_of(pattern.points[:PILOTS], guesses)
    values = spectrum.near(waves) * pattern.phases[:PILOTS].conj() / np.hypot(waves[..., 0], waves[..., 1])
    size = np.abs(values) + 1e-9
    typical = np.median(size, axis=1, keepdims=True)
    values = values * np.minimum(1, 1.5 * typical / size)
    best = np.concatenate([_agreement(pattern, rows, _COARSE).max(axis=(1, 2)) for rows in np.array_split(values, max(1, len(values) // 64))])
    return np.asarray(best / np.sqrt((np.abs(values) ** 2).sum(axis=1) / 2 + 1e-12))


def _agreement(pattern: Pattern, values: Complexes, grid: int) -> Floats:
    """float (guesses, grid, grid): −Re Σ value · exp(−2πi point · shift) for shifts in grid-ths of a tile."""
    import numpy as np
    from scipy import fft

    table = np.zeros((len(values), grid, grid // 2 + 1), np.complex64)
    points = pattern.points[:PILOTS]
    table[:, points[:, 0], points[:, 1]] = values.conj()
    return np.asarray(-fft.irfft2(table, (grid, grid)) * (grid * grid / 2))


def _soft(spectrum: Spectrum, pattern: Pattern, guesses: Floats) -> Floats:
    """float32 (guesses, 320): soft bits of each guess at its best shift."""
    import numpy as np

    rows = []
    for guess, waves in zip(guesses, waves_of(pattern.points, guesses), strict=True):
        values = spectrum.exact(waves) * pattern.phases.conj()
        pilots = values[:PILOTS] * np.hypot(*waves[:PILOTS].T)
        at = _agreement(pattern, -pilots[None], _FINE)[0].argmax()
        shift = np.array(np.unravel_index(at, (_FINE, _FINE))) / _FINE
        rows.append(demodulated(pattern, values * np.exp(-2j * np.pi * (pattern.points @ shift))))
    return np.array(rows)


def demodulated(pattern: Pattern, values: Complexes) -> Floats:
    """float32 (320,): soft bits from values (224,) freed of base phase and shift, weighted as pilots fared."""
    import numpy as np

    radius = np.log(np.hypot(*pattern.points.T))
    near = np.exp(-((radius[:, None] - radius[:PILOTS]) ** 2) / (2 * 0.25**2))
    near /= near.sum(axis=1, keepdims=True)
    mean = near @ values[:PILOTS].real
    spread = near @ (np.abs(values[:PILOTS]) ** 2) - mean**2
    soft = pattern.soft((values * np.maximum(mean, 1e-9) / np.maximum(spread, 1e-9))[PILOTS:])
    limit = 4 * np.abs(soft).mean() + 1e-9
    return np.clip(soft, -limit, limit)
