"""Loading a causal language model of the transformers library, with adapters, onto a device.

Only safetensors and GGUF are read and no code that a model brings along is run. Weights that a file
lacks are an error here, where the library would draw them at random.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studio.catalog import Model
from studio.engines.base import Device
from studio.errors import BadInput, ModelBroken, ModelMissing, OutOfMemory
from studio.formats import check_weights
from studio.settings import Settings

QUANTISE = ("auto", "no", "8bit", "4bit")
_MB = 1024 * 1024


class HubTokenizer:
    """A tokenizer of the transformers library, as chat.py wants it."""

    def __init__(self, tokenizer: Any) -> None:
        self.raw = tokenizer
        template = tokenizer.chat_template
        self.chat_template: str | None = template.get("default") if isinstance(template, dict) else template
        self.bos, self.eos = str(tokenizer.bos_token or ""), str(tokenizer.eos_token or "")

    def tokenize(self, text: str, special: bool = False, start: bool = False) -> list[int]:
        out = self.raw(text, add_special_tokens=start, split_special_tokens=not special, verbose=False)
        return list(out["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.raw.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


@dataclass(frozen=True, slots=True)
class CausalModel:
    """`dtype` is what the weights are computed in; `context` the most tokens; `ends` what ends a text."""

    model: Any
    tokenizer: HubTokenizer
    device: str
    dtype: str
    context: int
    ends: frozenset[int]


def load_causal(entry: Model, device: Device, settings: Settings) -> CausalModel:
    """The model of a catalog entry, ready to compute.

    The entry's folder holds a model, or a LoRA adapter (`adapter_config.json`) of the model that its
    `base` names first. Its `options` may say `adapters = "name,name"` (folders inside it), `quantise`
    (one of QUANTISE) and `context`. Raises ModelMissing, ModelBroken, OutOfMemory or BadInput.
    """
    folder, adapters = _parts(entry, settings)
    for path in sorted(folder.glob("*.safetensors")):
        check_weights(path)
    gguf = None if (folder / "config.json").is_file() else next(iter(sorted(folder.glob("*.gguf"))), None)
    if gguf is None and not (folder / "config.json").is_file():
        raise ModelMissing(
            f"{entry.title} is not here yet ({folder.name} holds no model); "
            f"get it with: python -m studio models pull {folder.name}"
        )
    source: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if gguf is not None:
        check_weights(gguf)
        source["gguf_file"] = gguf.name
    import torch
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    if settings.threads and device.name == "cpu":
        torch.set_num_threads(settings.threads)
    with _broken(entry), memory_errors(device.name):
        tokenizer = HubTokenizer(AutoTokenizer.from_pretrained(folder, **source))
        model, dtype = _weights(folder, source, entry, device)
        for adapter in adapters:
            model = _adapted(model, adapter, merge=not dtype.endswith("bit"))
        model.eval()
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 4096
    return CausalModel(
        model=model,
        tokenizer=tokenizer,
        device=device.name,
        dtype=dtype,
        context=int(entry.options.get("context", context)),
        ends=_ends(model, tokenizer),
    )


def _parts(entry: Model, settings: Settings) -> tuple[Path, list[Path]]:
    """The folder of the base model, and those of the adapters to put onto it."""
    names = [name.strip() for name in str(entry.options.get("adapters", "")).split(",") if name.strip()]
    adapters = [entry.folder / name for name in names]
    folder = entry.folder
    if (folder / "adapter_config.json").is_file():
        if not entry.base:
            raise ModelBroken(f"{entry.title} is an adapter, but its catalog entry names no base model.")
        adapters.insert(0, folder)
        folder = settings.checkpoints / entry.base[0]
    return folder, adapters


def _weights(folder: Path, source: dict[str, Any], entry: Model, device: Device) -> tuple[Any, str]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    size_mb = (
        sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf"))
        / _MB
    )
    quantised = _quantisation(entry, device, size_mb)
    dtype = _dtype(device, size_mb)
    more: dict[str, Any] = {"device_map": {"": device.name}} if device.name.startswith("cuda") else {}
    if quantised is not None:
        from transformers import BitsAndBytesConfig

        bits = {f"load_in_{quantised}": True}
        more["quantization_config"] = BitsAndBytesConfig(bnb_4bit_compute_dtype=dtype, **bits)
    if "gguf_file" not in source:
        more["use_safetensors"] = True
    AutoConfig.from_pretrained(folder, **source)  # says what is wrong before the weights are read
    model, told = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **source, **more
    )
    lacking = sorted({str(key) for key in (*told["missing_keys"], *told["mismatched_keys"])})
    if lacking:
        raise ModelBroken(
            f"{entry.title} cannot be used: {len(lacking)} of its tensors are missing or of another shape "
            f"({lacking[0][:80]}); pull it again."
        )
    if not more.get("device_map"):
        model.to(torch.device(device.name))
    return model, quantised or str(dtype).removeprefix("torch.")


def _dtype(device: Device, size_mb: float) -> Any:
    """bfloat16 where a card has it, else float16 there; float32 on a processor while memory allows."""
    import torch

    if device.name.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.name == "mps":
        return torch.float16
    return torch.float32 if 2.5 * size_mb < device.free_mb else torch.bfloat16


def _quantisation(entry: Model, device: Device, size_mb: float) -> str | None:
    """ "8bit", "4bit" or None. "auto" quantises what would not fit, where the hardware can."""
    wish = str(entry.options.get("quantise", "auto"))
    if wish not in QUANTISE:
        raise BadInput(f"quantise of {entry.name} must be one of {', '.join(QUANTISE)}, not {wish!r}.")
    able = device.name.startswith("cuda") and find_spec("bitsandbytes") is not None
    if wish in ("8bit", "4bit"):
        if not able:
            raise ModelMissing(
                f"Loading {entry.title} in {wish} needs a CUDA card and bitsandbytes (pip install bitsandbytes); "
                "set quantise to auto, or take a GGUF model."
            )
        return wish
    if wish == "no" or not able or 1.2 * size_mb < device.free_mb:
        return None
    return "8bit" if 0.6 * size_mb < device.free_mb else "4bit"


def _adapted(model: Any, folder: Path, merge: bool) -> Any:
    """`model` with the LoRA adapter in `folder`, merged into its weights where they are not quantised."""
    weights = folder / "adapter_model.safetensors"
    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise ModelBroken(f"The adapter {folder.name} has no readable adapter_config.json.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise ModelBroken(f"The adapter {folder.name} is not a LoRA adapter.")
    if not weights.is_file():
        raise ModelBroken(
            f"The adapter {folder.name} has no adapter_model.safetensors; other formats are not read."
        )
    check_weights(weights)
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they would say is checked here
        adapted = PeftModel.from_pretrained(model, folder, local_files_only=True)
    with safe_open(weights, "pt") as file:
        given = set(file.keys())
    if given != set(get_peft_model_state_dict(adapted)):
        raise ModelBroken(f"The adapter {folder.name} was made for another model.")
    return adapted.merge_and_unload() if merge else adapted


def _ends(model: Any, tokenizer: HubTokenizer) -> frozenset[int]:
    ends: set[int] = set()
    for source in (model.generation_config, model.config, tokenizer.raw):
        told = getattr(source, "eos_token_id", None)
        ends |= {told} if isinstance(told, int) else set(told or ())
    return frozenset(ends)


@contextmanager
def _broken(entry: Model) -> Iterator[None]:
    """What the libraries raise over a bad folder, as one sentence."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelBroken(f"{entry.title} cannot be loaded: {reason}") from error


@contextmanager
def memory_errors(device: str) -> Iterator[None]:
    """Whatever says "no memory left" becomes OutOfMemory, and what can be freed is."""
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "memory" not in text:
            raise
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif device == "mps":
            torch.mps.empty_cache()
        raise OutOfMemory(
            f"The language model ran out of memory on {device}; ask for fewer candidates, a shorter answer or a "
            "smaller model."
        ) from None
