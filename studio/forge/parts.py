"""What picture recipes begin from: their data, and trained parts from a folder on this machine (no hub, no pickle)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from studio.errors import BadInput
from studio.forge.loop import LoopOptions
from studio.forge.pictures import PictureData
from studio.formats import check_weights
from studio.options import option

if TYPE_CHECKING:
    from diffusers.models.modeling_utils import ModelMixin

Part = TypeVar("Part", bound="ModelMixin")
WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class OverLatents(LoopOptions):
    """What recipes share that learn over the latents of an autoencoder and show what they draw."""

    autoencoder: str = option("", "Autoencoder", hint="Folder that pretrain_autoencoder wrote")
    show_every: int = option(5, "Show every (epochs)", low=1, high=100_000, advanced=True)


def load_pictures(folder: Path) -> PictureData:
    """The picture data in `folder`. Raises ModelMissing, and BadInput without pictures to learn from and to test with."""
    data = PictureData(folder)
    for split, purpose in (("train", "to learn from"), ("unseen", "to test with")):
        if not len(data.indices(split)):
            raise BadInput(
                f"{folder.name} holds {len(data.records)} pictures and none of them {purpose}; build it from more "
                "(python -m studio.forge.pictures)."
            )
    return data


def load_part(cls: type[Part], folder: str | Path, option: str, recipe: str) -> Part:
    """The model of `cls`, in 32 bit, that `recipe` wrote into `folder`, as the option `option` names it.

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
