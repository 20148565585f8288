"""Trained parts of picture models, loaded from a folder on this machine: no hub, no pickle, in 32 bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from studio.errors import BadInput
from studio.formats import check_weights

if TYPE_CHECKING:
    from diffusers.models.modeling_utils import ModelMixin

Part = TypeVar("Part", bound="ModelMixin")
WEIGHTS = "diffusion_pytorch_model.safetensors"


def load_part(cls: type[Part], folder: str | Path, option: str, recipe: str) -> Part:
    """The model of `cls` that `recipe` wrote into `folder`, as the option `option` names it.

    Raises BadInput for no folder, one that holds no such model, or weights that do not fit it, and ModelBroken
    for weights that are damaged or no safetensors. (A name that is no folder is never asked of a hub.)
    """
    import torch
    from safetensors.torch import load_model

    if not str(folder):
        raise BadInput(f"Choose the {option}: --set {option}=FOLDER (train it with {recipe}).")
    place = Path(folder).expanduser()
    if not (place / "config.json").is_file() or not (place / WEIGHTS).is_file():
        raise BadInput(f"{option}={folder} holds no model; give the folder that {recipe} wrote.")
    check_weights(place / WEIGHTS)
    try:
        config = cls.load_config(place)
        if config.get("_class_name", cls.__name__) != cls.__name__:
            raise ValueError(f"it is a model of the class {config['_class_name']}")
        with torch.random.fork_rng(devices=[]):  # the caller's seed is for what is trained, not for this
            model: Part = cls.from_config(config).float()
        load_model(model, place / WEIGHTS)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{option}={folder} does not fit {cls.__name__}: {reason}") from None
    return model
