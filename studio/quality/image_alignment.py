"""Does a picture show what was asked? The studio's own alignment model, signet-align, on its own ground.

It knows one thing on a white or transparent ground, drawn like the openly licensed artwork it learnt from,
and English words; elsewhere its numbers mean nothing, so they are withheld. Its cosines are meant to be
compared: they are shown with their percentile or not at all. It learnt from the same artwork as
signet-sticker, so for that model it is a relative and no independent judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.embedding import MODEL as WORDS
from studio.embedding import token_states
from studio.quality.base import Sample, Withheld, metrics
from studio.quality.features import features
from studio.quality.language import need_english, words
from studio.quality.picture import need_size, on_white
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MODEL = "signet-align"
SIDE = 64
PIECES = 16
"""Pictures of SIDE × SIDE and sentences of PIECES word pieces are what it was trained on."""

RING = 0.03
WHITE = 235
GROUND_SHARE = 0.8
LEAST_SUBJECT = 0.01


def need_sticker(sample: Sample) -> None:
    """Raises Withheld unless the picture is something on a white or transparent ground."""
    import numpy as np

    need_size(sample.pixels, 32)
    red, green, blue = np.moveaxis(on_white(sample.pixels), 2, 0)
    white: NDArray[np.bool_] = np.minimum(np.minimum(red, green), blue) >= WHITE
    depth = max(1, round(RING * min(white.shape)))
    ring = np.ones_like(white)
    ring[depth:-depth, depth:-depth] = False
    if white[ring].mean() < GROUND_SHARE:
        raise Withheld(f"{MODEL} knows single things on a white ground; this picture fills its frame")
    if (~white).mean() < LEAST_SUBJECT:
        raise Withheld("there is nothing on the white ground")


def small(pixels: Any) -> Any:
    """float32 (3, SIDE, SIDE) in −1…1: the picture on white, made square with white, reduced."""
    import numpy as np
    from PIL import Image

    opaque = pixels if pixels.shape[2] == 3 else np.round(on_white(pixels)).astype(np.uint8)
    whole = Image.fromarray(opaque)
    side = max(whole.size)
    if whole.width != whole.height:
        square = Image.new("RGB", (side, side), "white")
        square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
        whole = square
    reduced = np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float32)
    return reduced.transpose(2, 0, 1) / 127.5 - 1


@lru_cache(maxsize=1)
def _aligner(folder: Path) -> Any:
    from studio.nets.align import Aligner

    return Aligner.from_pretrained(folder).float().eval()


def closeness(pixels: Any, prompt: str, folder: Path, text_model: Path) -> float:
    """Cosine of picture and words, −1 to 1."""
    import numpy as np
    import torch

    states, mask = token_states([prompt], text_model, PIECES)
    mean = states.sum(axis=1) / mask.sum(axis=1, keepdims=True)
    sentence = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    model = _aligner(folder)
    with torch.inference_mode():
        picture = model.picture(torch.from_numpy(small(pixels))[None])
        return float((picture @ model.words(torch.from_numpy(sentence.astype(np.float32))).T)[0, 0])


@metrics.register
class Alignment:
    name: ClassVar[str] = "alignment"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL, WORDS)
    relative = True

    def score(self, sample: Sample) -> Score:
        need_sticker(sample)
        prompt = sample.brief.prompt
        if not words(prompt):
            raise Withheld("the brief has no words")
        need_english(prompt)
        value = closeness(sample.pixels, prompt, sample.models[MODEL], sample.models[WORDS])
        domain = "one thing on white, in the styles and words of its artwork; rare things are often misread"
        return Score(self.name, value, "cosine", "higher", domain, MODEL)


@features.register
class AlignmentFeatures:
    """What signet-align sees before it names it, d = 512: for sets of sticker-like pictures."""

    name: ClassVar[str] = MODEL
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        """Raises Withheld for a set with a picture that is no sticker."""
        import numpy as np
        import torch

        for sample in samples:
            need_sticker(sample)
        pictures = torch.from_numpy(np.stack([small(sample.pixels) for sample in samples]))
        with torch.inference_mode():
            found: Floats = _aligner(samples[0].models[MODEL]).features(pictures).double().numpy()
        return found
