"""The nouns as JSON and back, exactly: what a row, a job or another process needs to carry.

Driven by the type hints of `studio.types`, so a noun that gains a field needs no change here. Keys that
this studio does not know (written by a newer one) are passed over; a missing key takes the field's
default. Tuples come back as tuples, also where the hint is `Any`: there they are tagged `{"$tuple": […]}`.

Not covered: fields that only mean something inside one process (`Job.flag`, `Job.token_mark`).
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from studio.errors import BadInput
from studio.types import Asset, Brief, Credential, Job, ModelUse, Scorecard

T = TypeVar("T")
_TUPLE = "$tuple"
_PROCESS_ONLY = frozenset({"flag", "token_mark"})


def to_json(noun: Any) -> str:
    """One line of ASCII JSON; lone surrogates, NULs and infinities in it survive the way back."""
    cls: Any = type(noun)
    return json.dumps(_encoder(cls)(noun), separators=(",", ":"))


def from_json(cls: type[T], text: str) -> T:
    """The noun that `to_json` was given. Raises BadInput if the text is not a `cls`."""
    try:
        hint: Any = cls
        noun: T = _decoder(hint)(json.loads(text))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise BadInput(
            f"A stored {cls.__name__} cannot be read ({error}); restore it from a backup."
        ) from error
    return noun


def brief_to_json(brief: Brief) -> str:
    return to_json(brief)


def brief_from_json(text: str) -> Brief:
    return from_json(Brief, text)


def job_to_json(job: Job) -> str:
    return to_json(job)


def job_from_json(text: str) -> Job:
    return from_json(Job, text)


def model_to_json(model: ModelUse) -> str:
    return to_json(model)


def model_from_json(text: str) -> ModelUse:
    return from_json(ModelUse, text)


def scorecard_to_json(scorecard: Scorecard) -> str:
    return to_json(scorecard)


def scorecard_from_json(text: str) -> Scorecard:
    return from_json(Scorecard, text)


def credential_to_json(credential: Credential) -> str:
    return to_json(credential)


def credential_from_json(text: str) -> Credential:
    return from_json(Credential, text)


def asset_to_json(asset: Asset) -> str:
    return to_json(asset)


def asset_from_json(text: str) -> Asset:
    return from_json(Asset, text)


# --- Out ----------------------------------------------------------------------------------------


@cache
def _encoder(hint: Any) -> Callable[[Any], Any]:
    if isinstance(hint, type) and is_dataclass(hint):
        known = {name: _encoder(item) for name, item in _stored(hint).items()}
        return lambda value: {name: encode(getattr(value, name)) for name, encode in known.items()}
    origin, items = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = _encoder(_present(items))
        return lambda value: None if value is None else inner(value)
    if origin is tuple and items[-1] is Ellipsis:
        each = _encoder(items[0])
        return lambda value: [each(item) for item in value]
    if origin is tuple:
        encoders = [_encoder(item) for item in items]
        return lambda value: [encode(item) for encode, item in zip(encoders, value, strict=True)]
    return _encode


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {_escape(str(key)): _encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [_encode(item) for item in value]}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, which engines like to report
        return _encode(value.tolist())
    raise TypeError(f"a {type(value).__name__} cannot be stored")


# --- Back ---------------------------------------------------------------------------------------


def _stored(cls: Any) -> dict[str, Any]:
    """The hints of the fields that are written down."""
    return {name: hint for name, hint in get_type_hints(cls).items() if name not in _PROCESS_ONLY}


def _present(items: tuple[Any, ...]) -> Any:
    return next(item for item in items if item is not type(None))


@cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    if isinstance(hint, type) and is_dataclass(hint):
        return _noun_decoder(hint)
    origin, items = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = _decoder(_present(items))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _tuple_decoder(items)
    if origin is Literal or hint is str:
        return _string
    return _PLAIN.get(hint, _any)


def _noun_decoder(cls: Any) -> Callable[[Any], Any]:
    known = {name: _decoder(hint) for name, hint in _stored(cls).items()}
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]

    def decode(value: Any) -> Any:
        lacking = [name for name in needed if name not in value]
        if lacking:
            raise ValueError(f"{', '.join(lacking)} missing")
        return cls(**{name: known[name](item) for name, item in value.items() if name in known})

    return decode


def _tuple_decoder(items: tuple[Any, ...]) -> Callable[[Any], Any]:
    if items[-1] is Ellipsis:
        each = _decoder(items[0])
        return lambda value: tuple(each(item) for item in value)
    decoders = [_decoder(item) for item in items]
    return lambda value: tuple(decode(item) for decode, item in zip(decoders, value, strict=True))


def _any(value: Any) -> Any:
    if isinstance(value, list):
        return [_any(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_TUPLE}:
        return tuple(_any(item) for item in value[_TUPLE])
    return {_unescape(key): _any(item) for key, item in value.items()}


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not text")
    return value


def _escape(key: str) -> str:
    return "$" + key if key.startswith("$") else key


def _unescape(key: str) -> str:
    return key[1:] if key.startswith("$") else key


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    Path: Path,
    float: float,
    int: int,
    bool: bool,
}
