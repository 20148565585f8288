"""Light tokenizers give the tokens of the engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.catalog import Catalog, Model
from studio.engines.tokens import light_tokenizer
from studio.errors import ModelBroken, ModelMissing
from studio.settings import Settings

TEXTS = ["Hello world, it's 2024!", "  two  spaces\n\n\ttab", "naïve 你好 😀 שלום", "a<|im_end|>b", ""]


@pytest.fixture(scope="module")
def model() -> Model:
    return Catalog.read(Settings.read({})).get("smollm2-135m")


@pytest.mark.real
def test_a_gguf_vocabulary_tokenises_as_text(model: Model) -> None:
    from studio.engines.llama_model import LlamaModel

    tokenize = light_tokenizer(Catalog.read(Settings.read({})).require("smollm2-135m"))
    llama = LlamaModel(model.folder / "model.gguf", vocabulary_only=True)
    for text in TEXTS:
        assert b"".join(map(llama.piece, tokenize(text))).decode() == text


def test_a_tokenizer_file_does_too(model: Model, tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    raw = Tokenizer(
        models.BPE({letter: i for i, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}, [])
    )
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    raw.enable_truncation(3)
    raw.save(str(tmp_path / "tokenizer.json"))
    tokenize = light_tokenizer(replace(model, folder=tmp_path))
    for text in TEXTS:
        assert raw.decode(tokenize(text), skip_special_tokens=False) == text
        assert len(tokenize(text)) == len(text.encode())


def test_what_is_not_there_or_damaged_is_said(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no tokenizer"):
        light_tokenizer(replace(model, folder=tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelBroken):
        light_tokenizer(replace(model, folder=tmp_path))


def test_tokenizers_of_all_language_models_are_opened_once(model: Model, tmp_path: Path) -> None:
    import json

    from studio.engines.tokens import Tokenizers

    vocabulary = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}
    for name, content in (("good", json.dumps({"version": "1.0", "model": vocabulary})), ("broken", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(content)
    entry = replace(model, files=(), source={"type": "folder"})
    models = [replace(entry, name=name, folder=tmp_path / name) for name in ("good", "broken", "absent")]
    builtin = replace(entry, name="echo-text", source={"type": "builtin"})

    class Few(Catalog):
        def ready(self, name: str) -> bool:
            return name != "absent"

    tokenizers = Tokenizers(Few(Settings.read({}), {one.name: one for one in [*models, builtin]}))
    (tokenize,) = tokenizers()
    assert tokenize("a") == [0] and tokenizers() == (tokenize,)
