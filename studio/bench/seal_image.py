"""What the picture mark withstands and costs, on flat stickers, gradients and textures made from a seed.

Every attack is applied alone to each marked picture; a reading counts only if all forty bits are right.
Rates come with Wilson 95 % intervals. Fidelity is PSNR, SSIM (7×7, luma) and what the eye is left with: CIE
L*a*b* filtered by the contrast sensitivity of each channel, after S-CIELAB (Zhang and Wandell 1997), at 32 pixels
a degree. `seen` compares with the original; `mottle` is the unevenness within one plain fill, which is what shows
when nobody has the original beside it.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING

from studio.bench.base import Figure, Place, bench
from studio.bench.image_attacks import SIDE, attacks, picture
from studio.bench.seal_audio import wilson
from studio.provenance.fidelity import psnr, ssim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.provenance.image_mark import ImageMark

    Pixels = NDArray[np.uint8]

PICTURES, UNMARKED = 120, 200
SAMPLE = 6, 6
# White, grey, cream, sky, the yellow of stickers, a dark green.
FILLS = ((255, 255, 255), (128, 128, 128), (250, 240, 215), (120, 190, 240), (250, 200, 60), (20, 70, 40))
_PIXELS_PER_DEGREE = 32
_KEY = b"seal.robust.image key of the day"
# Gaussian spreads (degrees) of S-CIELAB's dominant kernels: light–dark, red–green, blue–yellow.
_EYE_BLUR = (0.0283, 0.0685, 0.0920)


@bench("seal.robust.image")
def robust(place: Place) -> list[Figure]:
    """Share of exact readings after each attack, false readings, fidelity and seconds."""
    return measure("seal.robust.image", PICTURES, UNMARKED)


@bench("seal.sample.image")
def sample(place: Place) -> list[Figure]:
    """The same on a few pictures: shows that nothing broke, not how good it is."""
    return measure("seal.sample.image", *SAMPLE)


@dataclass(frozen=True, slots=True)
class Tried:
    """What one picture gave: attacks after which its message was read, processor's seconds, fidelity, margin (dB)."""

    read: tuple[str, ...]
    seconds: tuple[float, float]
    fidelity: tuple[float, float, float]
    margin: float


def measure(name: str, pictures: int, unmarked: int) -> list[Figure]:
    from studio.provenance.image_mark import ImageMark

    mark = ImageMark()
    with ProcessPoolExecutor() as pool:
        tried = list(pool.map(_tried, range(pictures)))
        false = sum(pool.map(_taken_for_marked, range(1000, 1000 + unmarked), chunksize=10))
    ratios, similarities, seen = zip(*(one.fidelity for one in tried), strict=True)
    embedding, detecting = zip(*(one.seconds for one in tried), strict=True)
    margins = [one.margin for one in tried]
    uneven = [mottle(mark, fill) for fill in FILLS]
    enlarged = [mottle(mark, fill, _PIXELS_PER_DEGREE // 4) for fill in FILLS]
    seconds = median(embedding) + median(detecting)
    top = wilson(false, unmarked)[1]
    rates = [
        _rate(f"{name}.{kind}", sum(kind in one.read for one in tried), pictures, attacks_reach(kind))
        for kind in attacks()
    ]
    return rates + [
        Figure(f"{name}.false", false, "readings", unmarked, "0", false == 0, note=f"95 % interval 0–{top:.3f}; by arithmetic at most 9e-7 each"),
        Figure(f"{name}.psnr", mean(ratios), "dB", pictures, "≥ 42", mean(ratios) >= 42, note=f"least {min(ratios):.1f}"),
        Figure(f"{name}.ssim", mean(similarities), "", pictures, "≥ 0.99", mean(similarities) >= 0.99, note=f"least {min(similarities):.4f}"),
        Figure(f"{name}.seen", mean(seen), "ΔE", pictures, "≤ 1", max(seen) <= 1, note=f"95 % of pixels, beside the original; most {max(seen):.2f}"),
        Figure(f"{name}.mottle", mean(uneven), "ΔE", len(FILLS), "≤ 1", max(uneven) <= 1, note=f"unevenness of a plain fill; most {max(uneven):.2f}"),
        Figure(f"{name}.mottle4", mean(enlarged), "ΔE", len(FILLS), "≤ 1", max(enlarged) <= 1, note=f"the same at four times the size; most {max(enlarged):.2f}"),
        Figure(f"{name}.margin", mean(margins), "dB", pictures, "≥ 3", min(margins) >= 3, note=f"the worst of plain, JPEG 50 and 75; least {min(margins):.1f}; reading works from about 1"),
        Figure(f"{name}.seconds", seconds, "s (CPU)", pictures, "≤ 1", seconds <= 1, note="embed + detect, 512²"),
    ]  # fmt: skip


def _tried(number: int) -> Tried:
    """One picture marked, and read after every attack alone."""
    import numpy as np

    from studio.provenance.image_fresh import margin
    from studio.provenance.image_mark import ImageMark

    mark, rng = ImageMark(), np.random.default_rng(number)
    before, message = picture(number), rng.bytes(5)
    began = time.process_time()
    after = mark.embed(before, message, _KEY)
    embedding, detecting, read = time.process_time() - began, [], []
    for kind, attack in attacks().items():
        attacked = attack(after, rng)
        began = time.process_time()
        if mark.detect(attacked, _KEY).message == message:
            read.append(kind)
        detecting.append(time.process_time() - began)
    fidelity = psnr(before, after), ssim(before, after), seen_difference(before, after)
    return Tried(tuple(read), (embedding, median(detecting)), fidelity, margin(after, message, _KEY))


def _taken_for_marked(number: int) -> bool:
    from studio.provenance.image_mark import ImageMark

    return ImageMark().detect(picture(number), _KEY).found


def attacks_reach(name: str) -> float | None:
    """The share that must be read after an attack; None where nothing is promised."""
    if name in ("jpeg30", "crop50", "webp_crop_jpeg"):
        return None
    return 0.95 if name in ("crop75", "turn+5", "turn-5", "flip", "screenshot", "social") else 0.99


# --- Measures ----------------------------------------------------------------------------------------


def _rate(name: str, hits: int, n: int, reach: float | None) -> Figure:
    low, high = wilson(hits, n)
    goal = "–" if reach is None else f"≥ {100 * reach:g}"
    reached = None if reach is None else hits >= reach * n
    return Figure(name, 100 * hits / n, "%", n, goal, reached, note=f"95 %: {100 * low:.1f}–{100 * high:.1f}")


def seen_difference(before: Pixels, after: Pixels) -> float:
    """ΔE that 95 % of the pixels stay under once the eye has blurred both; 1 is about just noticeable."""
    import numpy as np

    gap = _eye(before) - _eye(after)
    return float(np.quantile(np.sqrt((gap**2).sum(axis=2)), 0.95))


def mottle(mark: ImageMark, fill: tuple[int, int, int], pixels_per_degree: int = _PIXELS_PER_DEGREE) -> float:
    """ΔE from the fill's own mean (root mean square) that the eye is left with when one colour is marked."""
    import numpy as np

    pixels = np.full((SIDE, SIDE, 3), fill, np.uint8)
    shown = _eye(mark.embed(pixels, b"plain", _KEY), pixels_per_degree)
    return float(np.sqrt(((shown - shown.mean(axis=(0, 1))) ** 2).sum(axis=2).mean()))


def _eye(pixels: Pixels, pixels_per_degree: int = _PIXELS_PER_DEGREE) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of a picture after the eye's blur of its opponent channels, at that viewing distance."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    share = pixels / 255.0
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    to_opponent = np.array([[0.279, 0.720, -0.107], [-0.449, 0.290, -0.077], [0.086, -0.590, 0.501]])
    opponent = linear @ (to_opponent @ to_xyz).T
    for at, spread in enumerate(_EYE_BLUR):
        opponent[..., at] = gaussian_filter(opponent[..., at], spread * pixels_per_degree)
    xyz = opponent @ np.linalg.inv(to_opponent).T / to_xyz.sum(axis=1)
    bent = np.where(xyz > 0.008856, np.cbrt(np.maximum(xyz, 0)), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)
