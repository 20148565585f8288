"""Words, sentences and the language of a text, by rules: enough to know where a score means nothing.

Chinese, Japanese and Korean characters count as one word each, since no spaces part them.
Not covered: telling apart more languages than are listed, and scripts such as Thai that part neither.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from studio.quality.base import Withheld

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’\-.,]?[^\W_{_CJK}]+)*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|No|Inc|Ltd|Fig)|\b[A-Z])\.$"
)
_STOP = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])[”』」）]*\s*|\n+")

# Frequent function words, less those that two of the languages share.
_FUNCTION_WORDS = {
    "en": "the and of to is that it for with you your this are be on as by from at we our have will can not "
    "about their they its has who how why what when or if an which was were there into than",
    "de": "der die und das ist nicht mit ein eine für auf den dem sich auch zu wir ihre sie wird werden sind",
    "fr": "le les et est une du pour dans qui vous votre nous avec sur pas ce cette des au aux",
    "es": "el los las y es una para con su del por más como nuestro usted este esta pero muy",
    "it": "il gli che è di per con della del nel sono più anche questo questa alla delle",
    "pt": "o os e é uma para com não do da em você seu sua mais nossa ao dos das",
    "nl": "het een van en dat niet zijn voor met ook wij deze maar naar wordt",
}
_SETS = {code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}


@lru_cache(maxsize=256)
def words(text: str) -> tuple[str, ...]:
    """The words in order, as written; one CJK character is one word."""
    return tuple(_WORD.findall(text))


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences and lines that hold at least one word."""
    found: list[str] = []
    carried = ""
    for part in _STOP.split(text):
        part = f"{carried} {part}".strip() if carried else part.strip()
        carried = ""
        if _ABBREVIATION.search(part):
            carried = part
        elif _WORD.search(part):
            found.append(part)
    return (*found, carried) if carried else tuple(found)


@lru_cache(maxsize=256)
def language(text: str) -> str:
    """ "en" and the like, a script's name ("cjk", "cyrillic", …), "mixed", or "unknown"."""
    scripts: dict[str, int] = {}
    for char in text[:20_000]:
        if char.isalpha():
            name = script(char)
            scripts[name] = scripts.get(name, 0) + 1
    if not scripts:
        return "unknown"
    main = max(scripts, key=scripts.__getitem__)
    if scripts[main] < 0.85 * sum(scripts.values()):
        return "mixed"
    return _latin(text) if main == "latin" else main


def _latin(text: str) -> str:
    found = [word.lower() for word in words(text[:20_000])]
    hits = {code: sum(word in known for word in found) for code, known in _SETS.items()}
    ranked = sorted(hits, key=hits.__getitem__, reverse=True)
    best, second = hits[ranked[0]], hits[ranked[1]]
    if best == 0:  # a slogan may hold no function word at all; plain ASCII is taken for English
        return "en" if text.isascii() and len(found) < 12 else "unknown"
    return ranked[0] if best >= 2 * second else "mixed"


@lru_cache(maxsize=4096)
def script(char: str) -> str:
    """ "latin", "cjk", "cyrillic", "arabic", … by the character's Unicode name."""
    first = unicodedata.name(char, "UNKNOWN").split()[0].split("-")[0].lower()
    return "cjk" if first in {"cjk", "hiragana", "katakana", "hangul"} else first


def need_words(text: str, least: int) -> tuple[str, ...]:
    """The words, in lower case. Raises Withheld if there are fewer than `least`."""
    found = words(text)
    if not found:
        raise Withheld("the text has no words")
    if len(found) < least:
        raise Withheld(f"needs at least {least} words; this text has {len(found)}")
    return tuple(word.lower() for word in found)


def need_english(text: str) -> None:
    """Raises Withheld unless the text is English."""
    code = language(text)
    if code != "en":
        seen = {"mixed": "a mix of languages", "unknown": "a language that is not recognised"}.get(
            code, f"“{code}”"
        )
        raise Withheld(f"works for English only; this text looks like {seen}")
