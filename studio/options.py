"""Options of engines and recipes: declared once as a dataclass, read from UI, CLI and JSON alike.

    @dataclass(frozen=True)
    class Options:
        temperature: float = option(0.8, "Temperature", low=0.0, high=2.0, hint="0 is greedy")
        voice: str = option("jf_alpha", "Voice", choices=("jf_alpha", "jm_kumo"))

`read_options(Options, {"temperature": "0.5"})` checks types and bounds and names what is wrong.
Options are scalars (bool, int, float, str), possibly None: nothing that needs a parser of its own.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import Field, asdict, field, fields
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from studio.errors import BadInput

T = TypeVar("T")


def option(
    default: Any,
    label: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] | None = None,
    labels: Mapping[str, str] | None = None,
    hint: str = "",
    advanced: bool = False,
    max_length: int = 10_000,
) -> Any:
    """A dataclass field that carries what a form, a parser and a reference page need.

    `labels` say what a page shows for a choice, where that is more than its name.
    """
    meta = dict(
        label=label, low=low, high=high, step=step, choices=choices, labels=labels or {}, hint=hint,
        advanced=advanced, max_length=max_length,
    )  # fmt: skip
    return field(default=default, metadata=meta)


def read_options(cls: type[T], given: Mapping[str, Any]) -> T:
    """An instance of the options dataclass `cls`; raises BadInput for anything it does not allow."""
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        valid = ", ".join(known) or "none"
        raise BadInput(f"Unknown option {', '.join(map(repr, unknown))}; valid options: {valid}.")
    hints = _hints(cast(Any, cls))
    return cls(**{name: _read(known[name], hints[name], value) for name, value in given.items()})


def options_dict(options: Any) -> dict[str, Any]:
    """The options as plain values, for a credential or a database."""
    return asdict(options)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(spec: Field[Any], hint: Any, value: Any) -> Any:
    kinds = [t for t in get_args(hint) if t is not type(None)] if _is_union(hint) else [hint]
    optional = _is_union(hint) and type(None) in get_args(hint)
    if value is None or (optional and value == ""):
        if optional:
            return None
        raise BadInput(f"{_label(spec)} needs a value.")
    result = _convert(spec, kinds[0], value)
    if kinds[0] in (int, float):
        _within(spec, result)
    choices = spec.metadata.get("choices")
    if choices and result not in choices:
        raise BadInput(f"{_label(spec)} has no choice {result!r}; choose one of: {', '.join(choices)}.")
    if isinstance(result, str) and len(result) > spec.metadata.get("max_length", 10_000):
        raise BadInput(f"{_label(spec)} is longer than {spec.metadata['max_length']} characters.")
    return result


def _convert(spec: Field[Any], kind: type, value: Any) -> Any:
    wrong = BadInput(f"{_label(spec)} must be {_WORDS[kind]}, not {str(value)[:60]!r}.")
    if kind is bool:
        word = str(value).strip().lower()
        if word not in _BOOLS:
            raise wrong
        return _BOOLS[word]
    if kind is str:
        if not isinstance(value, str):
            raise wrong
        return value
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise wrong
    try:
        number = float(value)
        whole = int(value) if isinstance(value, int) else int(number)
    except (ValueError, OverflowError):
        raise wrong from None
    if not math.isfinite(number) or (kind is int and whole != number):
        raise wrong
    return whole if kind is int else number


def _within(spec: Field[Any], number: float) -> None:
    low, high = spec.metadata.get("low"), spec.metadata.get("high")
    if (low is None or number >= low) and (high is None or number <= high):
        return
    if low is None or high is None:
        bound = f"at least {low:g}" if high is None else f"at most {high:g}"
    else:
        bound = f"between {low:g} and {high:g}"
    raise BadInput(f"{_label(spec)} must be {bound}, not {number:g}.")


_WORDS = {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}
_BOOLS = {
    "true": True,
    "yes": True,
    "1": True,
    "on": True,
    "false": False,
    "no": False,
    "0": False,
    "off": False,
}


def _label(spec: Field[Any]) -> str:
    return f"{spec.metadata.get('label', spec.name)} ({spec.name})"


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)
