"""What the picture mark withstands and costs, on flat stickers, gradients and textures made from a seed.

Every attack is applied alone to each marked picture; a reading counts only if all forty bits are right.
Rates come with Wilson 95 % intervals. Fidelity is PSNR, SSIM (7×7, luma) and what the eye is left with: CIE
L*a*b* filtered by the contrast sensitivity of each channel, after S-CIELAB (Zhang and Wandell 1997), at 32 pixels
a degree. `seen` compares with the original; `mottle` is the unevenness within one plain fill, which is what shows
when nobody has the original beside it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from studio.bench.base import Figure, Place, bench
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
_SIDE = 512
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


def measure(name: str, pictures: int, unmarked: int) -> list[Figure]:
    import numpy as np

    from studio.provenance.image_fresh import margin
    from studio.provenance.image_mark import ImageMark

    mark = ImageMark()
    attacks = _attacks()
    hits = dict.fromkeys(attacks, 0)
    embed_seconds, detect_seconds, fidelity, margins = [], [], [], []
    for number in range(pictures):
        rng = np.random.default_rng(number)
        before, message = picture(number), rng.bytes(5)
        began = time.perf_counter()
        after = mark.embed(before, message, _KEY)
        embed_seconds.append(time.perf_counter() - began)
        fidelity.append((psnr(before, after), ssim(before, after), seen_difference(before, after)))
        margins.append(margin(after, message, _KEY))
        for kind, attack in attacks.items():
            attacked = attack(after, rng)
            began = time.perf_counter()
            hits[kind] += mark.detect(attacked, _KEY).message == message
            detect_seconds.append(time.perf_counter() - began)
    false = sum(mark.detect(picture(1000 + number), _KEY).found for number in range(unmarked))
    ratios, similarities, seen = zip(*fidelity, strict=True)
    uneven = [mottle(mark, fill) for fill in FILLS]
    enlarged = [mottle(mark, fill, _PIXELS_PER_DEGREE // 4) for fill in FILLS]
    seconds = median(embed_seconds) + median(detect_seconds)
    top = wilson(false, unmarked)[1]
    return [_rate(f"{name}.{kind}", hit, pictures, attacks_reach(kind)) for kind, hit in hits.items()] + [
        Figure(f"{name}.false", false, "readings", unmarked, "0", false == 0, note=f"95 % interval 0–{top:.3f}; by arithmetic at most 9e-7 each"),
        Figure(f"{name}.psnr", mean(ratios), "dB", pictures, "≥ 42", mean(ratios) >= 42, note=f"least {min(ratios):.1f}"),
        Figure(f"{name}.ssim", mean(similarities), "", pictures, "≥ 0.99", mean(similarities) >= 0.99),
        Figure(f"{name}.seen", mean(seen), "ΔE", pictures, "≤ 1", max(seen) <= 1, note=f"95 % of pixels, beside the original; most {max(seen):.2f}"),
        Figure(f"{name}.mottle", mean(uneven), "ΔE", len(FILLS), "≤ 1", max(uneven) <= 1, note=f"unevenness of a plain fill; most {max(uneven):.2f}"),
        Figure(f"{name}.mottle4", mean(enlarged), "ΔE", len(FILLS), "≤ 1", max(enlarged) <= 1, note=f"the same at four times the size; most {max(enlarged):.2f}"),
        Figure(f"{name}.margin", mean(margins), "dB", pictures, "≥ 3", min(margins) >= 3, note=f"the worst of plain, JPEG 50 and 75; least {min(margins):.1f}; reading works from about 1"),
        Figure(f"{name}.seconds", seconds, "s", pictures, "≤ 1", seconds <= 1, note="embed + detect, 512²"),
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
        "webp_crop_jpeg": lambda p, rng: coded(75)(cropped(0.9)(coded(80, "WEBP")(p, rng), rng), rng),
    }


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

    pixels = np.full((_SIDE, _SIDE, 3), fill, np.uint8)
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
