"""Language models to start from, and finished ones on disk: always float32 in memory, safetensors on disk.

A base is a catalog entry (a GGUF is de-quantised), a run of the forge, or any local folder in the format of
transformers. What is *not* here: models that bring code of their own, and pickled weights (refused).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.catalog import Catalog
from studio.errors import ModelBroken, ModelMissing, NotFound, StorageFull, is_disk_full
from studio.forge.gguf_read import GgufModel
from studio.forge.lm_record import Lineage, read_lineage
from studio.formats import PICKLE_SUFFIXES, check_weights
from studio.settings import Settings


@dataclass(frozen=True)
class Base:
    """A model of transformers in float32, its tokenizer, and where both come from. `name` is for people."""

    name: str
    model: Any
    tokenizer: Any
    lineage: Lineage


def load_base(name: str, settings: Settings | None = None) -> Base:
    """The base called `name`: a folder, a run, or a catalog entry.

    Raises NotFound, ModelMissing, or ModelBroken for a model that cannot be taken, above all a pickle.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        folder = folder / "model" if (folder / "model" / "config.json").is_file() else folder
        lineage = read_lineage(folder) or Lineage(unlisted=folder.resolve().name)
        return _from_folder(name, folder, lineage)
    catalog = Catalog.read(settings or Settings.read())
    try:
        entry = catalog.get(name)
    except NotFound as error:
        raise NotFound(f"{error} Or give the folder of a model.") from None
    if entry.kind != "text":
        texts = ", ".join(one.name for one in catalog.of_kind("text"))
        raise NotFound(f"{entry.title} is not a language model; choose one of: {texts}, or a folder.")
    catalog.verify(name)
    lineage = Lineage(base=(entry.name,))
    ggufs = [file.path for file in entry.files if file.path.endswith(".gguf")]
    if ggufs:
        file = GgufModel(entry.folder / ggufs[0])
        return Base(name, file.model(), file.tokenizer(), lineage)
    return _from_folder(name, entry.folder, lineage)


def save_model(model: Any, tokenizer: Any, lineage: Lineage, folder: Path) -> None:
    """A whole folder that transformers and the studio's engines load; weights in float16.

    Raises StorageFull and leaves nothing half-written when the disk is full.
    """
    from safetensors import SafetensorError

    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write_model(model, tokenizer, lineage, part)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        if not is_disk_full(error):
            raise
        raise StorageFull(
            f"The disk is full: free some space and resume; {folder.name} was not written."
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _write_model(model: Any, tokenizer: Any, lineage: Lineage, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = model.state_dict()
    tied = model.config.tie_word_embeddings
    kept = {name: one.to(torch.float16).contiguous() for name, one in state.items()}
    kept = {name: one for name, one in kept.items() if not (tied and name == "lm_head.weight")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):
        config.pop(key, None)
    config |= {"architectures": [type(model).__name__], "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", "utf-8")
    tokenizer.save_pretrained(folder)
    lineage.write(folder)


def _from_folder(name: str, folder: Path, lineage: Lineage) -> Base:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    files = [path for path in folder.iterdir() if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]
    for path in files:
        if path in weights or path.suffix.lower() in PICKLE_SUFFIXES | {".bin"}:
            check_weights(path)
    if not weights or not (folder / "config.json").is_file():
        raise ModelMissing(f"{folder} holds no model; it needs config.json and weights in safetensors.")
    try:
        here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **here
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **here)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelBroken(f"The base model {folder.name} cannot be loaded: {reason}") from error
    return Base(name, model, tokenizer, lineage)
