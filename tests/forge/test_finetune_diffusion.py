"""LoRA on a dozen pictures: the held-out loss falls, and what was kept loads where it is used."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from studio.catalog import Model
from studio.engines.devices import cpu
from studio.engines.image_diffusers import Diffusers
from studio.errors import BadInput, ModelBroken
from studio.forge.finetune_diffusion import FinetuneDiffusion, PictureOptions
from studio.forge.track import Track, read_curve
from studio.options import read_options
from studio.settings import Settings
from studio.types import Brief, Draft, Job

sys.path.append(str(Path(__file__).parents[1] / "engines"))
from tiny_diffusion import save_tiny_pipeline  # noqa: E402

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of one thing, a coloured disc on yellow, with captions beside them."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        colour = COLOURS[number % 3]
        picture = Image.new("RGB", (80, 64), "yellow")
        ImageDraw.Draw(picture).ellipse((20 + number, 12, 60 + number, 52), fill=colour)
        picture.save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"a {colour} disc", "utf-8")
    return folder


def run(data: Path, folder: Path, base: Path, lines: list[str] | None = None, **options: Any) -> Path:
    given = {"base": str(base), "epochs": 30, "rank": 4, "learning_rate": 0.02, "warmup_steps": 0}
    read = read_options(PictureOptions, given | options)
    return FinetuneDiffusion().run(
        data, read, Track(folder, listen=(lines if lines is not None else []).append)
    )


@pytest.mark.recipe("finetune_diffusion")
def test_stable_diffusion_learns_and_its_lora_draws_in_the_image_engine(
    pictures: Path, tmp_path: Path
) -> None:
    base = save_tiny_pipeline(tmp_path / "base")
    lines: list[str] = []
    result = run(pictures, tmp_path / "run", base, lines)
    curve = read_curve(tmp_path / "run")["valid/loss"]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert min(value for _, value in curve) < curve[0][1]
    assert report["loss_after"] < report["loss_before"] and "Held-out loss" in lines[-1]
    (tmp_path / "discs").symlink_to(result, target_is_directory=True)  # where a published LoRA lies
    settings = Settings(home=tmp_path / "home", checkpoints=tmp_path, device="cpu")
    entry = Model(
        name="tiny", kind="image", engine="image_diffusers", title="Tiny", summary="", licence="MIT",
        licence_url="", commercial="yes", revision="1", memory_mb=10, folder=base,
    )  # fmt: skip
    engine = Diffusers(entry, cpu(), settings)
    engine.load()

    def draw(**options: Any) -> np.ndarray:
        brief = Brief("image", "a red disc", options={"steps": 2} | options, seed=5)
        job = Job("j1", brief, "me", "running", datetime.now(UTC))
        (draft,) = [step for step in engine.generate(job) if isinstance(step, Draft)]
        return np.asarray(draft.payload)

    before = draw()
    assert not np.array_equal(before, draw(lora="discs"))
    assert np.array_equal(before, draw())
    engine.close()
    record = json.loads((tmp_path / "run" / "lineage.json").read_text())
    assert record["base"] == [str(base)] and record["data"] == []


def test_the_sticker_pipeline_learns_and_is_kept_whole(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.forge.publish_sticker import publish
    from studio.nets.autoencoder import Autoencoder
    from studio.nets.sticker_pipeline import SignetStickerPipeline
    from studio.nets.transformer import StickerTransformer
    from studio.nets.upscaler import Upscaler

    torch.manual_seed(0)
    drawer = StickerTransformer(width=32, depth=2, heads=2)
    zero_at_birth = [
        layer.modulation.weight for layer in drawer.layers
    ]  # through which nothing would be learnt
    for parameter in (drawer.leave.weight, drawer.last.weight, *zero_at_birth):
        torch.nn.init.normal_(parameter, std=0.1)
    publish(tmp_path / "base", {"transformer": drawer, "vae": Autoencoder(), "upscaler": Upscaler()})
    plain = SignetStickerPipeline.from_pretrained.__func__
    monkeypatch.setattr(
        SignetStickerPipeline,
        "from_pretrained",
        classmethod(
            lambda cls, folder, **more: plain(cls, folder, text_encoder=None, tokenizer=None, **more)
        ),
    )

    def encode(self: Any, prompts: Any) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [torch.Generator().manual_seed(len(prompt)) for prompt in prompts]
        states = torch.stack([torch.randn(16, 384, generator=rng) for rng in rows])
        return states, torch.tensor([[bool(prompt)] * 16 for prompt in prompts])

    monkeypatch.setattr(SignetStickerPipeline, "encode_prompt", encode)
    result = run(pictures, tmp_path / "run", tmp_path / "base")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["loss_after"] < report["loss_before"]
    loaded = SignetStickerPipeline.from_pretrained(result)
    old, new = drawer.float().state_dict(), loaded.transformer.float().state_dict()
    assert old.keys() == new.keys()
    changed = {name for name in old if not torch.allclose(old[name], new[name], atol=1e-2)}
    assert changed and all(name.rsplit(".", 2)[1] in ("qkv", "out", "up", "down") for name in changed)


def test_text_and_pickles_are_refused(pictures: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jsonl"
    text.write_text("".join(json.dumps({"text": f"number {n}"}) + "\n" for n in range(6)), "utf-8")
    with pytest.raises(BadInput, match="holds text; give a folder of pictures"):
        run(text, tmp_path / "a", tmp_path)
    base = save_tiny_pipeline(tmp_path / "base")
    torch.save({"a": torch.zeros(2)}, base / "unet" / "more.bin")
    with pytest.raises(ModelBroken, match="pickle"):
        run(pictures, tmp_path / "b", base)
    (base / "unet" / "more.bin").unlink()
    index = json.loads((base / "model_index.json").read_text())
    (base / "model_index.json").write_text(json.dumps(index | {"_class_name": "FluxPipeline"}))
    with pytest.raises(BadInput, match="cannot be trained on a FluxPipeline yet"):
        run(pictures, tmp_path / "c", base)
