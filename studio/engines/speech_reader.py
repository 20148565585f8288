"""From a script to the pieces a voice speaks: language, cleaning, writing out, sentences, phonemes.

English (US, GB) and Japanese are read; any other script is left out and told, and a script that is mostly
in another one is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from studio.engines.speech_english import English, lower_stress, stressed
from studio.engines.speech_japanese import Japanese
from studio.engines.speech_markup import Override, is_mark, read_script
from studio.engines.speech_script import Piece, Sentence, first_part, fit, sentences
from studio.engines.speech_text import Cleaned, clean, normalise
from studio.errors import BadInput

LANGUAGES = {"en-us": "English (US)", "en-gb": "English (GB)", "ja": "Japanese"}
MOST_CHARACTERS = 200_000  # about four hours of speech
LONGEST_WORD = 60
_JAPANESE_MARKS = frozenset("。、「」『』（）・ー〜～々〆ゝゞヽヾ？！：；％")


_NOTHING = "There is nothing to speak in this script: write some words."
_ENDLESS = re.compile(rf"[^\W\d_]{{{LONGEST_WORD + 1},}}")


@dataclass(frozen=True, slots=True)
class Reading:
    """A script read: its sentences, the phonemes of its marks, and the characters that were left out."""

    sentences: tuple[Sentence, ...]
    said: Mapping[str, str]
    dropped: tuple[str, ...]


class Reader:
    """Reads scripts of one language; the lexicon is loaded at the first one."""

    def __init__(self, language: str, lexicon: Path) -> None:
        if language not in LANGUAGES:
            raise BadInput(f"There is no language {language[:20]!r}; choose one of: {', '.join(LANGUAGES)}.")
        self.language = language
        self._phonemes: Callable[[str, Mapping[str, str]], str] = (
            Japanese() if language == "ja" else English(lexicon, british=language == "en-gb")
        )

    def read(self, script: str, voice: str, speed: float, cast: str, voices: Collection[str]) -> Reading:
        """A script with its directions. Raises BadInput if nothing, or too little, of it can be spoken."""
        if len(script) > MOST_CHARACTERS:
            raise BadInput(
                f"The script has {len(script):,} characters; speak at most {MOST_CHARACTERS:,} at once, "
                f"chapter by chapter."
            )
        marked = read_script(script, voice, speed, cast, voices)
        cleaned = [self._clean(passage.text) for passage in marked.passages]
        self._check("".join(one.text for one in marked.passages), "".join(one.text for one in cleaned))
        said = {mark: self._said(override) for mark, override in marked.overrides.items()}
        spoken = [
            replace(
                sentence, voice=passage.voice, speed=passage.speed,
                pause=passage.pause if last else None,
                ends_paragraph=sentence.ends_paragraph and (not last or passage.ends_paragraph),
            )
            for passage, one in zip(marked.passages, cleaned, strict=True)
            for last, sentence in _marking_last(self._sentences(one.text))
        ]  # fmt: skip
        if not spoken:
            raise BadInput(_NOTHING)
        dropped = tuple(dict.fromkeys(character for one in cleaned for character in one.dropped))
        return Reading(tuple(spoken), said, dropped)

    def pieces(self, reading: Reading, pauses: tuple[float, float]) -> Iterator[Piece]:
        """What the model is called with, in order; `pauses` are seconds after a sentence and a paragraph."""
        for place, sentence in enumerate(reading.sentences):
            phonemes = self._phonemes(sentence.text, reading.said)
            parts = [
                part for head in (first_part(phonemes) if place == 0 else [phonemes]) for part in fit(head)
            ]
            pause = pauses[1] if sentence.ends_paragraph else pauses[0]
            if sentence.pause is not None:
                pause = sentence.pause
            elif place == len(reading.sentences) - 1:
                pause = 0.0
            for number, part in enumerate(parts, 1):
                within = 0.12 if part[-1] in ",;:—.!?…" else 0.0
                yield Piece(part, sentence.voice, sentence.speed, pause if number == len(parts) else within)

    def _said(self, override: Override) -> str:
        if override.kind == "phonemes":
            return override.value
        text = " ".join(one.text for one in self._sentences(self._clean(override.value).text))
        phonemes = self._phonemes(text, {})
        return stressed(phonemes) if override.kind == "strong" else lower_stress(phonemes)

    def _clean(self, text: str) -> Cleaned:
        cleaned = clean(text, self._speakable)
        if self.language == "ja":
            return cleaned
        endless = _ENDLESS.findall(cleaned.text)
        told = (f"{word[:12]}…" for word in endless)
        return Cleaned(_ENDLESS.sub(" ", cleaned.text), (*cleaned.dropped, *told)) if endless else cleaned

    def _check(self, before: str, after: str) -> None:
        if not any(c.isalnum() or is_mark(c) for c in after):
            raise BadInput(_NOTHING)
        if sum(c.isalpha() for c in after) < sum(c.isalpha() for c in before) / 2:
            raise BadInput(
                f"Most of this script cannot be spoken in {LANGUAGES[self.language]}; "
                f"set language to one of: {', '.join(LANGUAGES)}, or write the script in it."
            )

    def _sentences(self, text: str) -> list[Sentence]:
        if self.language == "ja":
            return sentences(re.sub(r"[*_#>|`]+", " ", text))
        return sentences(normalise(text, british=self.language == "en-gb"))

    def _speakable(self, character: str) -> bool:
        if is_mark(character):
            return True
        name = unicodedata.name(character, "")
        if self.language == "ja":
            kinds = (
                "HIRAGANA",
                "KATAKANA",
                "CJK UNIFIED",
                "LATIN",
                "DIGIT",
                "HALFWIDTH KATAKANA",
                "FULLWIDTH",
            )
            return character in _JAPANESE_MARKS or name.startswith(kinds)
        return name.startswith(("LATIN", "DIGIT", "COMBINING"))


def _marking_last(found: list[Sentence]) -> Iterator[tuple[bool, Sentence]]:
    return ((place == len(found) - 1, sentence) for place, sentence in enumerate(found))
