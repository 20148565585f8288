"""The first guard: is this a brief at all, and of a size that the studio takes?

What it does not look at is what the brief asks for; that is the business of the other guards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import ClassVar

from studio.errors import BadInput, Refused
from studio.safety.base import guards
from studio.settings import Settings
from studio.types import Brief, Draft

# The largest whole number that a browser and JSON carry exactly.
MAX_SEED = 2**53 - 1
MAX_NAME = 200
MAX_INPUTS = 16


@guards.register
class Limits:
    """Refuses empty and over-long briefs, counts and seeds out of range, and characters that are no text.

    These are faults of form, hence BadInput; a model that wrote nothing is Refused.
    """

    name: ClassVar[str] = "limits"

    def __init__(self, settings: Settings) -> None:
        self._max_chars, self._max_count = settings.max_prompt_chars, settings.max_count

    def check(self, thing: Brief | Draft) -> None:
        if isinstance(thing, Brief):
            self._brief(thing)
        elif thing.kind == "text" and not has_visible(str(thing.payload)):
            raise Refused(
                "The model wrote nothing; change the brief, the seed or the temperature and try again."
            )

    def _brief(self, brief: Brief) -> None:
        if len(brief.prompt) > self._max_chars:
            raise BadInput(
                f"The brief has {len(brief.prompt):,} characters and the studio takes {self._max_chars:,}; "
                "shorten it or split it."
            )
        if not has_visible(brief.prompt) and not (brief.kind in ("image", "text") and brief.inputs):
            raise BadInput("The brief is empty; write what you want to have made.")
        if not 1 <= brief.count <= self._max_count:
            raise BadInput(f"The count must be between 1 and {self._max_count}, not {brief.count}.")
        if brief.seed is not None and not 0 <= brief.seed <= MAX_SEED:
            raise BadInput(f"The seed must be a whole number between 0 and {MAX_SEED}, not {brief.seed}.")
        if len(brief.inputs) > MAX_INPUTS:
            raise BadInput(f"A brief takes {MAX_INPUTS} files, not {len(brief.inputs)}.")
        for label, text, one_line in _texts(brief):
            _characters(label, text, one_line)


def _texts(brief: Brief) -> Iterator[tuple[str, str, bool]]:
    """Every text of a brief with its name, and whether it has to be one line."""
    yield "The brief", brief.prompt, False
    for name in ("author", "brand", "licence_wish", "template", "engine", "model", "format"):
        value = getattr(brief, name)
        if value is not None:
            yield f"The {name.replace('_', ' ')}", value, True
    for name, value in brief.options.items():
        if isinstance(value, str):
            yield f"The option {name[:40]!r}", value, False


def _characters(label: str, text: str, one_line: bool) -> None:
    if one_line and len(text) > MAX_NAME:
        raise BadInput(f"{label} has {len(text):,} characters; at most {MAX_NAME} are taken.")
    found = bad_character(text, allowed="" if one_line else "\n\r\t")
    if found is not None:
        raise BadInput(
            f"{label} holds a character that is no text (U+{ord(text[found]):04X} at position {found + 1}); remove it."
        )


def bad_character(text: str, allowed: str = "\n\r\t") -> int | None:
    """Where the first control character or lone surrogate stands; None if all is text.

    Marks of direction and joiners (category Cf) are text: Arabic, Persian and emoji need them.
    """
    for place, character in enumerate(text):
        if not character.isprintable() and character not in allowed:
            if unicodedata.category(character) in ("Cc", "Cs") or ord(character) & 0xFFFE == 0xFFFE:
                return place
    return None


def has_visible(text: str) -> bool:
    """Whether any character leaves ink: letters, digits, punctuation or symbols, emoji included."""
    return any(unicodedata.category(character)[0] in "LNPS" for character in text)
