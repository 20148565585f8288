"""What the engines of hub audio models share: folders that are safe to load, candidates in turn, sound.

Read: safetensors and JSON, by classes of transformers and diffusers that are named in the engines. Refused:
pickles and code that a folder brings along. Nothing is fetched here: `models pull` does that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.catalog import Model, pull_command
from studio.engines.aside import Teller, stream
from studio.engines.base import Device, Engine
from studio.engines.image_memory import empty_cache, is_out_of_memory
from studio.engines.loudness import bring_to
from studio.errors import ModelBroken, ModelMissing, OutOfMemory, Refused
from studio.formats import PICKLE_SUFFIXES, check_weights
from studio.options import options_dict
from studio.settings import Settings
from studio.types import Draft, Job, Progress, Sound

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` steps of one call."""

    done: int
    total: int


Tell = Callable[[int, int], None]
"""Called with (done, total) at every step; raises Stop when nobody wants the result any more."""


class Transformers:
    """A net of transformers on a device, and what brings words before it: opened together, freed together."""

    families: ClassVar[Mapping[str, str]]
    """model_type of the config.json → class of transformers."""
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._device, self._settings = model, device, settings
        self._net: Any = None
        self._words: Any = None
        self._dtype = "float32"

    def open(self) -> str:
        """Load the net and its tokenizer; the model_type. Raises ModelMissing, ModelBroken and OutOfMemory."""
        import transformers

        folder = self._model.folder
        if (found := check_folder(self._model, folder)) not in self.families:
            wanted = " and ".join(self.families)
            raise ModelBroken(f"{self._model.title} is a {found[:40]} model; this engine takes {wanted}.")
        cls = getattr(transformers, self.families[found])
        self._net, self._dtype = load_pretrained(cls, self._model, folder, self._device)
        with broken(self._model):
            self._words = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return found

    def close(self) -> None:
        if self._net is not None:
            self._net = self._words = None
            empty_cache(self._device.name)


def perform(
    job: Job, engine: type[Engine], model: Model, device: Device, dtype: str, options: Any,
    call: Callable[[int, Tell], tuple[Any, int]],
) -> Iterator[Progress | Draft]:  # fmt: skip
    """The candidates of a job one after the other; `call(seed, tell)` gives samples as for `to_sound`, and their rate.

    `options` have `loudness_lufs`.
    """
    for candidate in range(job.brief.count):
        started, seed = time.perf_counter(), (job.brief.seed or 0) + candidate

        def work(teller: Teller[Step], seed: int = seed) -> tuple[Any, int]:
            return call(seed, lambda done, total: teller.tell(Step(min(done, total), max(total, 1))))

        for step in stream(work, lambda: job.cancelled):
            if isinstance(step, Step):
                share = (candidate + 0.98 * step.done / step.total) / job.brief.count
                said = f"step {step.done} of {step.total}"
                yield Progress(
                    job.id,
                    share,
                    "composing" if engine.kind == "music" else "speaking",
                    said,
                    None,
                    candidate,
                )
                continue
            samples, rate = step.value
            sound, reached = to_sound(samples, rate, options.loudness_lufs)
            facts = {"audio_seconds": len(sound.samples) / sound.sample_rate, "loudness_lufs": reached}
            yield Draft(
                engine.kind, sound, model.name, model.revision, seed, device.name, dtype,
                time.perf_counter() - started, options_dict(options), facts,
            )  # fmt: skip
        if job.cancelled:
            return


def counted(tell: Tell, total: int) -> Any:
    """A stopping criterion of transformers that tells of every token.

    It leaves when nobody wants more, and does not just stop: too few tokens are more than some codecs can decode.
    """
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Counted(StoppingCriteria):  # type: ignore[misc]
        done = 0

        def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
            self.done += 1
            tell(self.done, total)
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    return StoppingCriteriaList([Counted()])


def check_folder(model: Model, folder: Path) -> str:
    """The `model_type` of a transformers folder, once everything in it is known to be safe to read."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        name = config["model_type"]
    except FileNotFoundError:
        raise ModelMissing(f"{model.title} is not here; get it with: {pull_command(model)}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelBroken(f"config.json of {model.title} cannot be read; pull the model again.") from error
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        if path.suffix.lower() in PICKLE_SUFFIXES | {".bin"}:
            raise ModelBroken(
                f"{model.title} holds {path.name}, a pickle, which can run code when loaded; use its safetensors version."
            )
        if path.suffix.lower() == ".safetensors":
            check_weights(path)
    return str(name)


def load_pretrained(cls: Any, model: Model, folder: Path, device: Device) -> tuple[Any, str]:
    """The model on its device and its precision. Weights that a file lacks are an error, never drawn at random."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / _MB
    dtype = torch.float32
    if device.name.startswith("cuda"):
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    elif device.name == "mps":
        dtype = torch.float16
    with broken(model), memory(model, device):
        net, told = cls.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        lacking = sorted(map(str, told["missing_keys"]))
        if lacking:
            raise ModelBroken(
                f"{model.title} cannot be used: {len(lacking)} of its tensors are missing ({lacking[0][:80]}); "
                f"pull it again ({size:,.0f} MB are here)."
            )
        net.to(device.name).eval()
    return net, str(dtype).removeprefix("torch.")


@contextmanager
def broken(model: Model) -> Iterator[None]:
    """What the libraries raise over a bad folder, as one sentence."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelBroken(f"{model.title} cannot be loaded: {reason}") from error


@contextmanager
def memory(model: Model, device: Device) -> Iterator[None]:
    """Whatever says that no memory is left becomes OutOfMemory, and what can be freed is."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        empty_cache(device.name)
        raise OutOfMemory(
            f"{device.title} has no room for {model.title}; ask for fewer seconds or choose a smaller model."
        ) from None


def to_sound(samples: Any, rate: int, loudness_lufs: float) -> tuple[Sound, float]:
    """Sound at the wished loudness, and the loudness reached, from a float array (channels, frames) or (frames,)."""
    import numpy as np

    shaped = np.atleast_2d(np.asarray(samples, np.float32)).T
    if not shaped.size or not np.isfinite(shaped).all():
        raise Refused("The model made no sound that can be played; change the seed or the brief.")
    shaped = np.ascontiguousarray(shaped[:, :2])
    reached = bring_to(shaped, rate, loudness_lufs)
    return Sound(shaped, rate), max(reached, -100.0)
