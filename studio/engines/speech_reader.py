"""From a script to the pieces a voice speaks: language, cleaning, writing out, sentences, phonemes.

English (US, GB) and Japanese are read; any other script is left out and told, and a script that is mostly
in another one is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.engines.speech_english import English
from studio.engines.speech_japanese import Japanese
from studio.engines.speech_script import Piece, Sentence, first_part, fit, sentences
from studio.engines.speech_text import Cleaned, clean, normalise
from studio.errors import BadInput

LANGUAGES = {"en-us": "English (US)", "en-gb": "English (GB)", "ja": "Japanese"}
MOST_CHARACTERS = 200_000  # about four hours of speech
LONGEST_WORD = 60
_JAPANESE_MARKS = frozenset("。、「」『』（）・ー〜～々〆ゝゞヽヾ？！：；％")


class Reader:
    """Reads scripts of one language; the lexicon is loaded at the first one."""

    def __init__(self, language: str, lexicon: Path) -> None:
        if language not in LANGUAGES:
            raise BadInput(f"There is no language {language[:20]!r}; choose one of: {', '.join(LANGUAGES)}.")
        self.language = language
        self._phonemes: Callable[[str], str] = (
            Japanese() if language == "ja" else English(lexicon, british=language == "en-gb")
        )

    def clean(self, script: str) -> Cleaned:
        """The script without what cannot be spoken. Raises BadInput if that leaves nothing, or too little."""
        if len(script) > MOST_CHARACTERS:
            raise BadInput(
                f"The script has {len(script):,} characters; speak at most {MOST_CHARACTERS:,} at once, chapter by chapter."
            )
        cleaned = clean(script, self._speakable)
        endless = (
            re.findall(rf"[^\W\d_]{{{LONGEST_WORD + 1},}}", cleaned.text) if self.language != "ja" else []
        )
        text = re.sub(rf"[^\W\d_]{{{LONGEST_WORD + 1},}}", " ", cleaned.text) if endless else cleaned.text
        if not any(c.isalnum() for c in text):
            raise BadInput("There is nothing to speak in this script: write some words.")
        before, after = _letters(script), _letters(text)
        if after < before / 2:
            raise BadInput(
                f"Most of this script cannot be spoken in {LANGUAGES[self.language]}; "
                f"set language to one of: {', '.join(LANGUAGES)}, or write the script in it."
            )
        return Cleaned(text, (*cleaned.dropped, *(f"{word[:12]}…" for word in endless)))

    def sentences(self, text: str) -> list[Sentence]:
        """Sentences of a cleaned text, written out in words."""
        if self.language == "ja":
            return sentences(re.sub(r"[*_#>|`]+", " ", text))
        return sentences(normalise(text, british=self.language == "en-gb"))

    def phonemes(self, text: str) -> str:
        return self._phonemes(text)

    def pieces(
        self, spoken: list[Sentence], voice: str, speed: float, pauses: tuple[float, float]
    ) -> Iterator[Piece]:
        """What the model is called with, in order; `pauses` are seconds after a sentence and a paragraph."""
        for place, sentence in enumerate(spoken):
            phonemes = self.phonemes(sentence.text)
            parts = [
                part for head in (first_part(phonemes) if place == 0 else [phonemes]) for part in fit(head)
            ]
            last = place == len(spoken) - 1
            pause = 0.0 if last else pauses[1] if sentence.ends_paragraph else pauses[0]
            for number, part in enumerate(parts, 1):
                within = 0.12 if part[-1] in ",;:—.!?…" else 0.0
                yield Piece(part, voice, speed, pause if number == len(parts) else within)

    def _speakable(self, character: str) -> bool:
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


def _letters(text: str) -> int:
    return sum(c.isalpha() for c in text)
