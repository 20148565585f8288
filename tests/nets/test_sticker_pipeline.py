from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.errors import BadInput, ModelMissing
from studio.forge.publish_sticker import publish
from studio.nets.autoencoder import Autoencoder
from studio.nets.sticker_pipeline import SignetStickerPipeline, _style_of
from studio.nets.style_mix import styles_by_step
from studio.nets.transformer import StickerTransformer
from studio.nets.upscaler import Upscaler


class Words:
    """Stands in for MiniLM: the state of a token is its place in the text."""

    device = torch.device("cpu")

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=input_ids[..., None].float().expand(-1, -1, 384) / 100)


class Tokens(dict[str, torch.Tensor]):
    def to(self, device: Any) -> Tokens:
        return self


def tokenizer(texts: list[str], max_length: int = 16, **_: Any) -> Tokens:
    ids = torch.zeros(len(texts), max_length, dtype=torch.long)
    for row, text in enumerate(texts):
        codes = [ord(c) for c in text][:max_length]
        ids[row, : len(codes)] = torch.tensor(codes)
    return Tokens(input_ids=ids, attention_mask=(ids > 0).long())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    transformer = StickerTransformer(width=32, depth=1, heads=2)
    torch.nn.init.normal_(transformer.leave.weight, std=0.2)
    for layer in transformer.layers:
        torch.nn.init.normal_(layer.modulation.weight, std=0.2)
    out = tmp_path_factory.mktemp("ck") / "signet-sticker"
    publish(out, {"transformer": transformer, "vae": Autoencoder(), "upscaler": Upscaler(width=8, depth=1)})
    return out


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> SignetStickerPipeline:
    made = SignetStickerPipeline.from_pretrained(
        folder, dtype=torch.float32, text_encoder=None, tokenizer=None
    )
    made.text_encoder, made.tokenizer = Words(), tokenizer
    made.set_progress_bar_config(disable=True)
    return made


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(pipeline: Any, prompt: str, **options: Any) -> np.ndarray:
    options = {"num_inference_steps": 4, "output_type": "np", "height": 64, "width": 64} | options
    return pipeline(prompt, **options).images


def test_the_same_seed_gives_the_same_picture_alone_and_in_a_batch(pipeline: Any) -> None:
    both = draw(pipeline, "apple", generator=[seeded(1), seeded(2)], num_images_per_prompt=2)
    assert both.shape == (2, 64, 64, 3) and both.min() >= 0 and both.max() <= 1
    np.testing.assert_allclose(draw(pipeline, "apple", generator=[seeded(2)])[0], both[1], atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 0.01


def test_words_style_negative_and_guidance_all_matter(pipeline: Any) -> None:
    base = draw(pipeline, "apple", generator=seeded(1))
    for prompt, change in (("pear", {}), ("apple", {"style": "flat"}), ("apple", {"negative_prompt": "red"}),
                           ("apple", {"guidance_scale": 8.0})):  # fmt: skip
        assert np.abs(draw(pipeline, prompt, generator=seeded(1), **change) - base).max() > 1e-4, (
            prompt,
            change,
        )


def test_styles_are_read_from_the_words() -> None:
    assert [_style_of(p) for p in ("apple, 3D style", "flat design pear", "a cartoon dog", "an apple", "flatter")] == [
        "3d", "flat", "cartoon", "", "",
    ]  # fmt: skip


def test_two_styles_mix_by_weight_and_by_steps(pipeline: Any) -> None:
    def mixed(**more: Any) -> np.ndarray:
        return draw(pipeline, "apple", generator=seeded(1), style="flat", **more)

    flat, other = mixed(), draw(pipeline, "apple", generator=seeded(1), style="3d")
    for by in ("weight", "steps"):
        assert np.abs(mixed(mix_style="3d", mix_share=0.0, mix_by=by) - flat).max() < 1e-4
        assert np.abs(mixed(mix_style="3d", mix_share=1.0, mix_by=by) - other).max() < 1e-4
    halves = [mixed(mix_style="3d", mix_share=0.5, mix_by=by) for by in ("weight", "steps")]
    for one, two in ((halves[0], halves[1]), (halves[0], flat), (halves[0], other), (halves[1], flat)):
        assert np.abs(one - two).max() > 1e-4


def test_by_steps_the_second_style_comes_last() -> None:
    first, second = torch.tensor([3, 0]), torch.tensor([1, 1])
    told = styles_by_step(first, second, 5, 4, 0.25, "steps")
    assert [one.argmax(1).tolist() for one in told] == [[3, 0], [3, 0], [3, 0], [1, 1]]
    (told, *_) = styles_by_step(first, second, 5, 4, 0.25, "weight")
    assert told[0].tolist() == [0, 0.25, 0, 0.75, 0] and told[1].tolist() == [0.75, 0.25, 0, 0, 0]


def test_every_step_is_told_and_may_stop_the_call(pipeline: Any) -> None:
    seen: list[int] = []

    def on_step(pipe: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        seen.append(step)
        if step == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        draw(pipeline, "apple", callback_on_step_end=on_step)
    assert seen == [0, 1, 2]
    assert pipeline.num_timesteps == 4


def test_weak_strength_stays_near_the_picture_given(pipeline: Any) -> None:
    given = Image.new("RGB", (90, 64), (200, 40, 40))
    known = pipeline._known(given)
    told = [
        pipeline(
            "apple",
            image=given,
            strength=s,
            num_inference_steps=10,
            generator=seeded(1),
            output_type="latent",
        ).images
        for s in (0.1, 1.0)
    ]
    near, far = ((latents - known).abs().mean() for latents in told)
    assert near < far / 2 and pipeline.num_timesteps == 10


def test_outside_the_mask_the_latents_stay(pipeline: Any) -> None:
    given, mask = Image.new("RGB", (64, 64), (200, 40, 40)), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    latents = pipeline("apple", image=given, mask_image=mask, strength=1.0, num_inference_steps=4,
                       generator=seeded(1), output_type="latent").images  # fmt: skip
    known = pipeline._known(given)
    torch.testing.assert_close(latents[..., 4:], known[..., 4:])
    assert (latents[..., :4] - known[..., :4]).abs().max() > 0.01


def test_sizes_shapes_and_transparency(pipeline: Any) -> None:
    assert draw(pipeline, "a", height=128, width=96).shape == (1, 128, 96, 3)
    assert draw(pipeline, "a", height=64, width=64, transparent=True).shape == (1, 64, 64, 4)
    assert pipeline("a", num_inference_steps=2).images[0].size == (512, 512)
    assert pipeline.preview(torch.zeros(2, 16, 8, 8)).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("bad", "words"),
    [({"height": 32}, "64 to 1024"), ({"style": "oil"}, "choose one of: auto"), ({"strength": 0.0}, "strength"),
     ({"generator": [seeded(1)], "num_images_per_prompt": 2}, "give one for each"),
     ({"mix_style": "oil"}, "to mix in; choose one of: 3d"), ({"mix_style": "3d", "mix_share": 2}, "between 0 and 1"),
     ({"mix_style": "3d", "mix_by": "luck"}, "weight, steps")],
)  # fmt: skip
def test_what_it_cannot_do_is_said(pipeline: Any, bad: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        draw(pipeline, "apple", **bad)


def test_an_empty_prompt_is_no_text_at_all(pipeline: Any) -> None:
    states, mask = pipeline.encode_prompt(["", "  ", "ab"])
    assert mask.sum(1).tolist() == [0, 0, 2] and (states[:2] == 0).all()


def test_without_minilm_it_says_how_to_get_it(folder: Path) -> None:
    with pytest.raises(ModelMissing, match="models pull minilm-l6-v2"):
        SignetStickerPipeline.from_pretrained(folder)


def test_what_is_published_is_a_catalog_entry(folder: Path) -> None:
    from studio.catalog_file import read_models

    text = (folder / "model.toml").read_text()
    lone = folder.parent.parent / "catalog"
    (lone / "signet-sticker").mkdir(parents=True, exist_ok=True)
    (lone / "signet-sticker" / "model.toml").write_text(text.replace('base = ["minilm-l6-v2"]\n', ""))
    (model,) = read_models(lone)
    assert model.kind == "image" and model.engine == "image_diffusers" and len(model.data) >= 4
    assert {file.path for file in model.files} >= {"model_index.json", "transformer/config.json"}


def test_without_the_upscaler_it_is_as_small_as_it_is_drawn(pipeline: SignetStickerPipeline) -> None:
    def made(**more: Any) -> Any:
        return pipeline("apple", num_inference_steps=2, generator=torch.Generator().manual_seed(1), **more)

    assert made(upscale=False).images[0].size == (64, 64)
    assert made().images[0].size == (512, 512)
    with pytest.raises(BadInput, match="switch upscale on or transparent off"):
        made(upscale=False, transparent=True)


def test_it_draws_the_same_in_sixteen_bits(pipeline: SignetStickerPipeline) -> None:
    small = SignetStickerPipeline(**{
        name: copy.deepcopy(part).to(torch.bfloat16) if isinstance(part, torch.nn.Module) and name != "text_encoder" else part
        for name, part in pipeline.components.items()
    })  # fmt: skip
    small.set_progress_bar_config(disable=True)
    given, mask = Image.new("RGB", (64, 64), (200, 40, 40)), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    for more in ({}, {"transparent": True}, {"image": given}, {"image": given, "mask_image": mask}, {"guidance_scale": 1.0},
                 {"upscale": False}):  # fmt: skip
        both = [draw(one, "red apple", generator=seeded(1), **more) for one in (pipeline, small)]
        assert both[0].shape == both[1].shape and both[1].dtype == np.float32
        assert np.abs(both[0] - both[1]).mean() < 2 / 255, more
    latents = [one("red apple", num_inference_steps=24, generator=seeded(1), output_type="latent").images
               for one in (pipeline, small)]  # fmt: skip
    assert latents[1].dtype == torch.float32  # sixteen bits would lose the small steps
    assert (latents[0] - latents[1]).abs().mean() < 0.02 * latents[0].abs().mean()
    assert small.preview(latents[1]).shape == (64, 64, 3)
