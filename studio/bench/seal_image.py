"""What the picture mark withstands and costs, on flat stickers, gradients and textures made from a seed.

Every attack is applied alone to each marked picture; a reading counts only if all forty bits are right.
Rates come with Wilson 95 % intervals. Fidelity is PSNR, SSIM (7×7, luma) and the change that is left after
the eye's own blur: CIE L*a*b* filtered by the contrast sensitivity of each channel, after S-CIELAB (Zhang and
Wandell 1997), at 32 pixels a degree.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from studio.bench.base import Figure, Place, bench

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

PICTURES = 30
UNMARKED = 60
_SIDE = 512
_PIXELS_PER_DEGREE = 32
_KEY = b"seal.robust.image key of the day"
# Gaussian spreads (degrees) of S-CIELAB's dominant kernels: light–dark, red–green, blue–yellow.
_EYE_BLUR = (0.0283, 0.0685, 0.0920)


@bench("seal.robust.image")
def robust(place: Place) -> list[Figure]:
    """Share of exact readings after each attack, false readings, fidelity and seconds."""
    import numpy as np

    from studio.provenance.image_mark import ImageMark

    mark = ImageMark()
    attacks = _attacks()
    hits = dict.fromkeys(attacks, 0)
    embed_seconds, detect_seconds, fidelity = [], [], []
    for number in range(PICTURES):
        rng = np.random.default_rng(number)
        before, message = picture(number), rng.bytes(5)
        began = time.perf_counter()
        after = mark.embed(before, message, _KEY)
        embed_seconds.append(time.perf_counter() - began)
        fidelity.append((psnr(before, after), ssim(before, after), seen_difference(before, after)))
        for name, attack in attacks.items():
            attacked = attack(after, rng)
            began = time.perf_counter()
            hits[name] += mark.detect(attacked, _KEY).message == message
            detect_seconds.append(time.perf_counter() - began)
    false = sum(mark.detect(picture(1000 + number), _KEY).found for number in range(UNMARKED))
    figures = [
        _rate(f"seal.robust.image.{name}", hit, PICTURES, attacks_reach(name)) for name, hit in hits.items()
    ]
    ratios, similarities, seen = zip(*fidelity, strict=True)
    seconds = median(embed_seconds) + median(detect_seconds)
    return figures + [
        Figure("seal.image.false", false, "readings", UNMARKED, "0", false == 0),
        Figure("seal.image.psnr", mean(ratios), "dB", PICTURES, "≥ 42", mean(ratios) >= 42, note=f"least {min(ratios):.1f}"),
        Figure("seal.image.ssim", mean(similarities), "", PICTURES, "≥ 0.99", mean(similarities) >= 0.99),
        Figure("seal.image.seen", mean(seen), "ΔE", PICTURES, "≤ 1", max(seen) <= 1, note=f"95 % of pixels, most {max(seen):.2f}"),
        Figure("seal.image.seconds", seconds, "s", PICTURES, "≤ 1", seconds <= 1, note="embed + detect, 512²"),
    ]  # fmt: skip


# --- Pictures and what is done to them ------------------------------------------------------------


def picture(seed: int) -> Pixels:
    """uint8 (512, 512, 3): a sticker on white, a gradient or a texture, in turn."""
    import numpy as np
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        drawn = Image.new("RGB", (2 * _SIDE, 2 * _SIDE), "white")
        draw = ImageDraw.Draw(drawn)
        for _ in range(12):
            left, top = rng.integers(130, 600, 2)
            wide, high = rng.integers(60, 330, 2)
            fill, line = (tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in range(2))
            shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
            shape((left, top, left + wide, top + high), fill, line, int(rng.integers(0, 16)))
        return np.asarray(drawn.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    across, down = np.meshgrid(np.linspace(0, 1, _SIDE), np.linspace(0, 1, _SIDE))
    if seed % 3 == 1:
        turn = rng.uniform(0, 6.28)
        share = ((across - 0.5) * np.cos(turn) + (down - 0.5) * np.sin(turn) + 0.7)[..., None] / 1.4
        first, last = rng.integers(0, 256, (2, 3))
        return np.asarray(np.clip(np.round(first + (last - first) * share), 0, 255), np.uint8)
    pitch = np.hypot(*np.meshgrid(np.fft.fftfreq(_SIDE), np.fft.fftfreq(_SIDE))) + 1 / _SIDE
    fields = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(_SIDE, _SIDE))) / pitch**1.3).real for _ in range(3)]
    light, warm, cool = (field / field.std() for field in fields)
    mixed = np.stack([light + 0.15 * warm, light - 0.1 * warm, light + 0.15 * cool], axis=2)
    return np.asarray(
        np.clip(np.round(mixed * rng.uniform(25, 50) + rng.uniform(90, 150, 3)), 0, 255), np.uint8
    )


def _attacks() -> dict[str, Callable[[Pixels, Any], Pixels]]:
    import numpy as np
    from PIL import Image, ImageEnhance, ImageFilter

    def coded(quality: int, form: str = "JPEG") -> Callable[[Pixels, Any], Pixels]:
        def attack(pixels: Pixels, rng: Any) -> Pixels:
            held = io.BytesIO()
            Image.fromarray(pixels).save(held, form, quality=quality)
            return np.asarray(Image.open(held).convert("RGB"))

        return attack

    def scaled(factor: float) -> Callable[[Pixels, Any], Pixels]:
        return lambda pixels, rng: np.asarray(
            Image.fromarray(pixels).resize(
                (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)), Image.Resampling.LANCZOS
            )
        )

    def cropped(share: float) -> Callable[[Pixels, Any], Pixels]:
        def attack(pixels: Pixels, rng: Any) -> Pixels:
            height, width = (round(side * share**0.5) for side in pixels.shape[:2])
            top = rng.integers(0, pixels.shape[0] - height + 1)
            left = rng.integers(0, pixels.shape[1] - width + 1)
            return pixels[top : top + height, left : left + width]

        return attack

    def turned(degrees: float) -> Callable[[Pixels, Any], Pixels]:
        how = Image.Resampling.BICUBIC
        return lambda pixels, rng: np.asarray(Image.fromarray(pixels).rotate(degrees, how))

    def screenshot(pixels: Pixels, rng: Any) -> Pixels:
        shown = np.pad(scaled(1.25)(pixels, rng), ((40, 30), (25, 60), (0, 0)), constant_values=245)
        return coded(85)(cropped(0.92)(shown, rng), rng)

    def noise(pixels: Pixels, rng: Any) -> Pixels:
        return np.asarray(np.clip(np.round(pixels + rng.normal(0, 5.1, pixels.shape)), 0, 255), np.uint8)

    blur = ImageFilter.GaussianBlur(1)
    return {
        "none": lambda pixels, rng: pixels,
        **{f"jpeg{quality}": coded(quality) for quality in (90, 70, 50, 30)},
        "webp80": coded(80, "WEBP"),
        "half": scaled(0.5),
        "double": scaled(2),
        "noise0.02": noise,
        "brightness1.5": lambda p, rng: np.asarray(ImageEnhance.Brightness(Image.fromarray(p)).enhance(1.5)),
        "contrast1.5": lambda p, rng: np.asarray(ImageEnhance.Contrast(Image.fromarray(p)).enhance(1.5)),
        "blur1": lambda p, rng: np.asarray(Image.fromarray(p).filter(blur)),
        "crop75": cropped(0.75),
        "crop50": cropped(0.5),
        "turn+5": turned(5),
        "turn-5": turned(-5),
        "flip": lambda pixels, rng: pixels[:, ::-1],
        "screenshot": screenshot,
        "social": lambda pixels, rng: coded(75)(scaled(0.7)(pixels, rng), rng),
    }


def attacks_reach(name: str) -> float | None:
    """The share that must be read after an attack; None where nothing is promised."""
    if name in ("jpeg30", "crop50"):
        return None
    return 0.95 if name in ("crop75", "turn+5", "turn-5", "flip", "screenshot", "social") else 0.99


# --- Measures ----------------------------------------------------------------------------------------


def _rate(name: str, hits: int, n: int, reach: float | None) -> Figure:
    low, high = wilson(hits, n)
    goal = "–" if reach is None else f"≥ {100 * reach:g}"
    reached = None if reach is None else hits >= reach * n
    return Figure(name, 100 * hits / n, "%", n, goal, reached, note=f"95 %: {100 * low:.1f}–{100 * high:.1f}")


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    centre = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def psnr(before: Pixels, after: Pixels) -> float:
    import numpy as np

    error = float(((before.astype(np.float64) - after) ** 2).mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(before: Pixels, after: Pixels) -> float:
    """Mean structural similarity of luma in 7×7 windows (Wang et al. 2004)."""
    import numpy as np
    from scipy.ndimage import uniform_filter

    a, b = (pixels @ np.array([0.299, 0.587, 0.114]) for pixels in (before, after))
    mean_a, mean_b = uniform_filter(a, 7), uniform_filter(b, 7)
    var_a, var_b = uniform_filter(a * a, 7) - mean_a**2, uniform_filter(b * b, 7) - mean_b**2
    shared = uniform_filter(a * b, 7) - mean_a * mean_b
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + one) * (2 * shared + two)
    return float((top / ((mean_a**2 + mean_b**2 + one) * (var_a + var_b + two))).mean())


def seen_difference(before: Pixels, after: Pixels) -> float:
    """ΔE that 95 % of the pixels stay under once the eye has blurred both; 1 is about just noticeable."""
    import numpy as np

    gap = _eye(before) - _eye(after)
    return float(np.quantile(np.sqrt((gap**2).sum(axis=2)), 0.95))


def _eye(pixels: Pixels) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of a picture after the eye's blur of its opponent channels."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    share = pixels / 255.0
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    to_opponent = np.array([[0.279, 0.720, -0.107], [-0.449, 0.290, -0.077], [0.086, -0.590, 0.501]])
    opponent = linear @ (to_opponent @ to_xyz).T
    for at, spread in enumerate(_EYE_BLUR):
        opponent[..., at] = gaussian_filter(opponent[..., at], spread * _PIXELS_PER_DEGREE)
    xyz = opponent @ np.linalg.inv(to_opponent).T / to_xyz.sum(axis=1)
    bent = np.where(xyz > 0.008856, np.cbrt(np.maximum(xyz, 0)), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)
