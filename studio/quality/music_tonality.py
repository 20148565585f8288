"""Keys and notes of a piece: does it keep its key, how many pitch classes does it use, does it come back?

Sources: Krumhansl 1990 (key profiles); Foote 1999 (self-similarity of a piece).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.sound_level import need_sound
from studio.quality.spectrum import HOP, RATE
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
LEAST_SECONDS = 8.0
STRETCH_SECONDS = 4.0
LEAST_TONALITY = 0.5


def heard(sample: Sample) -> Floats:
    """The sample's chroma, (frames, 12). Raises Withheld for short or silent sound."""
    need_sound(sample, LEAST_SECONDS)
    found: Floats = sample.chroma
    return found


@lru_cache(maxsize=1)
def _keys() -> Floats:
    """The 12 major and 12 minor profiles, (24, 12), each of mean 0 and length 1."""
    import numpy as np

    profiles = np.array([MAJOR, MINOR], np.float32)
    keys: Floats = np.stack([np.roll(profile, k) for profile in profiles for k in range(12)])
    keys = keys - keys.mean(axis=1, keepdims=True)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    return keys


def key_fit(classes: Floats) -> Floats:
    """Correlation of pitch-class profiles (…, 12) with the 12 major and 12 minor keys, (…, 24)."""
    import numpy as np

    centred = classes - classes.mean(axis=-1, keepdims=True)
    scale = np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-9)
    # einsum and not BLAS, whose threads cost more to wake than so little work takes.
    fit: Floats = np.einsum("...c,kc->...k", centred / scale, _keys())
    return fit


def stretches(frames: Floats, seconds: float) -> list[Floats]:
    """Profiles of consecutive stretches with sound, each (12,), every frame weighing alike."""
    import numpy as np

    size = max(1, round(seconds * RATE / HOP))
    total = frames.sum(axis=1, keepdims=True)
    level = np.where(total > 1e-4 * total.max(), frames / np.maximum(total, 1e-12), 0)
    parts = [level[i : i + size].sum(axis=0) for i in range(0, len(level) - size // 2, size)]
    return [part for part in parts if part.sum() > 0]


@metrics.register
class KeyStability:
    """How well each four-second stretch fits the key of the whole: mean correlation."""

    name: ClassVar[str] = "key_stability"
    kinds: ClassVar[tuple[Kind, ...]] = ("music",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        parts = np.stack(stretches(heard(sample), STRETCH_SECONDS))
        fits = key_fit(parts)
        if float(fits.max()) < LEAST_TONALITY:
            raise Withheld("no key can be heard")
        key = int(key_fit(parts.sum(axis=0)).argmax())
        value = float(fits[:, key].mean())
        name = f"{NAMES[key % 12]} {'major' if key < 12 else 'minor'}"
        domain = "tonal music of 8 s and more; pieces that modulate are lower by design"
        return Score(self.name, value, "correlation", "higher", domain, detail=f"fits {name} best")


@metrics.register
class PitchEntropy:
    """Entropy of the pitch classes: 0 bits for one note, 3.58 when all twelve are equal."""

    name: ClassVar[str] = "pitch_class_entropy"
    kinds: ClassVar[tuple[Kind, ...]] = ("music",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        share = np.sum(stretches(heard(sample), STRETCH_SECONDS), axis=0)
        share = share / share.sum()
        value = float(-(share * np.log2(np.maximum(share, 1e-12))).sum())
        domain = "music of 8 s and more; about 2.8 for a seven-note scale"
        return Score(self.name, value, "bits", "neither", domain)


@metrics.register
class Return:
    """How like its best match elsewhere each two-second stretch is: mean cosine of note sequences."""

    name: ClassVar[str] = "repetition"
    kinds: ClassVar[tuple[Kind, ...]] = ("music",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        frames = np.sqrt(heard(sample))
        quarter = max(1, round(0.25 * RATE / HOP))
        steps = np.stack(
            [frames[i : i + quarter].sum(axis=0) for i in range(0, len(frames) - quarter + 1, quarter)]
        )
        span = 8
        rows = np.lib.stride_tricks.sliding_window_view(steps, span, axis=0).reshape(
            len(steps) - span + 1, -1
        )
        rows = rows - rows.mean(axis=1, keepdims=True)
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        alike = np.einsum("ij,kj->ik", rows, rows)
        near = abs(np.subtract.outer(np.arange(len(rows)), np.arange(len(rows)))) < span
        value = float(np.where(near, -1, alike).max(axis=1).mean())
        domain = "music of 8 s and more; songs return, improvisations need not"
        return Score(self.name, value, "cosine", "neither", domain)
