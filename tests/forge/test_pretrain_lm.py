from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_lm import rows

from studio.engines.llama_model import LlamaModel
from studio.errors import BadInput
from studio.forge.lm_base import load_base
from studio.forge.pretrain_lm import END, PretrainLm, PretrainOptions, learn_tokenizer, pack
from studio.forge.track import Track, read_curve
from studio.options import read_options
from studio.publish import Wish, publish
from studio.settings import Settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(8):
        told = rows()[number * 6 : number * 6 + 6]
        (folder / f"{number}.txt").write_text("\n".join(row["answer"] for row in told), "utf-8")
    return folder


def options(**changes: Any) -> PretrainOptions:
    small = {
        "vocabulary": 330, "context": 32, "width": 64, "layers": 2, "heads": 2, "key_heads": 1, "epochs": 25,
        "batch_size": 4, "learning_rate": 0.005, "warmup_steps": 5,
    }  # fmt: skip
    return read_options(PretrainOptions, small | changes)


def quiet(folder: Path) -> Track:
    return Track(folder, listen=lambda line: None)


@pytest.mark.recipe("pretrain_lm")
def test_the_loss_falls_and_the_model_is_published_for_llama_cpp(data: Path, tmp_path: Path) -> None:
    folder = PretrainLm().run(data, options(), quiet(tmp_path / "run"))
    curves = read_curve(tmp_path / "run")
    assert curves["epoch/model"][-1][1] < 0.3 * curves["epoch/model"][0][1]
    assert min(value for _, value in curves["valid/loss"]) < 0.6 * curves["valid/loss"][0][1]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["perplexity"] < 60 and 0 < report["bits_per_byte"] < 4
    base = load_base(str(folder))
    ids = base.tokenizer("This lamp is", return_tensors="pt")["input_ids"]
    out = base.model.generate(
        ids, max_new_tokens=6, do_sample=False, pad_token_id=base.tokenizer.eos_token_id
    )
    assert "red" in base.tokenizer.decode(out[0]) or "keeps" in base.tokenizer.decode(out[0])
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    settings = Settings(home=tmp_path / "home", checkpoints=checkpoints)
    with pytest.raises(BadInput, match=r"the model is \(licence\)"):
        publish(settings, tmp_path / "run", Wish("own", data_licence="CC0-1.0"))
    model = publish(settings, tmp_path / "run", Wish("own", data_licence="CC0-1.0", licence="MIT"))
    assert model.licence == "MIT" and model.base == ()
    loaded = LlamaModel(model.folder / model.files[0].path)
    assert loaded.chat_template is None and loaded.size == len(base.tokenizer)
    loaded.close()


def test_packing_joins_texts_with_an_end_and_loses_only_the_rest() -> None:
    tokenizer = learn_tokenizer([row["answer"] for row in rows()], 330)
    texts = ["One lamp.", f"Two {END} lamps."]
    packed = pack(tokenizer, texts, 4)
    flat = packed.flatten().tolist()
    assert packed.shape[1] == 4 and flat.count(tokenizer.eos_token_id) <= 2  # the spelt one is plain text
    whole = tokenizer(texts[0])["input_ids"] + [tokenizer.eos_token_id]
    assert flat[: len(whole)] == whole


def test_sizes_that_do_not_fit_and_too_little_text_are_refused(data: Path, tmp_path: Path) -> None:
    for changes, told in (
        ({"width": 96}, "multiple of 32 × 2 heads"),
        ({"heads": 2, "key_heads": 4}, "must divide"),
        ({"context": 4096}, "too little text for a single sequence"),
    ):
        with pytest.raises(BadInput, match=told):
            PretrainLm().run(data, options(**changes), quiet(tmp_path / "run"))
    with pytest.raises(BadInput, match="holds one example"):
        PretrainLm().run(data / "0.txt", options(), quiet(tmp_path / "run"))


def test_the_tokenizer_learns_from_the_training_part_alone(data: Path, tmp_path: Path) -> None:
    from studio.forge.data import read_data

    found = read_data(data)
    tested = found.examples[found.split(0)["test"][0]]
    (data / tested.where).write_text("zyzzyva zyzzyva zyzzyva " * 20, "utf-8")
    torch.manual_seed(0)
    folder = PretrainLm().run(data, options(steps=1), quiet(tmp_path / "run"))
    assert not any("zyz" in token for token in load_base(str(folder)).tokenizer.get_vocab())
