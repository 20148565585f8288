"""The tokens of a text as a model would read it, without its weights: what checking a text watermark needs.

Light enough for a process that never loads a model: llama.cpp reads only the vocabulary of a GGUF file
(0.2 s, 40 MB), and `tokenizers` reads a `tokenizer.json`.
"""

from __future__ import annotations

from collections.abc import Callable

from studio.catalog import Model
from studio.errors import ModelBroken, ModelMissing
from studio.formats import check_weights

Tokenize = Callable[[str], list[int]]


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
