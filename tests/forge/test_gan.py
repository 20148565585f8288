from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_model
from test_pictures import write_data

from studio.forge.gan import Gan, GanOptions, GanTask
from studio.forge.loop.checkpoint import newest
from studio.forge.pictures import PictureData
from studio.forge.pretrain_diffusion import encode_all
from studio.forge.track import Track, read_curve
from studio.nets.autoencoder import Autoencoder
from studio.nets.stylegan import LatentCritic, StyleGenerator, mix
from studio.options import read_options


@pytest.fixture
def generator() -> StyleGenerator:
    torch.manual_seed(0)
    return StyleGenerator(width=32, w=32)


def told(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    words = torch.nn.functional.normalize(torch.randn(count, 384), dim=-1)
    return torch.randn(count, 128), words, torch.ones(count, dtype=torch.long)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_modulating_activations_equals_modulating_kernels(generator: Any) -> None:
    layer = generator.convolutions[0]
    x, w, noise = torch.randn(2, 32, 4, 4), torch.randn(2, 32), torch.zeros(2, 1, 4, 4)
    for i in range(2):
        kernel = layer.weight * layer.scale(w[i : i + 1])[0][None, :, None, None]
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = torch.nn.functional.leaky_relu(
            torch.conv2d(x[i : i + 1], kernel, padding=1) + layer.bias, 0.2
        )
        torch.testing.assert_close(layer(x, w, noise)[i : i + 1], expected, rtol=1e-4, atol=1e-5)


def test_mixing_takes_coarse_layers_from_one_and_fine_ones_from_the_other(generator: Any) -> None:
    one, two = generator.map(*told(2)), generator.map(*told(2))
    mixed = mix(one, two, 2)
    assert torch.equal(mixed[:, :2], one[:, :2]) and torch.equal(mixed[:, 2:], two[:, 2:])
    drawn = [generator.synthesise(w, seeded()) for w in (one, two, mixed, mix(one, two, generator.layers))]
    assert torch.equal(drawn[3], drawn[0])
    assert not torch.allclose(drawn[2], drawn[0]) and not torch.allclose(drawn[2], drawn[1])


def test_a_walk_in_w_is_smooth_and_seeded(generator: Any) -> None:
    a, b = generator.map(*told(1)), generator.map(*told(1))
    steps = [generator.synthesise(torch.lerp(a, b, t), seeded()) for t in torch.linspace(0, 1, 9)]
    jumps = torch.stack([(y - x).norm() for x, y in zip(steps, steps[1:], strict=False)])
    assert jumps.max() < 0.6 * (steps[-1] - steps[0]).norm()
    assert torch.equal(steps[0], generator.synthesise(a, seeded()))


def test_the_critic_reads_words_style_and_spread() -> None:
    torch.manual_seed(0)
    critic = LatentCritic(width=16)
    x, (_, words, style) = torch.randn(4, 16, 8, 8), told(4)
    base = critic(x, words, style)
    assert base.shape == (4,)
    assert not torch.allclose(critic(x, words.roll(1, 0), style), base)
    assert not torch.allclose(critic(x, words, style + 1), base)
    assert not torch.allclose(critic(x[:1].expand_as(x), words, style)[0], base[0])


@pytest.mark.recipe("gan")
def test_the_game_runs_resumes_and_its_generator_loads(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", 24)
    Autoencoder().save_pretrained(tmp_path / "ae")
    options = read_options(
        GanOptions,
        {
            "autoencoder": str(tmp_path / "ae"),
            "batch_size": 8,
            "epochs": 20,
            "width": 32,
            "show_every": 4,
            "learning_rate": 0.0005,
            "r1": 0.2,
        },
    )
    folder = Gan().run(tmp_path / "data", options, Track(tmp_path / "run", listen=lambda line: None))
    curve = read_curve(tmp_path / "run")
    task = GanTask(
        PictureData(tmp_path / "data"), StyleGenerator.from_pretrained(folder), Autoencoder(), options
    )
    task.autoencoder = Autoencoder.from_pretrained(tmp_path / "ae")
    critic = task.nets["critic"]
    load_model(critic, str(newest(tmp_path / "run") / "critic.safetensors"))
    rows = task.rows["train"]
    words, style = task._told(rows, seeded())
    with torch.no_grad():
        drawn = task._draw(words, style, seeded())
        real = encode_all(task.autoencoder, task.data)[rows]
        # Of real and drawn alike it learnt the difference: by 1.2 or more with every seed that was tried.
        assert critic(real, words, style).mean() > critic(drawn, words, style).mean() + 0.3
    # The losses of a game go up and down; how far the drawn are from the real is what falls.
    kernel = [value for _, value in curve["unseen/kernel"]]
    assert kernel[-1] < 0.7 * kernel[0]
    assert list((tmp_path / "run").glob("drawn-*.png"))
    assert StyleGenerator.from_pretrained(folder)(*told(2)).shape == (2, 16, 8, 8)
