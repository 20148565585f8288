"""The text encoder runs once per prompt, not once per job: `encode_prompt` of a pipeline, remembered.

It works for every family, since pipelines call their own `encode_prompt`; only calls whose arguments are
plain values are remembered, so given embeddings or images pass through.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

MOST = 32


class Embeddings:
    """Stands in for `pipeline.encode_prompt`; forgets the oldest beyond `MOST` and everything on `clear`."""

    def __init__(self, encode: Any) -> None:
        self._encode = encode
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self.hits = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key = (_plain(args), _plain(kwargs))
        if None in key:
            return self._encode(*args, **kwargs)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]
        self._kept[key] = result = self._encode(*args, **kwargs)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return result

    def clear(self) -> None:
        self._kept.clear()


def cache_embeddings(pipeline: Any) -> None:
    """Put an `Embeddings` before the pipeline's `encode_prompt`, where it has one."""
    if hasattr(pipeline, "encode_prompt") and not isinstance(pipeline.encode_prompt, Embeddings):
        pipeline.encode_prompt = Embeddings(pipeline.encode_prompt)


def forget_embeddings(pipeline: Any) -> None:
    """After the text encoder has changed (a LoRA came or went)."""
    if isinstance(getattr(pipeline, "encode_prompt", None), Embeddings):
        pipeline.encode_prompt.clear()


def _plain(value: Any) -> Any:
    """A hashable stand-in for plain values, None where something else is in it."""
    if isinstance(value, dict):
        value = sorted(value.items())
    if isinstance(value, list | tuple):
        parts = tuple(_plain(part) for part in value)
        return None if None in parts else parts
    if value is None or isinstance(value, str | int | float | bool):
        return (type(value).__name__, value)
    if type(value).__module__ == "torch" and type(value).__name__ in ("device", "dtype"):
        return str(value)
    return None
