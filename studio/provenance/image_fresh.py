"""Reading a picture that nothing was done to but coding: place, size, turn and tile are known.

The embedder reads its own work this way, and the seal every finished file, plain and after JPEG. Strangers'
pictures go to `image_detect`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from studio.provenance.image_code import decode
from studio.provenance.image_detect import demodulated, steepness
from studio.provenance.image_guess import waves_of
from studio.provenance.image_pattern import CARRIERS, LUMA, PILOTS, Pattern, pattern_of, shift_of, unit
from studio.provenance.image_plane import SIEVES, flattened, plane_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

NEEDED = 1.0
"""dB of clearness below which readings begin to fail."""
HARSH, USUAL = 50, 75
"""JPEG qualities that a picture must be read at: even fills may fare better at the lower."""


class Lattice:
    """Reads waves (points, 2; cycles per cell) that share few rates across and down, as unturned ones do.

    Their phases are told from the plane's corner, where the pattern starts, not from its centre.
    """

    def __init__(self, waves: Floats, shape: tuple[int, int]) -> None:
        import numpy as np

        height, width = shape
        (right, self._column), (down, self._row) = (
            np.unique(waves[:, at], return_inverse=True) for at in (0, 1)
        )
        across = unit(-np.outer(np.arange(width) + 0.5, right))
        self._right = np.concatenate([across.real, across.imag], axis=1)
        self._down = unit(-np.outer(down, np.arange(height) + 0.5))
        self._steepness = steepness(waves)

    def read(self, plane: Floats) -> Complexes:
        import numpy as np

        real, imaginary = np.split(plane @ self._right, 2, axis=1)
        table = self._down @ (real + 1j * imaginary)
        return np.asarray(table[self._row, self._column] / -self._steepness, np.complex64)


@dataclass(frozen=True, slots=True)
class Meant:
    """What a picture should carry: `symbols` (224,) and `phases` (3, 224) of one message under one key."""

    pattern: Pattern
    symbols: Complexes
    phases: Complexes

    @classmethod
    def of(cls, message: bytes, key: bytes) -> Meant:
        pattern = pattern_of(key)
        return cls(pattern, pattern.symbols(message, key), pattern.shifted(shift_of(message, key)))

    def soft(self, rgb: Pixels, *, luma: bool = True) -> Floats:
        """float32 (320,): the soft bits that (h, w, 3) gives; without `luma` from its blue alone."""
        import numpy as np

        channels = ("blue", "luma") if luma else ("blue",)
        planes = {channel: plane_of(rgb, SIEVES[channel]) for channel in channels}
        values = np.zeros(self.phases.shape, np.complex64)
        for at, (carrier, reader) in enumerate(
            zip(CARRIERS, _readers(self.pattern, planes["blue"].shape), strict=True)
        ):
            if luma or at != LUMA:
                values[at] = reader.read(planes[carrier.channel])
        return demodulated(self.pattern, values * self.phases.conj())

    def came(self, soft: Floats) -> Floats:
        """float32 (160, 2): soft bits along those meant, by wave, 1 on average."""
        import numpy as np

        meant = self.symbols[PILOTS:]
        signs = np.stack([np.sign(meant.real), np.sign(meant.imag)], axis=1)
        good = soft[self.pattern.order].reshape(-1, 2) * signs
        return np.asarray(good / max(float(good.mean()), 1e-6), np.float32)


def clearness(came: Floats) -> float:
    """How clearly a picture reads, in dB, from what `Meant.came` gave; reading works from about 1."""
    import numpy as np

    if came.mean() < 0.5:  # less came out right than wrong
        return -20.0
    return float(10 * np.log10(2.5 * came.mean() ** 2 / (came.var() + 1e-12)))


def margin(pixels: Pixels, message: bytes, key: bytes) -> float:
    """How clearly a marked picture reads, in dB: the worst of plain, JPEG 50 and 75."""
    meant, rgb = Meant.of(message, key), flattened(pixels)
    return min(clearness(meant.came(meant.soft(view))) for view in (rgb, jpeg(rgb), jpeg(rgb, USUAL)))


def confirmed(pixels: Pixels, message: bytes, key: bytes) -> float | None:
    """The margin of a picture that just left the embedder; None if it does not read as `message`."""
    meant, rgb = Meant.of(message, key), flattened(pixels)
    plain = meant.soft(rgb)
    if decode(plain[None], key) != [message]:
        return None
    coded = [meant.soft(jpeg(rgb, quality)) for quality in (HARSH, USUAL)]
    return min(clearness(meant.came(soft)) for soft in (plain, *coded))


def jpeg(rgb: Pixels, quality: int = HARSH) -> Pixels:
    """The picture after JPEG."""
    import numpy as np
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(rgb).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


@lru_cache(maxsize=4)
def _readers(pattern: Pattern, shape: tuple[int, int]) -> list[Lattice]:
    """For each carrier what reads its waves as they lie in planes of one shape."""
    import numpy as np

    plain = np.zeros((1, 3), np.float32)
    return [Lattice(waves_of(points, plain)[0], shape) for points in pattern.points]
