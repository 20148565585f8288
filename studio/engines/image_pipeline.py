"""A diffusers pipeline from a folder, without running code that came with it.

Read: safetensors weights and JSON. Refused: pickles, Python files' classes, components from any library
but diffusers, transformers and the studio's own. Nothing is fetched here: `models pull` does that, at a
pinned revision.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from studio.catalog import Model, pull_command
from studio.engines.image_memory import Plan
from studio.engines.image_options import SCHEDULERS
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.formats import PICKLE_SUFFIXES, check_weights

# The studio's own pipelines: a folder whose model_index.json names one of these classes is loaded by it.
# The code lives in this package, so a folder never has to bring any, and `trust_remote_code` stays off.
# Value: "module:Class"; the class has diffusers' `from_pretrained(folder, dtype=…)` and `__call__`.
LOCAL_PIPELINES: dict[str, str] = {
    "SignetStickerPipeline": "studio.nets.sticker_pipeline:SignetStickerPipeline",
}

_LIBRARIES = ("diffusers", "transformers")


def load_pipeline(model: Model, plan: Plan) -> Any:
    """The pipeline in memory at the plan's precision, still on the processor.

    Raises ModelMissing without a model_index.json, ModelBroken for anything damaged or unsafe.
    """
    import diffusers
    import torch
    import transformers

    name = check_folder(model)
    for library in (diffusers, transformers):  # their bars would be printed into the worker's log
        library.utils.logging.disable_progress_bar()
    dtype = getattr(torch, plan.dtype)
    try:
        if name in LOCAL_PIPELINES:
            module, _, cls = LOCAL_PIPELINES[name].partition(":")
            pipeline = getattr(import_module(module), cls).from_pretrained(str(model.folder), dtype=dtype)
        else:
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                str(model.folder), dtype=dtype, use_safetensors=True, local_files_only=True,
                trust_remote_code=False, low_cpu_mem_usage=True,
            )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, ImportError) as error:
        why = str(error).strip().split("\n")[0][:200]
        raise ModelBroken(
            f"{model.title} cannot be loaded ({why}); pull it again: {pull_command(model)}"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def check_folder(model: Model) -> str:
    """The pipeline class that the folder names, once everything in it is known to be safe to read."""
    index = model.folder / "model_index.json"
    if not index.is_file() and any(model.folder.rglob("*.safetensors")):
        raise ModelBroken(
            f"{model.title} is no pipeline of diffusers: its folder has weights and no model_index.json; choose one that has."
        )
    if not index.is_file():
        raise ModelMissing(f"{model.title} is not here; get it with: {pull_command(model)}")
    try:
        entries = json.loads(index.read_text("utf-8"))
        name = entries["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelBroken(
            f"model_index.json of {model.title} cannot be read; pull the model again."
        ) from error
    if not isinstance(name, str):
        raise ModelBroken(
            f"{model.title} wants to bring pipeline code of its own, which the studio does not run."
        )
    for part, value in entries.items():
        library = value[0] if isinstance(value, list) and value else None
        if not part.startswith("_") and library is not None and not _is_known(library):
            raise ModelBroken(
                f"{model.title} takes its {part} from the library {str(library)[:40]!r}, which is not one the studio trusts."
            )
    for path in sorted(p for p in model.folder.rglob("*") if p.is_file()):
        suffix = path.suffix.lower()
        if suffix in PICKLE_SUFFIXES | {".bin"}:
            raise ModelBroken(
                f"{model.title} holds {path.name}, a pickle, which can run code when loaded; use its safetensors version."
            )
        if suffix == ".safetensors":
            check_weights(path)
    return name


def _is_known(library: object) -> bool:
    """diffusers and transformers, a module of diffusers' pipelines, or the studio's own nets."""
    if not isinstance(library, str):
        return False
    if library in _LIBRARIES or library.startswith(("studio.engines.", "studio.nets.")):
        return True
    from diffusers import pipelines

    return library.isidentifier() and hasattr(pipelines, library)


def scheduler_for(pipeline: Any, name: str, own: Any) -> Any:
    """The scheduler called `name`, set up like the pipeline's `own` one ("own" is that one itself)."""
    import diffusers

    if name == "own":
        return own
    if not hasattr(own, "compatibles"):
        raise BadInput("This model works with its own scheduler only; set scheduler to own.")
    wanted = getattr(diffusers, SCHEDULERS[name])
    compatible = {cls.__name__ for cls in own.compatibles} | {type(own).__name__}
    if SCHEDULERS[name] not in compatible:
        valid = ", ".join(["own", *(key for key, value in SCHEDULERS.items() if value in compatible)])
        raise BadInput(f"This model does not work with the scheduler {name!r}; choose one of: {valid}.")
    return wanted.from_config(own.config)
