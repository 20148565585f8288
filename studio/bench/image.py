"""Pictures: the whole studio line against bare diffusers on the same pipeline, steps and size.

`image.speed` and `image.live` take the studio's own model; `image.batch` a Stable Diffusion pipeline of
full architecture and random weights, since only its speed is looked at.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from studio.bench.base import RUNS, Figure, Place, bench, paired, repeated
from studio.catalog import Catalog, Model
from studio.engines.devices import fast_bfloat16
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Score

MODEL, LIVE = "signet-sticker", "signet-sticker-live"
PROMPT = "a red apple on a plate"
# For scores: one word of each kind that the model has seen.
PROMPTS = (
    "a red apple", "a smiling face", "a blue heart", "a cat face", "a golden star", "a full moon at night", "a red car, flat style",
    "a cup of coffee", "a green frog", "a balloon", "an open book, 3d style", "a slice of pizza, cartoon style",
)  # fmt: skip
# Scores of a picture beside others, and of what the mark cost: they say nothing of who drew it.
BESIDE = ("candidate_likeness", "recent_likeness", "mark_psnr", "mark_ssim")
SMALL = bool(os.environ.get("BENCH_SMALL"))  # a hundredth of the net, to see that the command works
BATCH, BATCH_STEPS, BATCH_SIDE = 4, 4, 64 if SMALL else 256


def _studio(place: Place) -> Studio:
    return Studio(Settings.read(home=place.folder, device="cpu"), serve=True)


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@bench("image.speed")
def speed(place: Place) -> list[Figure]:
    """Pictures a second through `Studio.run`, seal and scores on, against the bare pipeline call."""
    bare = _bare(Catalog.read(Settings.read()).require(MODEL))
    seeds = iter(range(1000))
    with _studio(place) as studio:
        ours, base, ratio = paired(
            lambda: 1 / _timed(lambda: studio.make(Brief("image", PROMPT, model=MODEL, seed=next(seeds)))),
            lambda: 1 / _timed(lambda: bare(next(seeds))),
        )
    return [
        Figure("image.speed", ours, "pictures/s", RUNS, "≥ 0.9 of bare diffusers", ratio >= 0.9, base, ratio)
    ]


def _bare(model: Model) -> Any:
    import torch

    from studio.nets.sticker_pipeline import SignetStickerPipeline

    dtype = torch.bfloat16 if fast_bfloat16("cpu") else torch.float32  # as the studio's engine chooses
    pipeline = SignetStickerPipeline.from_pretrained(model.folder, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    return lambda seed: pipeline(PROMPT, generator=torch.Generator().manual_seed(seed))


@bench("image.live")
def live(place: Place) -> list[Figure]:
    """One picture by the distilled model against its teacher: drawn alone, then sealed and scored, then its scores.

    Drawing is the studio's engine with previews off on both sides, so both keep the prompt's embeddings. Scores are
    means over the same prompts and seeds; the figure is the largest loss among those that have a better side.
    """
    catalog = Catalog.read(Settings.read())
    pair = [_engine(catalog.require(name), place) for name in (LIVE, MODEL)]
    seeds = iter(range(1000))

    def draw(engine: Any) -> float:
        brief = Brief("image", PROMPT, options={"previews": False}, seed=next(seeds))
        return _timed(lambda: _drawn(engine, brief))

    drawn, teacher, ratio = paired(lambda: draw(pair[0]), lambda: draw(pair[1]))
    for engine in pair:
        engine.close()
    with _studio(place) as studio:
        sealed = repeated(
            lambda: _timed(lambda: studio.make(Brief("image", PROMPT, model=LIVE, seed=next(seeds))))
        )
        losses = _losses([_mean_scores(studio, name) for name in (LIVE, MODEL)])
    worst = max(losses, key=lambda name: losses[name])
    told = ", ".join(f"{name} {-100 * loss:+.0f} %" for name, loss in sorted(losses.items()))
    return [
        Figure("image.live", drawn, "s", RUNS, "≥ 5 × faster than the teacher", ratio <= 0.2, teacher, ratio),
        Figure("image.live.sealed", sealed, "s", RUNS, "≤ 0.5", sealed <= 0.5),
        Figure(
            "image.live.scores", 100 * losses[worst], "% lost", len(PROMPTS), "≤ 10", losses[worst] <= 0.1,
            note=f"the most in {worst}; {told}",
        ),
    ]  # fmt: skip


def _mean_scores(studio: Studio, model: str) -> dict[str, tuple[float, str]]:
    """Of each score that has a better side: its mean over the prompts, prompt n with seed n, and that side."""
    found: dict[str, list[Score]] = {}
    for seed, words in enumerate(PROMPTS):
        (asset,) = studio.make(Brief("image", words, model=model, seed=seed))
        for score in asset.scorecard.scores:
            if score.better != "neither" and score.name not in BESIDE:
                found.setdefault(score.name, []).append(score)
    return {
        name: (fmean(score.value for score in scores), scores[0].better)
        for name, scores in found.items()
        if len(scores) == len(PROMPTS)
    }


def _losses(means: list[dict[str, tuple[float, str]]]) -> dict[str, float]:
    """How much worse the first is than the second in each score, as a share of the second; below 0 it is better."""
    (first, second), losses = means, {}
    for name in first.keys() & second.keys():
        (ours, better), (theirs, _) = first[name], second[name]
        losses[name] = (theirs - ours if better == "higher" else ours - theirs) / max(abs(theirs), 1e-9)
    return losses


@bench("image.batch")
def batch(place: Place) -> list[Figure]:
    """Pictures a second of the studio's engine at batch 4, against plain diffusers making the same four.

    Both draw the same seeds of the same random weights. The studio keeps the prompt's embeddings, lays
    convolutions out channels-last and makes no preview; diffusers' call is as its documentation shows it.
    """
    import torch

    model = _random_pipeline(place.folder / "random-sd")
    engine = _engine(model, place)
    from diffusers import StableDiffusionPipeline

    plain = StableDiffusionPipeline.from_pretrained(
        model.folder, safety_checker=None, requires_safety_checker=False
    )
    plain.set_progress_bar_config(disable=True)
    size = {"width": BATCH_SIDE, "height": BATCH_SIDE}

    def studio_four() -> float:
        options = {"steps": BATCH_STEPS, "previews": False, **size}
        brief = Brief("image", PROMPT, options=options, seed=1, count=BATCH)
        return BATCH / _timed(lambda: _drawn(engine, brief))

    def plain_four() -> float:
        seeds = [torch.Generator().manual_seed(1 + place) for place in range(BATCH)]
        return BATCH / _timed(
            lambda: plain(
                PROMPT, num_inference_steps=BATCH_STEPS, num_images_per_prompt=BATCH, generator=seeds, **size
            )
        )

    ours, base, ratio = paired(studio_four, plain_four)
    engine.close()
    note = (
        f"{'a hundredth of the net; ' if SMALL else ''}{BATCH_SIDE} px, {BATCH_STEPS} steps, random weights"
    )
    return [
        Figure("image.batch", ours, "pictures/s", RUNS, "> 1 × plain diffusers", ratio > 1, base, ratio, note)
    ]


def _drawn(engine: Any, brief: Brief) -> list[Draft]:
    job = Job("bench", brief, "bench", "running", datetime.now(UTC))
    return [step for step in engine.generate(job) if isinstance(step, Draft)]


def _engine(model: Model, place: Place) -> Any:
    from studio.engines.devices import cpu
    from studio.engines.image_diffusers import Diffusers

    engine = Diffusers(model, replace(cpu()), Settings.read(home=place.folder, device="cpu"))
    engine.load()
    return engine


def _random_pipeline(folder: Path) -> Model:
    """A folder with Stable Diffusion 1.5's architecture (860 M parameters) and random weights."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    small = SMALL
    blocks = (32, 64, 64, 64) if small else (320, 640, 1280, 1280)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64, block_out_channels=blocks, cross_attention_dim=64 if small else 768,
        attention_head_dim=8, norm_num_groups=32,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32) if small else (128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
    )  # fmt: skip
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=600, hidden_size=64 if small else 768, intermediate_size=256 if small else 3072,
            num_hidden_layers=2 if small else 12, num_attention_heads=4 if small else 12, bos_token_id=0,
            eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        unet=unet, vae=vae, text_encoder=text, tokenizer=_letters(folder.parent, CLIPTokenizer),
        scheduler=PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, skip_prk_steps=True),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    return Model(
        name=folder.name, kind="image", engine="image_diffusers", title="Random Stable Diffusion", summary="", licence="MIT",
        licence_url="", commercial="yes", revision="1", memory_mb=3500, folder=folder,
    )  # fmt: skip


def _letters(scratch: Path, cls: Any) -> Any:
    """A CLIP tokenizer that knows letters: its vocabulary does not matter to speed."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    (scratch / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (scratch / "merges.txt").write_text("#version: 0.2\n")
    return cls(str(scratch / "vocab.json"), str(scratch / "merges.txt"), model_max_length=77)
