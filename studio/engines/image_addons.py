"""What is loaded beside a pipeline: a LoRA, a ControlNet. Safetensors only, never code.

A LoRA may come from the hub by its name; it is then pulled once, with its commit and hashes recorded in
`lock.json` like any model.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from studio.catalog import Model
from studio.errors import BadInput, ModelBroken, NotFound
from studio.formats import check_weights
from studio.hub import pull_hub
from studio.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,79}")
_HUB = re.compile(r"([A-Za-z0-9_][\w.-]{0,79})/([A-Za-z0-9_][\w.-]{0,79})")


def lora_file(name: str, settings: Settings) -> Path:
    """The .safetensors file that `name` means: a folder of checkpoints, a file in it, or owner/name on the hub."""
    if found := _HUB.fullmatch(name):
        folder = settings.checkpoints / f"{found[1]}--{found[2]}"
        if not any(folder.glob("*.safetensors")):
            pull_hub(_entry(name, folder), settings, settings.home / "tmp" / folder.name, lambda *_: None)
    elif not _NAME.fullmatch(name):
        raise BadInput(
            "A LoRA is named by its folder in checkpoints or as owner/name on the hub: letters, digits, dot, dash"
            " and underscore."
        )
    elif name.endswith(".safetensors"):
        folder = settings.checkpoints
    else:
        folder = settings.checkpoints / name
    files = sorted(folder.glob(name if name.endswith(".safetensors") else "*.safetensors"))
    if len(files) != 1:
        have = sorted(path.parent.name for path in settings.checkpoints.glob("*/*lora*.safetensors"))
        raise NotFound(
            f"There is no LoRA {name!r} with one .safetensors file; found: {', '.join(have) or 'none'}."
        )
    return files[0]


def _entry(name: str, folder: Path) -> Model:
    source = {"type": "hub", "repo": name, "include": ["*.safetensors"]}
    return Model(
        name=folder.name, kind="image", engine=None, title=f"The LoRA {name}", summary="", licence="", licence_url="",
        commercial="unknown", revision="main", memory_mb=0, folder=folder, source=source, pinned=False,
    )  # fmt: skip


def add_lora(pipeline: Any, path: Path, scale: float, title: str) -> None:
    """Load one adapter. Raises BadInput if it was made for another architecture."""
    check_weights(path)
    if not hasattr(pipeline, "load_lora_weights"):
        raise BadInput(f"{title} takes no LoRA; leave lora empty.")
    other = BadInput(
        f"The LoRA {path.stem!r} was made for another architecture than {title}; choose one made for it."
    )
    try:
        pipeline.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="studio")
        if not any("studio" in names for names in pipeline.get_list_adapters().values()):
            raise other
        pipeline.set_adapters(["studio"], [scale])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        remove_lora(pipeline)
        raise other from error


def remove_lora(pipeline: Any) -> None:
    if hasattr(pipeline, "unload_lora_weights"):
        pipeline.unload_lora_weights()


def controlled(pipeline: Any, name: str, settings: Settings, title: str) -> Any:
    """The family's ControlNet pipeline over the components of `pipeline`.

    Raises NotFound without such a folder, ModelBroken for unsafe weights, BadInput if they do not belong
    together or the family has no ControlNet.
    """
    import diffusers

    folder = settings.checkpoints / name
    if not _NAME.fullmatch(name) or not (folder / "config.json").is_file():
        have = [path.parent.name for path in settings.checkpoints.glob("*/config.json") if _is_control(path)]
        raise NotFound(
            f"There is no ControlNet {name!r} in checkpoints; found: {', '.join(sorted(have)) or 'none'}."
        )
    if not _is_control(folder / "config.json"):
        raise ModelBroken(f"{name} is not a ControlNet; choose a folder whose config.json says it is one.")
    for path in folder.glob("*.safetensors"):
        check_weights(path)
    other = BadInput(f"The ControlNet {name!r} was made for another architecture than {title}.")
    try:
        kind = getattr(diffusers, str(_class(folder / "config.json")))
        net = kind.from_pretrained(folder, use_safetensors=True, local_files_only=True, dtype=pipeline.dtype)
        made = diffusers.AutoPipelineForText2Image.from_pipe(
            pipeline, controlnet=net.to(pipeline.device).eval()
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise other from error
    width = getattr(getattr(pipeline, "unet", None), "config", {}).get("cross_attention_dim")
    if width is not None and net.config.get("cross_attention_dim") != width:
        raise other
    made.set_progress_bar_config(disable=True)
    return made


def _class(config: Path) -> object:
    try:
        return json.loads(config.read_text("utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError):
        return None


def _is_control(config: Path) -> bool:
    name = _class(config)
    return isinstance(name, str) and name.isidentifier() and "ControlNet" in name
