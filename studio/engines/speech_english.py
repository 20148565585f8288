"""English words to the phonemes that Kokoro learned (misaki's alphabet, US or British).

Words are looked up in a pronouncing lexicon (about 180,000 words), then tried without their ending, as a
compound, and last spelled out by a small recurrent network trained on CMUdict. Words that are said in two
ways ("to record", "a record") are told apart by their neighbours. Not covered: a full tagger, so a rare
homograph may come out as its other self; sentence stress beyond weak function words.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.engines.speech_spelling import SpelledWord
from studio.engines.speech_units import words
from studio.errors import ModelBroken, ModelMissing

_TOKEN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ž]+(?:['-][A-Za-zÀ-ÖØ-öø-ž]+)*'?|[\ue100-\uf8ff]|[.,!?;:…—“”\"()]|–|\s+")
_SPELLED = re.compile(r"(?:[A-Z]-)+[A-Z](?:'?s)?|[B-HJ-Z](?:'s)?")
_VOWELS = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻɐ")
_STOPS = frozenset(".,!?;:…—()")
# What the lexicon lacks, or says as few do; alike in both dialects.
_MORE = {"miz": "mˈɪz", "nguyen": "wˈɪn", "eighth": "ˈAtθ", "eighths": "ˈAtθs"}


class English:
    """Callable: normalised text → phonemes, spaces and punctuation kept. `unknown` counts guessed words."""

    def __init__(self, folder: Path, british: bool = False) -> None:
        dialect = "gb" if british else "us"
        self._british = british
        self._gold = _read(folder / f"{dialect}_gold.json")
        self._silver = _read(folder / f"{dialect}_silver.json")
        self._spell = SpelledWord(folder / "spelling.npz", british)
        self._guess = lru_cache(maxsize=4096)(self._spell)

    def __call__(self, text: str, said: Mapping[str, str] = MappingProxyType({})) -> str:
        """`said` gives the phonemes of marks (private-use characters) in the text."""
        text = text.replace("–", "—")
        tokens = _TOKEN.findall(text)
        words = [t.strip() for t in tokens]
        out: list[str] = []
        following = ""  # phonemes after the present word, up to a stop: weak forms depend on them
        for place in range(len(tokens) - 1, -1, -1):
            token = tokens[place]
            if token.isspace():
                out.append(" ")
                continue
            if "\ue100" <= token <= "\uf8ff":
                out.append(said.get(token, ""))
                following = out[-1] or following
                continue
            if not token[0].isalpha():
                following = token if token in _STOPS else following
                out.append(token)
                continue
            phonemes = self._word(token, words, place, following)
            following = phonemes or following
            out.append(phonemes)
        return re.sub(r"\s+", " ", "".join(reversed(out))).strip()

    # --- one word ---

    def _word(self, token: str, words: list[str], place: int, following: str) -> str:
        first = next((c for c in following if c not in "ˈˌ"), "")
        at_stop = first == "" or first in _STOPS
        if _SPELLED.fullmatch(token) and not (
            token in ("I",) or len(token.rstrip("'s")) == 1 and token[0] == "O"
        ):
            return self._letters(token)
        weak = self._weak(token, first, at_stop)
        if weak is not None:
            return weak
        tags = _tags(words, place, at_stop)
        return self._known(token, tags) or self._compound(token, tags) or self._guess(_plain(token))

    def _weak(self, token: str, first: str, at_stop: bool) -> str | None:
        vowel = first in _VOWELS
        match token.lower():
            case "the":
                return "ði" if vowel else "ðə"
            case "a" if not at_stop:
                return "ɐ"
            case "an":
                return "ɐn"
            case "to":
                return None if at_stop else "tʊ" if vowel else "tə"
            case "in":
                return "ˈɪn" if at_stop else "ɪn"
            case "i":
                return "ˌI"
        return None

    def _known(self, word: str, tags: tuple[str, ...]) -> str | None:
        if more := _MORE.get(word.lower()):
            return more
        for form in dict.fromkeys((word, word.lower(), word.capitalize(), _plain(word))):
            found = self._gold.get(form) or self._silver.get(form)
            if isinstance(found, dict):
                found = next((found[tag] for tag in tags if found.get(tag)), found["DEFAULT"])
            if found:
                return str(found)
        return self._with_ending(word.lower(), tags)

    def _with_ending(self, word: str, tags: tuple[str, ...]) -> str | None:
        """The stem's phonemes with -s, -ed, -ing, -er, -ly or a clitic, as English assimilates them."""
        if word.endswith("s'"):
            return self._known(word[:-1], tags)
        for ending, join in (("'s", self._s), ("'ll", lambda p: p + "ᵊl"), ("'d", lambda p: p + "d"),
                             ("'ve", lambda p: p + "v"), ("'re", lambda p: p + "ɹ"), ("n't", lambda p: p + "ᵊnt"),
                             ("s", self._s), ("ed", self._ed), ("ing", self._ing), ("ly", lambda p: p + "li"),
                             ("ness", lambda p: p + "nəs"), ("less", lambda p: p + "ləs"), ("er", self._er)):  # fmt: skip
            if not word.endswith(ending) or len(word) - len(ending) < (2 if ending != "s" else 3):
                continue
            verb = ("VERB", *tags) if ending in ("ed", "ing") else tags  # "lived" is never the adjective's
            for stem in _stems(word, ending):
                phonemes = self._stem(stem, verb)
                if phonemes:
                    return join(phonemes)
        return None

    def _stem(self, stem: str, tags: tuple[str, ...]) -> str | None:
        found = self._gold.get(stem) or self._silver.get(stem) or self._gold.get(stem.capitalize())
        if isinstance(found, dict):
            found = next((found[tag] for tag in tags if found.get(tag)), found["DEFAULT"])
        return found or None

    def _s(self, stem: str) -> str:
        if stem[-1] in "ptkfθ":
            return stem + "s"
        return stem + (("ɪ" if self._british else "ᵻ") + "z" if stem[-1] in "szʃʒʧʤ" else "z")

    def _ed(self, stem: str) -> str:
        middle = "ɪ" if self._british else "ᵻ"
        if stem[-1] in "pkfθʃsʧ":
            return stem + "t"
        if stem[-1] == "t" and not self._british and stem[-2:-1] in _VOWELS | {"ɹ"}:
            return stem[:-1] + "ɾᵻd"
        return stem + (middle + "d" if stem[-1] in "td" else "d")

    def _ing(self, stem: str) -> str:
        if stem[-1] == "t" and not self._british and stem[-2:-1] in _VOWELS | {"ɹ"}:
            return stem[:-1] + "ɾɪŋ"
        return stem + "ɪŋ"

    def _er(self, stem: str) -> str:
        return stem + ("ə" if self._british else "əɹ")

    def _compound(self, word: str, tags: tuple[str, ...]) -> str | None:
        """A hyphenated or camel-case word by its parts; two lexicon words grown together ("webpage")."""
        parts = [p for p in re.split(r"-|(?<=[a-z])(?=[A-Z])", word) if p]
        if len(parts) > 1:
            spoken = [
                self._letters(p) if _SPELLED.fullmatch(p) else self._known(p, tags) or self._guess(_plain(p))
                for p in parts
            ]
            return (
                "".join([spoken[0], *(lower_stress(p) for p in spoken[1:])])
                if len(parts) == 2
                else " ".join(spoken)
            )
        for cut in range(len(word) - 3, 2, -1):
            head, tail = self._gold.get(word[:cut].lower()), self._gold.get(word[cut:].lower())
            if isinstance(head, str) and isinstance(tail, str) and "ˈ" in head and "ˈ" in tail:
                return head + lower_stress(tail)
        return None

    def _letters(self, token: str) -> str:
        """ "F-B-I" as letters: secondary stress, the last one primary."""
        letters, plural = re.fullmatch(r"([A-Z-]+?)('?s)?", token).groups()  # type: ignore[union-attr]
        names = [lower_stress(self._name(letter)) for letter in letters.split("-")]
        names[-1] = names[-1].replace("ˌ", "ˈ")
        return self._s("".join(names)) if plural else "".join(names)

    def _name(self, letter: str) -> str:
        found = self._gold[letter]
        return str(found["DEFAULT"] if isinstance(found, dict) else found)


def _stems(word: str, ending: str) -> list[str]:
    stem = word[: -len(ending)]
    if ending == "s":
        stems = [stem] if not word.endswith("ss") else []
        stems += [word[:-2]] if word.endswith("es") and len(word) > 4 else []
        return stems + ([word[:-3] + "y"] if word.endswith("ies") else [])
    if ending in ("ed", "ing", "er"):
        stems = [stem, stem + "e"]
        stems += [stem[:-1]] if stem[-1:] == stem[-2:-1] else []
        return stems + ([stem[:-1] + "y"] if stem.endswith("i") else [])
    return [stem, stem[:-1] + "y"] if stem.endswith("i") else [stem]


def stressed(phonemes: str) -> str:
    """Every word with a primary stress: on its secondary one, else before its first vowel."""
    return " ".join(_stressed(word) for word in phonemes.split(" "))


def _stressed(word: str) -> str:
    if "ˈ" in word:
        return word
    if "ˌ" in word:
        return word.replace("ˌ", "ˈ", 1)
    vowel = next((place for place, c in enumerate(word) if c in _VOWELS), None)
    return word if vowel is None else f"{word[:vowel]}ˈ{word[vowel:]}"


def lower_stress(phonemes: str) -> str:
    """Primary stress made secondary, secondary left out."""
    return phonemes.replace("ˌ", "").replace("ˈ", "ˌ")


def _plain(word: str) -> str:
    """Lower case without accents: "Café" → "cafe"."""
    return "".join(c for c in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(c))


# --- Which part of speech a word with two pronunciations has, judged by its neighbours -----------

_VERB_BEFORE = words(
    """
    to will would can could shall should may might must do does did don't doesn't didn't won't wouldn't
    can't couldn't shouldn't i you we they who please let's let not never always often also and-then
    """
)
_NOUN_BEFORE = words(
    """
    the a an this that these those my your his her its our their of in on at for with from by no some
    any each every another new old first last good great own one two three many few several more most
    """
)
_PAST_BEFORE = words(
    """
    have has had having was were been be is are i've you've we've they've he's she's
    """
)
_ADJECTIVE_BEFORE = words("very so too more most quite rather is are was were be been seems feels how")


def _tags(words: list[str], place: int, at_stop: bool) -> tuple[str, ...]:
    """Tags to try, best first, in the lexicon's own names."""
    near = [w.lower() for w in words[max(0, place - 4) : place] if w]
    before = near[-1] if near else ""
    after = next((w.lower() for w in words[place + 1 : place + 3] if w), "")
    stop = ("None",) if at_stop else ()
    if words[place].lower() == "used":
        return ("VBD",) if after == "to" and before not in _PAST_BEFORE else ("DEFAULT",)
    if before in _PAST_BEFORE:
        return (
            (*stop, "VBN", "ADJ", "DEFAULT")
            if before in ("have", "has", "had", "having")
            else (*stop, "ADJ", "VBN", "DEFAULT")
        )
    if before in _VERB_BEFORE:
        return (*stop, "VERB", "DEFAULT")
    if before in _ADJECTIVE_BEFORE:
        return (*stop, "ADJ", "DEFAULT")
    if before in _NOUN_BEFORE:
        noun_follows = after.isalpha() and after not in _CLOSED
        return (*stop, "ADJ", "DEFAULT", "NOUN") if noun_follows else (*stop, "NOUN", "DEFAULT")
    if not before or not before[0].isalpha():
        return (*stop, "VERB", "DEFAULT") if after in _NOUN_BEFORE else (*stop, "DEFAULT")
    return (
        (*stop, "VERB", "DEFAULT")
        if after in ("the", "a", "an", "my", "your", "our", "it", "them")
        else (*stop, "DEFAULT")
    )


_CLOSED = words(
    """
    is was are were be been has have had will would can could may might must of in on at to for with
    from by and or but as that which who than if when while because so not
    """
)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelMissing(
            "The English lexicon is not here; get it with: python -m studio models pull english-lexicon"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelBroken(
            f"The English lexicon {path.name} cannot be read; pull english-lexicon again."
        ) from error
    if not isinstance(table, dict) or "the" not in table and "The" not in table and len(table) < 1000:
        raise ModelBroken(f"The English lexicon {path.name} is not one; pull english-lexicon again.")
    return table
