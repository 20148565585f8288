"""The vocabulary that the label readers and writers of all containers share.

A *statement* is what is to be written: a plain mapping of the names below to text. `Findings` collects
what was read, under the same names where a container's own key is known to mean the same.
Limits here bound what a hostile file can make us keep.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.errors import BadInput

AIGC = "AIGC"  # GB 45438-2025 Annex E, the JSON of `label_gb`
DIGITAL_SOURCE_TYPE = "DigitalSourceType"  # IPTC Photo Metadata 2025.1, URI of the IPTC NewsCodes
AI_SYSTEM = "AISystemUsed"  # IPTC 2025.1
AI_SYSTEM_VERSION = "AISystemVersionUsed"  # IPTC 2025.1
AI_PROMPT = "AIPromptInformation"  # IPTC 2025.1
RIGHTS = "Rights"  # the licence note
WEB_STATEMENT = "WebStatement"  # where the licence can be read
TITLE = "Title"
CREATOR_TOOL = "CreatorTool"  # this studio and its version
CREDIT = "Credit"  # the producer's name in full
CREATED = "CreateDate"  # ISO 8601
IDENTIFIER = "Identifier"  # the produce id
SOURCE = "Source"  # rights stated by the input, kept

NAMES = (
    AIGC, DIGITAL_SOURCE_TYPE, AI_SYSTEM, AI_SYSTEM_VERSION, AI_PROMPT, RIGHTS, WEB_STATEMENT, TITLE,
    CREATOR_TOOL, CREDIT, CREATED, IDENTIFIER, SOURCE,
)  # fmt: skip

Statement = Mapping[str, str]

MAX_VALUE_CHARS = 65_536
MAX_VALUES = 500
MAX_PROBLEMS = 20
MAX_METADATA_BYTES = 1_000_000
MAX_PIECES = 20_000
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Findings:
    """What a reader met: `values` as (where, name, value), and `problems` as sentences."""

    values: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, where: str, name: str, value: str) -> None:
        if len(self.values) < MAX_VALUES and value:
            self.values.append((where, name, clean(value[:MAX_VALUE_CHARS])))

    def problem(self, sentence: str) -> None:
        if len(self.problems) < MAX_PROBLEMS and sentence not in self.problems:
            self.problems.append(sentence)


def clean(text: str) -> str:
    """Text without what XML 1.0 forbids (control characters, lone surrogates, U+FFFE and U+FFFF)."""
    return _FORBIDDEN.sub("", text)


def decode(raw: bytes, encoding: str = "utf-8") -> str:
    """Text of a metadata field; bytes that do not fit are replaced, never refused."""
    return raw[:MAX_METADATA_BYTES].decode(encoding, "replace").rstrip("\0")


def broken(what: str, why: str) -> BadInput:
    """The error that a container's walker raises; a reader records it, a writer lets it through."""
    return BadInput(f"This is not an intact {what} file ({why}); export it again and retry.")
