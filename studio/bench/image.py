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
from typing import Any

from studio.bench.base import RUNS, Figure, Place, bench, paired
from studio.catalog import Catalog, Model
from studio.engines.devices import fast_bfloat16
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Progress

MODEL = "signet-sticker"
PROMPT = "a red apple on a plate"
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
    """Seconds from the words to a live preview, against a finished and sealed picture of all steps.

    There is no distilled model yet: live mode is few steps of the same one, and nothing is kept.
    """
    seeds = iter(range(1000))
    with _studio(place) as studio:
        quick = {"live": True, "steps": 6}
        ours, base, ratio = paired(
            lambda: _timed(lambda: _preview(studio, next(seeds), quick)),
            lambda: _timed(lambda: studio.make(Brief("image", PROMPT, model=MODEL, seed=next(seeds)))),
        )
    note = "few steps of the full model, shown and not kept; scores not compared"
    reach = "≥ 5 × faster than the teacher"
    return [Figure("image.live", ours, "s", RUNS, reach, ratio <= 0.2, base, ratio, note)]


def _preview(studio: Studio, seed: int, options: dict[str, Any]) -> bytes:
    shown = [
        event.preview
        for event in studio.run(Brief("image", PROMPT, model=MODEL, seed=seed, options=options))
        if isinstance(event, Progress) and isinstance(event.preview, bytes)
    ]
    return shown[-1]


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
