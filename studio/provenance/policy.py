"""Which marks and labels an output gets: one TOML file per policy in assets/policies.

The default is the strictest policy that changes nothing a person sees or hears. A policy says what the
studio writes; that a law is thereby complied with is said nowhere.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from studio.errors import BadInput, NotFound
from studio.settings import Settings

DEFAULT_POLICY = "eu"
Corner = Literal["bottom-right", "bottom-left", "top-right", "top-left"]
Edge = Literal["start", "end", "both"]
SoundLabel = Literal["none", "rhythm", "spoken"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy; every field is a key of its file.

    `made_for` names the clauses it is made for. The next five switch what cannot be seen: the GB 45438
    label, the IPTC properties, whether the prompt's digest is named, the licence note in metadata, and
    the imperceptible mark, with its strength (1 is each mark's default). The others make visible or audible labels: on pictures and video (text in
    `wording` at `corner`, `glyph_height` as a share of the shortest side), in text (a line at `text_edge`),
    in sound (a rhythm, or a spoken notice in English, at its start).
    """

    name: str
    title: str
    summary: str
    made_for: tuple[str, ...]
    gb45438: bool
    iptc: bool
    prompt_information: bool
    licence: bool
    mark: bool
    mark_strength: float
    visible_picture: bool
    visible_text: bool
    audible_sound: SoundLabel
    wording: str
    corner: Corner
    glyph_height: float
    text_edge: Edge


def policies(settings: Settings) -> list[str]:
    """The names of the policies there are."""
    return sorted(path.stem for path in _folder(settings).glob("*.toml"))


def read_policy(name: str, settings: Settings) -> Policy:
    """The policy called `name`. Raises NotFound with the valid names, BadInput for a file that is wrong."""
    if name not in policies(settings):
        raise NotFound(f"There is no policy called {name!r}; choose one of: {', '.join(policies(settings))}.")
    path = _folder(settings) / f"{name}.toml"
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"The policy file {path} cannot be read: {error}.") from error
    given["name"] = name
    wanted = {one.name for one in fields(Policy)}
    if wrong := sorted(wanted ^ set(given)):
        raise BadInput(f"The policy file {path} has missing or unknown keys: {', '.join(wrong)}.")
    return Policy(**{key: _checked(path, key, value) for key, value in given.items()})


_CHOICES = {"corner": get_args(Corner), "text_edge": get_args(Edge), "audible_sound": get_args(SoundLabel)}
_TEXTS = ("name", "title", "summary", "wording")


def _checked(path: Path, key: str, value: Any) -> Any:
    if key in _CHOICES:
        good = value in _CHOICES[key]
    elif key in _TEXTS:
        good = isinstance(value, str) and bool(value.strip())
    elif key == "made_for":
        good = isinstance(value, list) and all(isinstance(clause, str) for clause in value)
        value = tuple(value) if good else value
    elif key == "mark_strength":
        good = isinstance(value, float) and 0.5 <= value <= 2.0
    elif key == "glyph_height":
        good = isinstance(value, float) and 0.02 <= value <= 0.3
    else:
        good = isinstance(value, bool)
    if not good:
        raise BadInput(f"The policy file {path} has a wrong value for {key}: {str(value)[:60]!r}.")
    return value


def _folder(settings: Settings) -> Path:
    return settings.assets / "policies"
