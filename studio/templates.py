"""Brief templates: a prompt with named slots, read from `assets/templates/*.toml`.

Filling is plain text replacement in one pass: whatever stands in a value, braces included, comes out as it
was typed and is never read as a format or as another slot. What a template asks of the result (phrases,
disclaimer) is said here; `rules_broken` checks it on a finished text.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from studio.errors import BadInput
from studio.types import KINDS, Kind

SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
NUMBER = re.compile(r"\d+")
LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
MAX_SLOT_CHARS = 4_000
TEXTS = ("title", "kind", "field", "summary", "prompt")
SLOT_KEYS = {"name": str, "label": str, "hint": str, "required": bool, "example": str}


@dataclass(frozen=True, slots=True)
class Slot:
    """One gap of the prompt; `hint` says what to write, `example` is a filling that works."""

    name: str
    label: str
    hint: str
    required: bool
    example: str


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of brief.

    `field` is the trade it is for ("retail", "health", …); `options` are the engine's, taken where the
    person gives none. A result should contain every phrase of `required` and none of `forbidden`
    (both may name slots), and with `only_given_numbers` no number that the prompt does not hold: dates,
    prices and telephone numbers are what a small model invents. `disclaimer` is appended verbatim to
    every output.
    """

    name: str
    title: str
    kind: Kind
    field: str
    summary: str
    prompt: str
    slots: tuple[Slot, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    disclaimer: str = ""
    only_given_numbers: bool = False

    @property
    def example(self) -> dict[str, str]:
        """Values that fill every slot: what the page offers to try."""
        return {slot.name: slot.example for slot in self.slots}


def read_templates(folder: Path) -> dict[str, Template]:
    """All templates by name (the file's stem), sorted. Raises BadInput naming file and field."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"Template {path.name} cannot be read: {error}.") from None
        found[path.stem] = _read(path.stem, raw)
    return found


def fill(template: Template, values: Mapping[str, str]) -> str:
    """The prompt with its slots filled. A line that names only slots left empty is left out.

    Raises BadInput naming the slots that are missing, unknown or too long.
    """
    given = _given(template, values)
    missing = [slot.label for slot in template.slots if slot.required and slot.name not in given]
    if missing:
        raise BadInput(f"{template.title} still needs: {', '.join(missing)}.")
    lines = []
    for line in template.prompt.splitlines():
        names = SLOT.findall(line)
        if not names or any(name in given for name in names):
            lines.append(_replace(line, given))
    return "\n".join(lines).strip()


def phrases(template: Template, values: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The required and the forbidden phrases with their slots filled; one that names an empty slot falls away."""
    given = _given(template, values)

    def filled(group: tuple[str, ...]) -> tuple[str, ...]:
        meant = [phrase for phrase in group if all(name in given for name in SLOT.findall(phrase))]
        return tuple(_replace(phrase, given) for phrase in meant)

    return filled(template.required), filled(template.forbidden)


def rules_broken(template: Template, values: Mapping[str, str], text: str) -> tuple[str, ...]:
    """What the template asks and `text` does not keep, one short sentence each; case does not matter."""
    given, folded = _given(template, values), text.casefold()
    required, forbidden = phrases(template, values)
    broken = [f"“{phrase}” is missing." for phrase in required if phrase.casefold() not in folded]
    for phrase in forbidden:
        if re.search(rf"(?<!\w){re.escape(phrase.casefold())}(?!\w)", folded):
            broken.append(f"“{phrase}” must not be said.")
    if template.only_given_numbers:
        known = set(NUMBER.findall(" ".join((template.prompt, template.disclaimer, *given.values()))))
        for number in dict.fromkeys(NUMBER.findall(LIST_MARK.sub("", text))):
            if number not in known:
                broken.append(f"The number {number} is not from the brief.")
    if template.disclaimer and template.disclaimer not in text:
        broken.append("The disclaimer is missing.")
    return tuple(broken)


def _given(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    labels = {slot.name: slot.label for slot in template.slots}
    if unknown := sorted(set(values) - set(labels)):
        raise BadInput(f"{template.title} has no slot {unknown[0]!r}; it has: {', '.join(labels)}.")
    for name, value in values.items():
        if len(value) > MAX_SLOT_CHARS:
            raise BadInput(
                f"{labels[name]} is {len(value):,} characters long; {template.title} takes {MAX_SLOT_CHARS:,}."
            )
    return {name: value.strip() for name, value in values.items() if value.strip()}


def _replace(text: str, given: Mapping[str, str]) -> str:
    return SLOT.sub(lambda match: given.get(match[1], ""), text)


# --- reading one file ---------------------------------------------------------------------------


def _read(name: str, raw: dict[str, Any]) -> Template:
    known = {*TEXTS, "slots", "options", "required", "forbidden", "disclaimer", "only_given_numbers"}
    if unknown := sorted(set(raw) - known):
        _wrong(name, unknown[0], f"is unknown; valid: {', '.join(sorted(known))}")
    for key in TEXTS:
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            _wrong(name, key, "must be text")
    if raw["kind"] not in KINDS:
        _wrong(name, "kind", f"must be one of: {', '.join(KINDS)}")
    slots = _slots(name, raw.get("slots", []))
    phrases = {key: _phrases(name, key, raw.get(key, [])) for key in ("required", "forbidden")}
    used = set(SLOT.findall(raw["prompt"]))
    named = used.union(*(SLOT.findall(phrase) for group in phrases.values() for phrase in group))
    if stray := sorted(named - {slot.name for slot in slots}):
        _wrong(name, "prompt", f"names {{{stray[0]}}}, which is not among its slots")
    if idle := sorted({slot.name for slot in slots} - used):
        _wrong(name, "slots", f"{idle[0]} is not used in the prompt")
    if not isinstance(raw.get("options", {}), dict):
        _wrong(name, "options", "must be a table")
    if not isinstance(raw.get("disclaimer", ""), str):
        _wrong(name, "disclaimer", "must be text")
    if not isinstance(raw.get("only_given_numbers", False), bool):
        _wrong(name, "only_given_numbers", "must be true or false")
    texts: dict[str, Any] = {key: raw[key].strip() for key in TEXTS}
    return Template(
        name=name,
        slots=slots,
        options=raw.get("options", {}),
        disclaimer=raw.get("disclaimer", "").strip(),
        only_given_numbers=raw.get("only_given_numbers", False),
        required=phrases["required"],
        forbidden=phrases["forbidden"],
        **texts,
    )


def _slots(name: str, raw: Any) -> tuple[Slot, ...]:
    if not isinstance(raw, list) or not raw:
        _wrong(name, "slots", "must be a list of tables, at least one")
    slots: list[Slot] = []
    for number, given in enumerate(raw):
        where = f"slots[{number}]"
        if not isinstance(given, dict) or set(given) - set(SLOT_KEYS):
            _wrong(name, where, f"must be a table of: {', '.join(SLOT_KEYS)}")
        item: dict[str, Any] = {"hint": "", "required": False} | given
        for key, kind in SLOT_KEYS.items():
            if not isinstance(item.get(key), kind) or (key in ("label", "example") and not item[key].strip()):
                _wrong(name, f"{where}.{key}", "must be yes or no" if kind is bool else "must be text")
        if not SLOT.fullmatch(f"{{{item['name']}}}") or item["name"] in {slot.name for slot in slots}:
            _wrong(name, f"{where}.name", "must be a word of its own in small letters")
        slots.append(Slot(**item))
    return tuple(slots)


def _phrases(name: str, key: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(phrase, str) and phrase.strip() for phrase in raw):
        _wrong(name, key, "must be a list of phrases")
    return tuple(phrase.strip() for phrase in raw)


def _wrong(name: str, key: str, why: str) -> NoReturn:
    raise BadInput(f"Template {name}.toml, field {key}: {why}.")
