"""The tokens of a text as a model would read it, without its weights: what checking a text watermark needs.

Light enough for a process that never loads a model: llama.cpp reads only the vocabulary of a GGUF file
(0.2 s, 40 MB), and `tokenizers` reads a `tokenizer.json`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from studio.catalog import Catalog, Model
from studio.errors import ModelBroken, ModelMissing
from studio.formats import check_weights

Tokenize = Callable[[str], list[int]]

logger = logging.getLogger(__name__)


class Tokenizers:
    """The tokenizers of all language models that are here; each is opened when first asked for, and kept."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._opened: dict[str, Tokenize | None] = {}
        self._opening = threading.Lock()

    def __call__(self) -> tuple[Tokenize, ...]:
        """Models pulled since are found; one whose tokenizer cannot be read is left out, and logged."""
        with self._opening:
            for model in self._catalog.of_kind("text"):
                new = model.name not in self._opened and model.source["type"] != "builtin"
                if new and self._catalog.ready(model.name):
                    self._opened[model.name] = _opened(model)
            return tuple(one for one in self._opened.values() if one)


def _opened(model: Model) -> Tokenize | None:
    try:
        return light_tokenizer(model)
    except (ModelMissing, ModelBroken) as error:
        logger.warning("The watermark of texts by %s cannot be read: %s", model.name, error)
        return None


def light_tokenizer(model: Model) -> Tokenize:
    """A function from text to token ids, safe for many threads.

    Raises ModelMissing if the folder has neither a GGUF file nor a tokenizer.json, ModelBroken if it is
    damaged.
    """
    gguf = sorted(model.folder.glob("*.gguf"))
    if gguf:
        from studio.engines.llama_model import LlamaModel

        return LlamaModel(gguf[0], vocabulary_only=True).tokenize
    path = model.folder / "tokenizer.json"
    if not path.is_file():
        raise ModelMissing(
            f"{model.title} has no tokenizer here; get it with: python -m studio models pull {model.name}"
        )
    check_weights(path)
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more particular
        raise ModelBroken(f"The tokenizer of {model.title} cannot be read: {str(error)[:200]}") from None
    tokenizer.encode_special_tokens = True  # a control token spelled in a text is text
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def tokenize(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return tokenize
