"""Any script as plain spoken English: mark-up, links, symbols, abbreviations, acronyms, then quantities.

`clean` drops what cannot be spoken and says what it dropped; `normalise` writes the rest out in words.
A spelled acronym comes out as capitals joined by hyphens ("F-B-I"), which the phonemiser reads as letters.
Not covered: words of other languages beyond what English letters give, poetry, mathematics, source code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.engines.speech_forms import usual
from studio.engines.speech_numbers import cardinal, ordinal, roman
from studio.engines.speech_quantities import speak_quantities
from studio.engines.speech_units import ABBREVIATIONS, BEFORE_NUMBER, ENDS, SAID_AS_WORDS, SYMBOLS, words


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A script that can be spoken. `dropped` are the distinct characters that were left out."""

    text: str
    dropped: tuple[str, ...]


# --- Cleaning -----------------------------------------------------------------------------------

_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u02bc": "'", "`": "'", "\u201e": "“", "\u00ab": "“",
        "\u00bb": "”", "\u2010": "-", "\u2011": "-", "\u2012": "–", "\u2015": "—", "\u2212": "-", "\u00a0": " ",
        "\u202f": " ", "\u2009": " ", "\u00ad": "", "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "",
        "\ufeff": "", "\ufe0f": "", "\ufe0e": "", "\u2022": ",", "\u00b7": " ", "\u2026": "…", "™": "", "®": "",
        "©": " copyright ", "\u2028": "\n", "\u2029": "\n\n", "\x0b": "\n", "\x0c": "\n\n", "\x85": "\n", "\t": " ",
        "¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "⅛": " 1/8", "⅜": " 3/8", "⅝": " 5/8",
        "⅞": " 7/8", "⁄": "/", "√": " square root of ", "∛": " cube root of ",
    }
)  # fmt: skip
_KEEP_FORM = frozenset("²³°℃℉№…µΩ‰″′")  # compatibility characters that rules read before they are unfolded
_SPOKEN_SIGNS = frozenset(".,!?;:…—–-'\"“”()[]/\\&@#%*+=<>~_|^{}$€£¥₹₩₽¢§°²³№µ×÷≠→⇒≈≤≥±∞′″‰℃℉\n ")


def clean(script: str, speakable: Callable[[str], bool]) -> Cleaned:
    """`script` without control characters, emoji and letters for which `speakable` is false.

    Dropped characters leave a space, so that their neighbours do not grow together.
    """
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", script)  # colours of a terminal
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_TYPOGRAPHY)
    text = "".join(
        c if c in _KEEP_FORM else unicodedata.normalize("NFKC", c) for c in unicodedata.normalize("NFC", text)
    )
    keep = {c: _speakable(c, speakable) for c in set(text)}
    dropped = tuple(sorted(c for c, ok in keep.items() if not ok and _worth_telling(c)))
    text = "".join(c if keep[c] else " " for c in text)
    return Cleaned(re.sub(r"[ ]{2,}", " ", text).strip(), dropped)


def _speakable(character: str, speakable: Callable[[str], bool]) -> bool:
    if character in _SPOKEN_SIGNS or character in SYMBOLS:
        return True
    return speakable(character)


def _worth_telling(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Mn")


# --- Writing out --------------------------------------------------------------------------------


def normalise(text: str, british: bool = False) -> str:
    """`text` in words. Lines stay lines, blank lines stay paragraphs."""
    text = text.replace("~~", "")
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = _ADDRESS.sub(lambda m: _address(m[0]), text)
    text = _TAG.sub(lambda m: f"{'hashtag' if m[1] == '#' else 'at'} {_split_camel(m[2])}", text)
    text = usual(text)
    text = _ROMAN_AFTER.sub(_roman_cardinal, _ROMAN_NAME.sub(_roman_ordinal, text))
    text = _BEFORE_NUMBER.sub(lambda m: f"{BEFORE_NUMBER[m[1]]} ", text)
    text = _SAINT.sub("Saint", text)
    text = re.sub(r"(?<=[a-z]) St\.(?=[\s,]|$)", " Street", text)
    text = _ABBREVIATION.sub(_abbreviation, text)
    text = speak_quantities(text, british)
    text = _PER.sub(lambda m: f" per {_PER_WORDS.get(m[1], m[1])}", text)
    text = re.sub(r"\band/or\b", "and or", text)
    text = re.sub(r"(?<=\w)\s?/\s?(?=\w)", " slash ", text)
    text = "".join(SYMBOLS.get(c, c) for c in text)
    text = _INITIALS.sub(_initials, text)
    text = "\n".join(_acronyms(line) for line in text.split("\n"))
    text = re.sub(r"[\\*_|^{}~#<>\[\]]+", " ", text)
    text = re.sub(r"\s*--+\s*", " — ", re.sub(r"\.{3,}", "…", text))
    text = re.sub(r"(?<=\w)\s[–—-]\s(?=\w)", " — ", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    text = re.sub(r"([!?]){2,}", r"\1", text)
    return re.sub(r" {2,}", " ", re.sub(r" +([.,!?;:…])", r"\1", text)).strip()


_MARKUP: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"^[ ]*```.*$", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\s]{1,2000}\)"), r"\1"),
    (re.compile(r"^[ ]{0,3}#{1,6} +(.+?)[ #]*$", re.MULTILINE), r"\1\n"),
    (re.compile(r"^[ ]*(?:[-*+•]|\d{1,3}[.)])[ ]+(?=\S)", re.MULTILINE), ""),
    (re.compile(r"^[ ]*>[ ]?", re.MULTILINE), ""),
    (re.compile(r"^[ ]*[-*_=]{3,}[ ]*$", re.MULTILINE), "\n"),
    (re.compile(r"(\*\*|__|\*|_)(?=\S)([^*_\n]{1,500}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"<[a-zA-Z/!][^<>\n]{0,200}>"), " "),
)
_ADDRESS = re.compile(
    r"\bhttps?://[^\s<>\"“”]{1,2000}|\bwww\.[^\s<>\"“”]{1,2000}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"|\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.(?:com|org|net|edu|gov|io|ai|dev|app|info|co\.uk|de|fr|eu|jp)\b(?:/[^\s<>\"“”]*)?"
)
_TAG = re.compile(r"(?<![\w&])([#@])([A-Za-z]\w{1,60})")
_ROMAN_NAME = re.compile(
    r"\b(Henry|Louis|Charles|George|Edward|James|William|Richard|Elizabeth|Philip|Napoleon|Catherine|Peter|Ivan|"
    r"Alexander|Frederick|Leo|Pius|Benedict|Gregory|Clement|Innocent|Francis|Paul|Nicholas|Mary|Robert|Ramesses)"
    r" ([IVX]{1,6})\b(?!\.\w)"
)
_ROMAN_AFTER = re.compile(
    r"\b(Chapter|Part|Volume|Act|Scene|Book|War|Section|Article|Phase|Level|Type|Mark|Bowl|Episode|Season|Title|"
    r"Apollo|Rocky|Class|Stage|Appendix|chapter|part|volume|act|scene|section|article|phase|type|stage) ([IVXLC]{1,7})\b"
)
_PER_WORDS = {"hr": "hour", "h": "hour", "wk": "week", "mo": "month", "yr": "year", "min": "minute", "s": "second",
              "sec": "second", "kg": "kilogram", "g": "gram", "l": "liter", "L": "liter", "lb": "pound", "km": "kilometer"}  # fmt: skip
_PER = re.compile(
    r"(?<=[a-z])\s?/\s?(hour|hr|h|day|week|wk|month|mo|year|yr|person|unit|kg|g|l|L|lb|km|mile|minute|min|second|sec|s|night|user|seat)\b"
)
_BEFORE_NUMBER = re.compile(
    r"(?<![\w.])("
    + "|".join(re.escape(k) for k in sorted(BEFORE_NUMBER, key=lambda k: -len(k)))
    + r") ?(?=[$€£.]?\d)"
)
_SAINT = re.compile(r"\bSt\.?(?= [A-Z][a-z])(?<! St)|\bSt\.?(?= [A-Z][a-z]+'s\b)")
_ABBREVIATION = re.compile(
    r"(?<![\w./])("
    + "|".join(re.escape(k) for k in sorted(ABBREVIATIONS, key=lambda k: -len(k)))
    + r")(?![\w/])"
)
_INITIALS = re.compile(r"(?<![\w.])((?:[A-Za-z]\.){2,}[A-Za-z]?)(?!\w)")


def _address(found: str) -> str:
    address = found.rstrip(".,;:!?)'")
    tail = found[len(address) :]
    spoken = re.sub(r"^https?://", "", address)
    spoken = re.sub(r"^www\.", "", spoken).rstrip("/")
    spoken = re.sub(r"[?#].*$", "", spoken)  # a query string is for machines
    for sign, word in ((".", "dot"), ("@", "at"), ("/", "slash"), ("-", "dash"), ("_", "underscore"), ("+", "plus"),
                       (":", "colon"), ("%", "percent"), ("=", "equals"), ("&", "and"), ("~", "tilde")):  # fmt: skip
        spoken = spoken.replace(sign, f" {word} ")
    return re.sub(r" +", " ", spoken).strip() + tail.replace("'", "")


def _split_camel(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", word).strip()


def _roman_ordinal(m: re.Match[str]) -> str:
    value = roman(m[2])
    if value is None or (m[2] == "I" and re.match(r" [a-z]+", m.string[m.end() : m.end() + 12])):
        return m[0]  # "James I know" is not a king
    return f"{m[1]} the {ordinal(value)}"


def _roman_cardinal(m: re.Match[str]) -> str:
    value = roman(m[2])
    if value is None or (m[2] == "I" and re.match(r" [a-z']+", m.string[m.end() : m.end() + 12])):
        return m[0]
    return f"{m[1]} {cardinal(value)}"


def _abbreviation(m: re.Match[str]) -> str:
    word = ABBREVIATIONS[m[1]]
    ends = m[1] in ENDS and re.match(r"\s*$|\s+[\"“(]?[A-Z]", m.string[m.end() : m.end() + 4])
    return word + ("." if ends else "")


def _initials(m: re.Match[str]) -> str:
    letters = [c.upper() for c in m[1] if c.isalpha()]
    rest = m.string[m.end() : m.end() + 4]
    ends = m[1].endswith(".") and re.match(r"\s*$|\s*\n", rest)
    if len(letters) == 1:
        return m[0]
    return "-".join(letters) + ("." if ends else "")


def _acronyms(line: str) -> str:
    """Groups of capitals spelled, unless the whole line is shouted or the group is said as a word."""
    letters = [c for c in line if c.isalpha()]
    if len(letters) > 12 and sum(c.isupper() for c in letters) > 0.7 * len(letters):
        return line.lower()
    return re.sub(r"(?<![\w'-])([A-Z]{2,6})(s|'s)?(?!\w)", _acronym, line)


def _acronym(m: re.Match[str]) -> str:
    plural = {"s": "s", "'s": "'s"}.get(m[2] or "", "")
    if m[1] in SAID_AS_WORDS or m[1] in _CAPITAL_WORDS:
        return m[0]
    return "-".join(m[1]) + (f"'{plural}" if plural == "s" else plural)


# Short words that people write in capitals for weight, not as an acronym.
_CAPITAL_WORDS = words(
    """
    A AN AND ANY ALL ARE AS AT BE BIG BUT BUY BY CAN DAY DO FOR FREE FROM GET GO GOOD HAD HAS HE HER HIS
    HOT HOW IF IN IS ITS LET LIVE MAY ME MORE MOST MUST MY NEVER NEW NO NOT NOW OF OFF OLD ON ONE ONLY
    OR OUR OUT READ SALE SEE SHE SO STOP THAT THE THEY THIS TO TOO TOP TRY TWO UP USE VERY WAS WAY WE
    WHAT WHEN WHO WHY WILL WITH YES YET YOU YOUR ALWAYS BEST ONCE HELLO WORLD
    """
)
