"""Text as search tokens: the same function reads what is stored and what is asked.

Letters are folded (case, width, accents of Latin, Greek, Cyrillic, Hebrew and Arabic); scripts written
without spaces (Chinese, Japanese, Thai, …) and emoji become one token a character, so that a phrase of
them finds any stretch of the text. Everything else (quotes, operators, NULs) only separates, therefore
no query can be more than plain words. Invisible characters, among them the variation selectors that
carry a text's credential, are passed over.

Not covered: stemming, and words inside a longer word of a spaced script ("board" in "skateboard");
the beginning of a word finds it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

LONGEST_TEXT = 20_000
"""Characters of one field that are indexed."""
LONGEST_TOKEN = 64
MOST_TERMS = 32

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_UNSPACED = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),  # Han
    (0xA960, 0xA97F),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_LAST_FOLDED_MARK = 0x06FF
"""Accents up to here (Latin to Arabic) are optional in writing; later ones, as in Hindi, spell."""


def tokens(text: str) -> list[str]:
    """Folded tokens in reading order, of the first `LONGEST_TEXT` characters."""
    text = text[:LONGEST_TEXT]
    if text.isascii():
        found = _ASCII_WORD.findall(text.lower())
    else:
        found = "".join(_spelled(char) for char in _fold(text)).split()
    return [token[:LONGEST_TOKEN] for token in found]


def terms(query: str) -> list[list[str]]:
    """What every hit must contain: one list of neighbouring tokens per word of the query."""
    chunks = re.split(r"[\s\x00-\x1f]+", query[:LONGEST_TEXT])
    return [found for found in map(tokens, chunks) if found][:MOST_TERMS]


def open_ended(token: str) -> bool:
    """Whether a token of a query may also be the beginning of a longer word."""
    return len(token) > 1 and len(token) < LONGEST_TOKEN


def tag(name: str, value: str) -> str:
    """A token that no text can contain; the index answers filters through it."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name}={digest}"


def _fold(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    kept = (c for c in spread if ord(c) > _LAST_FOLDED_MARK or unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFC", "".join(kept)).casefold()


@lru_cache(maxsize=65_536)
def _spelled(char: str) -> str:
    """How one folded character stands in the index: as it is, apart, as a gap, or not at all."""
    code, category = ord(char), unicodedata.category(char)
    if category in ("Cf", "Me") or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return ""
    if any(low <= code <= high for low, high in _UNSPACED):
        return f" {char} " if category[0] in "LNM" else " "
    if category[0] in "LNM":
        return char
    return f" {char} " if category == "So" or 0x1F3FB <= code <= 0x1F3FF else " "
