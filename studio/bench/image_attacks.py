"""Pictures to measure with, drawn from a seed, and what happens to pictures on their way: codecs, light, crops, chains."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SIDE = 512


def picture(seed: int) -> Pixels:
    """uint8 (512, 512, 3): a sticker on white, a gradient or a texture, in turn."""
    import numpy as np
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        drawn = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
        draw = ImageDraw.Draw(drawn)
        for _ in range(12):
            left, top = rng.integers(130, 600, 2)
            wide, high = rng.integers(60, 330, 2)
            fill, line = (tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in range(2))
            shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
            shape((left, top, left + wide, top + high), fill, line, int(rng.integers(0, 16)))
        return np.asarray(drawn.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    across, down = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
    if seed % 3 == 1:
        turn = rng.uniform(0, 6.28)
        share = ((across - 0.5) * np.cos(turn) + (down - 0.5) * np.sin(turn) + 0.7)[..., None] / 1.4
        first, last = rng.integers(0, 256, (2, 3))
        return np.asarray(np.clip(np.round(first + (last - first) * share), 0, 255), np.uint8)
    pitch = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))) + 1 / SIDE
    fields = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / pitch**1.3).real for _ in range(3)]
    light, warm, cool = (field / field.std() for field in fields)
    mixed = np.stack([light + 0.15 * warm, light - 0.1 * warm, light + 0.15 * cool], axis=2)
    return np.asarray(
        np.clip(np.round(mixed * rng.uniform(25, 50) + rng.uniform(90, 150, 3)), 0, 255), np.uint8
    )


def attacks() -> dict[str, Callable[[Pixels, Any], Pixels]]:
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
