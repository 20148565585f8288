"""The text encoder runs once per prompt, not once per job: `encode_prompt` of a pipeline, remembered.

It works for every family, since pipelines call their own `encode_prompt`; only calls whose arguments are
plain values are remembered, so given embeddings or images pass through.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.engines.image_walk import mixed

MOST = 32


class Embeddings:
    """Stands in for `pipeline.encode_prompt`; forgets the oldest beyond `MOST` and everything on `clear`."""

    def __init__(self, encode: Any) -> None:
        self._encode = encode
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._toward: tuple[str, str, float] | None = None
        self.hits = 0

    @contextmanager
    def blended(self, prompt: str, other: str, share: float) -> Iterator[None]:
        """Within, `prompt` is encoded as it and `other` mixed; other texts, such as the negative, as ever."""
        self._toward = (prompt, other, share)
        try:
            yield
        finally:
            self._toward = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._toward is None:
            return self._one(args, kwargs)
        prompt, other, share = self._toward
        instead = [_replaced(args, prompt, other), _replaced(kwargs, prompt, other)]
        return mixed(self._one(args, kwargs), self._one(*instead), share)

    def _one(self, args: Any, kwargs: Any) -> Any:
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


def _replaced(value: Any, prompt: str, other: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, prompt, other) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(one, prompt, other) for one in value)
    return other if isinstance(value, str) and value == prompt else value


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
