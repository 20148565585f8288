from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_lm import load_in_engine, rows, tiny_folder, write_rows

from studio.errors import BadInput, ModelBroken, NotFound
from studio.forge.data import read_data
from studio.forge.finetune_lm import FinetuneLm, LanguageOptions
from studio.forge.lm_base import load_base
from studio.forge.lm_record import read_lineage
from studio.forge.lm_task import IGNORED, LanguageTask, collate, encode, encode_all, prompt_ids, token_losses
from studio.forge.loop import Stopped
from studio.forge.loop.checkpoint import newest
from studio.forge.track import Track, read_curve
from studio.options import read_options


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "rows.jsonl")


def options(base: Path, **changes: Any) -> LanguageOptions:
    given = {"base": str(base), "epochs": 4, "batch_size": 8, "learning_rate": 0.01, "warmup_steps": 2}
    return read_options(LanguageOptions, given | changes)


def quiet(folder: Path, **kinds: Any) -> Track:
    return Track(folder, listen=lambda line: None, **kinds)


@pytest.mark.recipe("finetune_lm")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_loss_falls_and_the_result_loads_in_its_engine(
    base: Path, data: Path, tmp_path: Path, method: str
) -> None:
    folder = FinetuneLm().run(data, options(base, method=method), quiet(tmp_path / "run"))
    curve = read_curve(tmp_path / "run")["valid/loss"]
    assert curve[-1][1] < curve[0][1]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["perplexity_after"] < 0.5 * report["perplexity_before"]
    loaded = load_in_engine(folder, tmp_path)
    one = read_data(data).examples[0]
    ids = torch.tensor([loaded.tokenizer.raw(one.prompt)["input_ids"]])
    again = load_base(str(tmp_path / "run")).model
    torch.testing.assert_close(loaded.model(ids).logits, again(ids).logits)
    assert loaded.tokenizer.chat_template
    lineage = read_lineage(folder)
    assert lineage is not None and lineage.unlisted == "tiny" and lineage.steps[0]["recipe"] == "finetune_lm"
    assert lineage.data[0].licence == ""  # nobody said it, so nobody assumes it


def test_a_lora_state_holds_the_adapter_only_and_the_base_stays(
    base: Path, data: Path, tmp_path: Path
) -> None:
    FinetuneLm().run(data, options(base, epochs=1), quiet(tmp_path))
    state = newest(tmp_path)
    assert state is not None
    whole = (base / "model.safetensors").stat().st_size
    assert (state / "model.safetensors").stat().st_size < whole
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert not (tmp_path / "adapter" / "README.md").exists()


def test_the_loss_is_on_answers_only(base: Path, data: Path) -> None:
    tokenizer = load_base(str(base)).tokenizer
    example = read_data(data).examples[0]
    encoded = encode(tokenizer, example, 256)
    batch = collate([encoded], "cpu")
    learnt = batch.ids[0][batch.labels[0] != IGNORED].tolist()
    assert tokenizer.decode(learnt) == f"{example.text}<|im_end|>"
    assert encoded.ids[: encoded.start] == prompt_ids(tokenizer, example.prompt)
    assert tokenizer.decode(encoded.ids[: encoded.start]).endswith("<|im_start|>assistant\n")


def test_the_short_head_gives_the_losses_of_the_whole_one(base: Path, data: Path) -> None:
    loaded = load_base(str(base))
    batch = collate([encode(loaded.tokenizer, one, 256) for one in read_data(data).examples[:3]], "cpu")
    losses = token_losses(loaded.model, batch)
    wanted = loaded.model(input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels).loss
    torch.testing.assert_close(losses.mean(), wanted)


def test_stop_and_resume_equal_the_uninterrupted_run(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FinetuneLm().run(data, options(base, epochs=2, dropout=0.1), quiet(tmp_path / "whole"))
    track = quiet(tmp_path / "cut")
    learn = LanguageTask.loss

    def stops(self: LanguageTask, net: str, part: Any, rng: torch.Generator, step: int) -> Any:
        if step == 3:
            track.stop.set()
        return learn(self, net, part, rng, step)

    monkeypatch.setattr(LanguageTask, "loss", stops)
    assert FinetuneLm().run(data, options(base, epochs=2, dropout=0.1), track) == tmp_path / "cut"
    monkeypatch.undo()
    again = FinetuneLm().run(data, options(base, epochs=2, dropout=0.1), quiet(tmp_path / "cut", resume=True))
    assert (whole / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


def test_changed_options_are_refused_on_resume(base: Path, data: Path, tmp_path: Path) -> None:
    FinetuneLm().run(data, options(base, steps=1), quiet(tmp_path))
    with pytest.raises(BadInput, match="rank: 8 → 4"):
        FinetuneLm().run(data, options(base, steps=1, rank=4), quiet(tmp_path, resume=True))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = LanguageTask.loss

    def poisoned(self: LanguageTask, net: str, part: Any, rng: torch.Generator, step: int) -> Any:
        loss = learn(self, net, part, rng, step)
        assert loss is not None
        return loss * float("nan") if step == 2 else loss

    monkeypatch.setattr(LanguageTask, "loss", poisoned)
    with pytest.raises(Stopped, match=r"lower learning_rate \(now 0\.01\)"):
        FinetuneLm().run(data, options(base, checkpoint_seconds=0), quiet(tmp_path))
    kept = newest(tmp_path)
    assert kept is not None and kept.name == "step-0000002"


def test_a_pickle_is_refused_as_base(base: Path, data: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            (bad / file.name).write_bytes(file.read_bytes())
    torch.save({"a": torch.zeros(1)}, bad / "pytorch_model.bin")
    with pytest.raises(ModelBroken, match="not safe to load"):
        FinetuneLm().run(data, options(bad), quiet(tmp_path / "run"))
    (bad / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes())
    with pytest.raises(ModelBroken, match="not safe to load"):  # beside good weights, too
        FinetuneLm().run(data, options(bad), quiet(tmp_path / "run"))


def test_what_is_no_language_model_is_refused(data: Path, tmp_path: Path) -> None:
    for name, told in (("nothing-like-it", "choose one of"), ("kokoro-82m", "not a language model")):
        with pytest.raises(NotFound, match=told):
            FinetuneLm().run(data, options(Path(name)), quiet(tmp_path / name))


def test_control_tokens_and_too_long_prompts_are_told_by_line(base: Path, tmp_path: Path) -> None:
    tokenizer = load_base(str(base)).tokenizer
    bad = [*rows()[:4], {"prompt": "Hi<|im_end|>", "answer": "x"}]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in bad))
    with pytest.raises(BadInput, match=r"a\.jsonl:5 spells the control token"):
        encode_all(tokenizer, read_data(file), 256, quiet(tmp_path / "t"))
    with pytest.raises(BadInput, match=r"rows\.jsonl:1: the prompt fills all 8 tokens"):
        encode_all(tokenizer, read_data(write_rows(tmp_path / "rows.jsonl")), 8, quiet(tmp_path / "t"))
