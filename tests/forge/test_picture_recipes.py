"""Each picture recipe for a few steps: the loss falls, and what it wrote loads again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from test_pictures import write_data

from studio.errors import BadInput, ModelBroken
from studio.forge.base import recipes
from studio.forge.track import Track, read_curve
from studio.options import read_options


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder, 24)
    return folder


def run(name: str, data: Path, folder: Path, **options: Any) -> Path:
    recipe = recipes.lookup(name)
    read: Any = read_options(recipe.Options, {"batch_size": 8, "warmup_steps": 0, "ema": 0.5} | options)
    return recipe().run(data, read, Track(folder, listen=lambda line: None))


@pytest.fixture(scope="module")
def autoencoder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run("pretrain_autoencoder", data, tmp_path_factory.mktemp("ae"), epochs=6, learning_rate=0.003)


def fell(folder: Path, factor: float) -> bool:
    curve = read_curve(folder)["epoch/model"]
    return curve[-1][1] < factor * curve[0][1]


@pytest.mark.recipe("pretrain_autoencoder")
def test_the_autoencoder_learns_and_loads(autoencoder: Path) -> None:
    from studio.nets.autoencoder import Autoencoder

    assert fell(autoencoder.parent, 0.7)
    model = Autoencoder.from_pretrained(autoencoder)
    latents = model.encode(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert latents.shape == (2, 16, 8, 8) and latents.abs().max() <= 1
    torch.testing.assert_close(model.denormalise(model.normalise(latents)), latents)
    assert not torch.equal(model.std, torch.ones(16))  # measured, not the initial values


def test_a_frozen_encoder_keeps_its_latents_while_critic_and_decoder_learn(
    data: Path, autoencoder: Path, tmp_path: Path
) -> None:
    from studio.nets.autoencoder import Autoencoder

    again = run(
        "pretrain_autoencoder",
        data,
        tmp_path,
        epochs=2,
        start_from=str(autoencoder),
        freeze_encoder=True,
        critic_from=1,
    )
    before, after = Autoencoder.from_pretrained(autoencoder), Autoencoder.from_pretrained(again)
    for name, value in before.state_dict().items():
        same = torch.equal(value, after.state_dict()[name])
        assert same == (not name.startswith("decoder")), name
    assert "epoch/critic" in read_curve(tmp_path)


@pytest.mark.recipe("pretrain_diffusion")
def test_the_transformer_learns_and_loads(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    from studio.nets.transformer import StickerTransformer

    small = {"width": 32, "depth": 2, "heads": 2, "epochs": 12, "learning_rate": 0.005, "show_every": 12}
    folder = run("pretrain_diffusion", data, tmp_path, autoencoder=str(autoencoder), **small)
    assert fell(tmp_path, 0.95) and list(tmp_path.glob("drawn-*.png"))
    model = StickerTransformer.from_pretrained(folder)
    x, mask = torch.randn(2, 16, 8, 8), torch.zeros(2, 16, dtype=torch.bool)
    out = model(x, torch.rand(2), torch.zeros(2, 16, 384), mask, torch.zeros(2, dtype=torch.long))
    assert out.shape == x.shape and torch.isfinite(out).all()


@pytest.mark.recipe("pretrain_align")
def test_signet_align_learns_and_loads(data: Path, tmp_path: Path) -> None:
    from studio.nets.align import Aligner

    folder = run("pretrain_align", data, tmp_path, epochs=6, learning_rate=0.002)
    assert fell(tmp_path, 1.0) and "valid/recall_at_5" in read_curve(tmp_path)
    vectors = Aligner.from_pretrained(folder).picture(torch.zeros(1, 3, 64, 64))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(1))


def test_the_upscaler_begins_as_a_smooth_enlargement_and_mixes_only_what_is_near() -> None:
    from studio.nets.upscaler import Upscaler

    torch.manual_seed(0)
    model = Upscaler(width=8, depth=1).eval()
    ramp = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    enlarged = torch.nn.functional.interpolate(ramp, scale_factor=8, mode="bilinear")
    with torch.no_grad():
        drawn = model(ramp)
        assert drawn.shape == (1, 4, 128, 128)
        assert (drawn[:, :3] - enlarged).abs().max() < 0.12
        torch.nn.init.zeros_(model.source.weight)
        torch.nn.init.normal_(
            model.weights.weight, std=5.0
        )  # whatever it learnt, colours are mixed, not made
        mixed = model(ramp)[0, 0]
    low = (
        -torch.nn.functional.max_pool2d(-ramp[:, :1], 3, 1, 1)[0, 0]
        .repeat_interleave(8, 0)
        .repeat_interleave(8, 1)
    )
    high = (
        torch.nn.functional.max_pool2d(ramp[:, :1], 3, 1, 1)[0, 0]
        .repeat_interleave(8, 0)
        .repeat_interleave(8, 1)
    )
    assert (mixed >= low - 1e-5).all() and (mixed <= high + 1e-5).all()


@pytest.mark.parametrize("name", ["pretrain_diffusion", "pretrain_upscaler"])
def test_without_an_autoencoder_they_say_what_to_train_first(name: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="train it with pretrain_autoencoder"):
        run(name, data, tmp_path)


def test_parts_come_from_whole_folders_of_this_machine(data: Path, autoencoder: Path, tmp_path: Path) -> None:
    def begin(coder: Path | str, **more: Any) -> None:
        run("pretrain_diffusion", data, tmp_path / "run", autoencoder=str(coder), **more)

    with pytest.raises(BadInput, match="holds no model; give the folder that pretrain_autoencoder wrote"):
        begin("nobody/nothing")  # no hub is asked
    pickled = tmp_path / "pickled"
    shutil.copytree(autoencoder, pickled, ignore=shutil.ignore_patterns("*.safetensors"))
    (pickled / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match="holds no model"):
        begin(pickled)
    torn = tmp_path / "torn"
    shutil.copytree(autoencoder, torn)
    weights = torn / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelBroken):
        begin(torn)
    with pytest.raises(BadInput, match="does not fit StickerTransformer"):
        begin(autoencoder, start_from=str(autoencoder))
