from __future__ import annotations

import errno
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tiny_lm import tiny_folder, write_rows

from studio.catalog import Catalog
from studio.errors import BadInput, ModelBroken, NotFound, StorageFull
from studio.forge.finetune_lm import FinetuneLm, LanguageOptions
from studio.forge.track import Track
from studio.options import read_options
from studio.provenance.licence import note_for
from studio.proving import TOLERANCE
from studio.publish import Wish, publish
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief

WISH = Wish("harbour", "Harbour", "Sells in one voice.", data_licence="CC-BY-4.0", base_licence="Apache-2.0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("publish")
    base, data = tiny_folder(root / "tiny"), write_rows(root / "rows.jsonl")
    options = {"base": str(base), "epochs": 6, "learning_rate": 0.01, "batch_size": 8}
    track = Track(root / "run", listen=lambda line: None)
    FinetuneLm().run(data, read_options(LanguageOptions, options), track)
    return root / "run"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "checkpoints").mkdir()
    return Settings(home=tmp_path / "home", checkpoints=tmp_path / "checkpoints")


def test_a_trained_model_is_in_the_catalog_at_once_and_writes(run: Path, settings: Settings) -> None:
    model = publish(settings, run, WISH)
    names = [file.path for file in model.files]
    assert names[:2] == list(TOLERANCE) and "adapter.gguf" in names
    assert model.engine == "text_llama" and model.licence == "Apache-2.0" and model.commercial == "yes"
    assert [(one.name, one.licence) for one in model.data] == [("rows.jsonl", "CC-BY-4.0")]
    card = (model.folder / "card.md").read_text()
    assert "held-out perplexity" in card and "finetune_lm" in card and "Made with tiny (Apache-2.0)" in card
    assert not (settings.checkpoints / ".staging").exists()
    with Studio(settings) as studio:
        brief = Brief(
            "text", "Sell a red lamp", model="harbour", options={"max_tokens": 24, "temperature": 0.0}, seed=1
        )
        (asset,) = [one for one in studio.run(brief) if isinstance(one, Asset)]
        body = asset.path.read_text("utf-8")
        assert "keeps for 7 years" in body, body[:900]
        # The lineage goes into the credential of what it makes.
        assert any(
            "rows.jsonl" in source and "CC-BY-4.0" in source for source in asset.credential.licence.sources
        )


def test_licences_are_asked_for_and_combined(run: Path, settings: Settings) -> None:
    for wish, told in (
        (Wish("a", base_licence="MIT"), r"training data 'rows\.jsonl'.*data_licence"),
        (Wish("a", data_licence="MIT"), r"the base model is \(base_licence\)"),
        (Wish("a", data_licence="my own!", base_licence="MIT"), "not an SPDX licence id"),
        (Wish("A b", data_licence="MIT", base_licence="MIT"), "small letters"),
    ):
        with pytest.raises(BadInput, match=told):
            publish(settings, run, wish)
    assert list(settings.checkpoints.iterdir()) == []
    strict = publish(settings, run, Wish("strict", data_licence="MIT", base_licence="CC-BY-NC-4.0"))
    assert strict.licence == "CC-BY-NC-4.0" and strict.commercial == "no"
    doubt = publish(settings, run, Wish("doubt", data_licence="LicenseRef-unknown", base_licence="MIT"))
    assert doubt.commercial == "unknown"
    note = note_for(doubt, Catalog.read(settings).get)
    assert note.commercial == "unknown" and any("rows.jsonl" in source for source in note.sources)


def test_what_people_write_cannot_break_the_catalog(run: Path, settings: Settings) -> None:
    nasty = 'x"]\n[evil]\nkind = "text" \x00\u2028 é'
    model = publish(
        settings, run, Wish("nasty", nasty, nasty, data_licence="MIT", base_licence="MIT", attribution=nasty)
    )
    assert set(Catalog.read(settings).names) == {"nasty"} and model.title.startswith('x"]')
    tomllib.loads((model.folder / "model.toml").read_text("utf-8"))


def test_a_name_that_is_taken_is_refused(run: Path, settings: Settings) -> None:
    publish(settings, run, WISH)
    with pytest.raises(BadInput, match="already"):
        publish(settings, run, WISH)


def test_a_file_that_computes_something_else_is_not_published(
    run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.forge import publish_lm

    stage = publish_lm._write_files

    def staged(*how: Any) -> Any:
        found = stage(*how)
        for probe in found.probes:
            probe.logits[:] = probe.logits[:, ::-1]
        return found

    monkeypatch.setattr(publish_lm, "_write_files", staged)
    with pytest.raises(ModelBroken, match="something else .* nothing was published"):
        publish(settings, run, WISH)
    assert list(settings.checkpoints.iterdir()) == []


def test_what_is_not_a_finished_run_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(BadInput, match="no finished language model"):
        publish(settings, tmp_path, WISH)
    with pytest.raises(NotFound):
        Catalog.read(settings).get("harbour")


def test_four_bits_that_lose_too_much_are_left_out_and_the_card_says_so(
    run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCE, "model-q4_1.gguf", -1.0)
    model = publish(settings, run, WISH)
    names = [file.path for file in model.files]
    assert names[0] == "model-q8_0.gguf" and "model-q4_1.gguf" not in names
    assert not (model.folder / "model-q4_1.gguf").exists()
    assert "left out: four bits lose too much" in (model.folder / "card.md").read_text("utf-8")


def test_a_full_disk_leaves_no_trace(run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.forge import publish_lm

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish_lm, "write_gguf", full)
    with pytest.raises(StorageFull, match="The disk is full"):
        publish(settings, run, WISH)
    assert list(settings.checkpoints.iterdir()) == []


def test_a_tokenizer_without_a_place_in_gguf_goes_to_transformers(
    run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.forge import publish_lm

    def refuse(*_: Any) -> None:
        raise BadInput("Only byte-pair tokenizers")

    monkeypatch.setattr(publish_lm, "check_gguf", refuse)
    model = publish(settings, run, WISH)
    assert model.engine == "text_transformers" and "model.safetensors" in [file.path for file in model.files]
