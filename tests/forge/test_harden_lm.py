from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_lm import load_in_engine

from studio.forge.data import read_data
from studio.forge.data_rows import Example
from studio.forge.finetune_lm import trainable
from studio.forge.harden_lm import HardenLm, HardenOptions, HardenTask
from studio.forge.lm_attack import Attack, attacked_loss, worst
from studio.forge.lm_base import load_base
from studio.forge.lm_noise import noisy, synonyms, with_synonyms, with_typos
from studio.forge.lm_task import Batch, collate, encode, token_logits, token_losses
from studio.forge.track import Track, read_curve
from studio.nets.lora import causal
from studio.options import read_options


def quiet(folder: Path) -> Track:
    return Track(folder, listen=lambda line: None)


def batch_of(pairs: Path, taught: Path) -> tuple[Any, Batch]:
    base = load_base(str(taught))
    return base.model, collate(
        [encode(base.tokenizer, one, 256) for one in read_data(pairs).examples[:4]], "cpu"
    )


@pytest.mark.recipe("harden_lm")
def test_hardening_lowers_the_attacked_loss_and_keeps_the_clean_one(
    pairs: Path, taught: Path, tmp_path: Path
) -> None:
    given = {"base": str(taught), "radius": 0.2, "epochs": 4, "learning_rate": 0.002, "method": "full"}
    folder = HardenLm().run(pairs, read_options(HardenOptions, given), quiet(tmp_path))
    curve = read_curve(tmp_path)["epoch/model"]
    assert curve[-1][1] < 0.95 * curve[0][1]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["attacked_loss_before"] > 1.5 * report["clean_loss_before"]  # it was worth hardening
    assert report["attacked_loss_after"] < 0.85 * report["attacked_loss_before"]
    assert report["clean_loss_after"] < 1.03 * report["clean_loss_before"]
    assert {"perplexity_typos_after", "perplexity_synonyms_after"} <= report.keys()
    assert load_in_engine(folder, tmp_path).tokenizer.chat_template


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_the_start_predicts_stays_while_the_model_learns(pairs: Path, taught: Path, method: str) -> None:
    base = load_base(str(taught))
    examples = [encode(base.tokenizer, one, 256) for one in read_data(pairs).examples[:4]]
    options = read_options(HardenOptions, {"method": method, "taught": 1.0, "clean_share": 0.0})
    task = HardenTask(trainable(base.model, options), examples, {"train": np.arange(4)}, options)
    assert task.start is not None
    batch = task.batch(np.arange(4))
    before = task.start(batch)
    torch.testing.assert_close(before, token_logits(causal(task.nets["model"]), batch).softmax(-1))
    optimizer = torch.optim.Adam([p for p in task.nets["model"].parameters() if p.requires_grad], lr=0.01)
    for step in range(2):  # the first only moves B, which begins at zero
        loss = task.loss("model", np.arange(4), torch.Generator(), step)
        assert loss is not None
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(task.start(batch), before)
    now = token_logits(causal(task.nets["model"]), batch).softmax(-1)
    assert not torch.allclose(now, before, atol=1e-3)


def test_where_nothing_moves_the_start_itself_is_the_best_pupil(pairs: Path, taught: Path) -> None:
    model, batch = batch_of(pairs, taught)
    start = token_logits(model, batch).softmax(-1).detach()
    still = Attack("fgm", radius=0.0, clean_share=0.0, taught=1.0)
    loss = attacked_loss(model, batch, still, torch.Generator(), start)
    entropy = -(start * start.log()).sum(-1).mean()
    torch.testing.assert_close(loss, entropy)
    loss.backward()
    assert max(float(one.grad.abs().max()) for one in model.parameters()) < 1e-5


@pytest.mark.parametrize("attack", ["fgm", "pgd", "freelb", "neftune", "none"])
def test_every_attack_gives_a_loss_with_gradients(pairs: Path, taught: Path, attack: str) -> None:
    model, batch = batch_of(pairs, taught)
    against = Attack(attack, radius=0.2, clean_share=0.0)
    loss = attacked_loss(model, batch, against, torch.Generator().manual_seed(0))
    clean = token_losses(model, batch).mean()
    assert torch.isclose(loss, clean) if attack == "none" else loss > clean
    loss.backward()
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in model.parameters())


def test_the_attack_stays_in_its_ball_off_the_padding_and_beats_chance(pairs: Path, taught: Path) -> None:
    model, batch = batch_of(pairs, taught)
    batch = replace(batch, mask=batch.mask.clone())
    batch.mask[0, -3:] = 0
    clean = model.get_input_embeddings()(batch.ids).detach()
    moved_by = worst(model, batch, 0.1, 5, 0.6)
    bound = 0.1 * (clean.norm(dim=-1) * batch.mask).sum(1) / batch.mask.sum(1).float().sqrt()
    sizes = moved_by.flatten(1).norm(dim=1)
    assert (sizes <= bound * 1.001).all() and (moved_by[0, -3:] == 0).all()
    chance = torch.randn_like(clean) * batch.mask[..., None]
    chance = chance * (bound / chance.flatten(1).norm(dim=1))[:, None, None]
    with torch.no_grad():
        by_attack, by_chance = (token_losses(model, batch, clean + one).mean() for one in (moved_by, chance))
    assert by_attack > by_chance


TEXT = "Write a product blurb for a copper kettle and a warm woollen blanket"


def test_typos_and_synonyms_are_by_seed_and_change_the_words() -> None:
    one, again = (with_typos(TEXT, random.Random(3), 1.0) for _ in range(2))
    assert one == again != TEXT and len(one.split()) == len(TEXT.split())
    swapped = with_synonyms(TEXT, random.Random(1)).split()
    assert swapped[0] in {"Draft", "Compose"} and swapped[1] == "a" and swapped[6] == "copper"
    groups = synonyms()
    assert all(word in groups[other] for word, others in groups.items() for other in others)
    assert all(groups.values())


def test_what_is_to_be_written_stays_as_it_was() -> None:
    pair = noisy(
        Example("a:1", "The answer stays exactly.", "Describe the sturdy kettle please"), with_synonyms, 0
    )
    assert pair.text == "The answer stays exactly." and pair.prompt != "Describe the sturdy kettle please"
    text = noisy(Example("a:1", TEXT), lambda text, rng: text.upper(), 0).text
    assert text.lower() == TEXT.lower() and text.startswith("WRITE") and text.endswith("blanket")


@given(text=st.text(max_size=60), seed=st.integers(0, 99), share=st.floats(0, 1))
def test_typos_touch_letters_only(text: str, seed: int, share: float) -> None:
    spoilt = with_typos(text, random.Random(seed), share)

    def rest(text: str) -> list[str]:
        return [c for c in text if not (c.isascii() and c.isalpha())]

    assert rest(spoilt) == rest(text)
