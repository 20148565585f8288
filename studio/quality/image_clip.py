"""CLIP where it was pulled: does any picture show what was asked, and features that sets are compared in.

Radford et al. 2021, ViT-L/14 of OpenAI. It read pictures and captions of the open web, so it covers photographs,
paintings and drawings alike, with the prejudices of that web; it counts badly and misreads who does what to whom.
It is an optional pull from a model hub; without it these scores are withheld, saying so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.features import features
from studio.quality.language import need_english, words
from studio.quality.picture import need_size, on_white
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MODEL = "clip-vit-large-patch14"
LEAST = 64


@lru_cache(maxsize=1)
def _clip(folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Model, tokenizer and how pictures are prepared. Only files that carry no code are read."""
    from tokenizers import Tokenizer
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).float().eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.config.text_config.max_position_embeddings)
    return model, tokenizer, json.loads((folder / "preprocessor_config.json").read_text("utf-8"))


def prepared(pixels: Any, side: int, mean: Sequence[float], deviation: Sequence[float]) -> Any:
    """float32 (3, side, side): shorter side reduced to `side` (bicubic), the middle, normalised by channel."""
    import numpy as np
    from PIL import Image

    whole = Image.fromarray(np.round(on_white(pixels)).astype(np.uint8))
    scale = side / min(whole.size)
    width, height = (max(side, round(scale * length)) for length in whole.size)
    reduced = whole.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    middle = np.asarray(reduced.crop((left, top, left + side, top + side)), np.float32) / 255
    found: Any = (middle - np.asarray(mean, np.float32)) / np.asarray(deviation, np.float32)
    return found.transpose(2, 0, 1)


def pictures(samples: Sequence[Sample], folder: Path) -> Floats:
    """The picture side of CLIP, unit length, (len(samples), d)."""
    import numpy as np
    import torch

    model, _, how = _clip(folder)
    side = model.config.vision_config.image_size
    rows = [prepared(sample.pixels, side, how["image_mean"], how["image_std"]) for sample in samples]
    with torch.inference_mode():
        seen = model.vision_model(pixel_values=torch.from_numpy(np.stack(rows))).pooler_output
        found = torch.nn.functional.normalize(model.visual_projection(seen), dim=-1)
    vectors: Floats = found.double().numpy()
    return vectors


def sentence(text: str, folder: Path) -> Floats:
    """The text side of CLIP, unit length, (d,); what goes beyond its 77 word pieces is cut."""
    import torch

    model, tokenizer, _ = _clip(folder)
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.inference_mode():
        read = model.text_model(input_ids=ids).pooler_output
        found = torch.nn.functional.normalize(model.text_projection(read), dim=-1)
    vector: Floats = found[0].double().numpy()
    return vector


@metrics.register
class ClipAlignment:
    """Cosine of picture and brief under CLIP (the CLIP score of Hessel et al. 2021 is 2.5 times that)."""

    name: ClassVar[str] = "clip_alignment"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)
    costly = True

    def score(self, sample: Sample) -> Score:
        need_size(sample.pixels, LEAST)
        prompt = sample.brief.prompt
        if not words(prompt):
            raise Withheld("the brief has no words")
        need_english(prompt)
        folder = sample.models[MODEL]
        value = float(pictures([sample], folder)[0] @ sentence(prompt, folder))
        domain = "any picture with an English brief; what is shown, not how many and not who does what"
        return Score(self.name, value, "cosine", "higher", domain, MODEL)


@features.register
class ClipFeatures:
    """CLIP's view of a picture, d = 768: what is shown and in which manner. MMD in it is CMMD but for the crop."""

    name: ClassVar[str] = MODEL
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        return pictures(samples, samples[0].models[MODEL])
