"""Piper voices through onnxruntime: one voice a model, US English, with a seed.

Piper's own runtime is GPL-3.0 and is not used: the studio reads the script itself (speech_reader) and this
module writes the phonemes in the alphabet that these voices learned. The two random tensors of the graph
become an input drawn from the seed, so that the same script and seed give the same sound, also after a kill.

Not covered: models of several speakers, voices of other languages than English.
Source: Kim, Kong & Son 2021, "Conditional variational autoencoder with adversarial learning for end-to-end
text-to-speech" (VITS); the order of symbols as in Piper's configuration files.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.speech_figures import FIGURES, told
from studio.engines.speech_graph import NOISE, with_given_noise
from studio.engines.speech_reader import LANGUAGES, Reader
from studio.engines.speech_script import Piece
from studio.engines.speech_speaking import Delivery, Speaker
from studio.engines.speech_take import sweep
from studio.errors import ModelBroken, ModelMissing
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

VOICE = "joe"
NOISE_LENGTH = 1 << 18
LONGEST = 100_000  # symbols of a configuration; a real one has about 150


@dataclass(frozen=True)
class PiperOptions:
    voice: str = option(VOICE, "Voice", choices=(VOICE,), labels=told({VOICE: "man"}), hint=FIGURES)
    language: str = option("en-us", "Language", choices=("en-us",), labels=LANGUAGES)
    speed: float = option(1.0, "Speed", low=0.5, high=2.0, step=0.05)
    loudness_lufs: float = option(
        -16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, hint="−16 podcast, −23 broadcast"
    )
    expression: float = option(
        1.0, "Liveliness", low=0.0, high=1.5, step=0.05, hint="How much one reading differs from the next"
    )
    sentence_pause: float = option(
        0.35, "Pause between sentences (s)", low=0.0, high=5.0, step=0.05, advanced=True
    )
    paragraph_pause: float = option(
        0.8, "Pause between paragraphs (s)", low=0.0, high=10.0, step=0.1, advanced=True
    )


@dataclass(frozen=True, slots=True)
class Config:
    """What is used of `model.onnx.json`: symbols to numbers, Hz, and the scales of noise and of durations."""

    symbols: Mapping[str, list[int]]
    sample_rate: int
    noise: float
    duration_noise: float
    length: float

    @classmethod
    def read(cls, path: Path) -> Config:
        """Raises ValueError and its kin for anything that is not the configuration of one English voice."""
        raw = json.loads(path.read_text("utf-8"))
        symbols, inference = raw["phoneme_id_map"], raw["inference"]
        if not all(
            isinstance(one, list) and all(isinstance(n, int) for n in one) for one in symbols.values()
        ):
            raise ValueError("phoneme_id_map does not map symbols to numbers")
        if missing := {"^", "$", "_", " "} - set(symbols):
            raise ValueError(f"phoneme_id_map lacks {missing}")
        if len(symbols) > LONGEST or raw.get("num_speakers", 1) != 1:
            raise ValueError("only models of one speaker are spoken with")
        rate = int(raw["audio"]["sample_rate"])
        if not 8_000 <= rate <= 48_000:
            raise ValueError("the sample rate is not one of speech")
        scales = (float(inference[name]) for name in ("noise_scale", "noise_w", "length_scale"))
        return cls(symbols, rate, *scales)

    def numbers(self, phonemes: str) -> list[int]:
        """Begin, each known symbol followed by the blank between symbols, end; [] if no symbol is known."""
        known = [number for symbol in phonemes for number in self.symbols.get(symbol, ())]
        if not known:
            return []
        blank = self.symbols["_"]
        between = [number for one in known for number in (one, *blank)]
        return [*self.symbols["^"], *blank, *between, *self.symbols["$"]]


@engines.register
class Piper:
    """Speech at the model's own rate, mono. The lexicon is the catalog entry `english-lexicon`."""

    name: ClassVar[str] = "speech_piper"
    kind: ClassVar[Kind] = "speech"
    Options: ClassVar[type] = PiperOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._settings = model, settings
        self._takes = settings.home / "work"
        self._session: Any = None
        self._config: Any = None
        self._reader: Any = None

    def load(self) -> None:
        import onnxruntime

        folder = self._model.folder
        for file in ("model.onnx", "model.onnx.json"):
            if not (folder / file).is_file():
                raise ModelMissing(
                    f"{self._model.title} is not here; get it with: python -m studio models pull {self._model.name}"
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._settings.threads or os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in speech_kokoro
        options.log_severity_level = 3
        try:
            self._config = Config.read(folder / "model.onnx.json")
            self._session = onnxruntime.InferenceSession(
                with_given_noise(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            if names := {one.name for one in self._session.get_inputs()} ^ {
                "input",
                "input_lengths",
                "scales",
                NOISE,
            }:
                raise ValueError(f"the graph has other inputs than a Piper voice: {names}")
        except Exception as error:  # onnx and onnxruntime have their own exceptions for a broken graph
            raise ModelBroken(
                f"{self._model.title} cannot be read as a Piper voice of one speaker; remove it and pull it again: "
                f"python -m studio models pull {self._model.name}"
            ) from error
        self._reader = Reader("en-us", self._settings.checkpoints / "english-lexicon")
        sweep(self._takes, self._settings.keep_temporary_days)

    def close(self) -> None:
        self._session = self._config = self._reader = None

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """Progress with each sentence as a playable WAV (16 bit), then one Draft."""
        options = read_options(PiperOptions, job.brief.options)
        seed = job.brief.seed or 0

        def sound(piece: Piece, run: Any) -> Any:
            return self._sound(piece, run, seed, options.expression)

        speaker = Speaker(self._model, self._config.sample_rate, "float32", (VOICE,), self._takes, sound)
        delivery = Delivery(
            options.voice, options.speed, "", options.loudness_lufs,
            (options.sentence_pause, options.paragraph_pause),
        )  # fmt: skip
        yield from speaker.speak(job, self._reader, delivery, options_dict(options))

    def _sound(self, piece: Piece, run: Any, seed: int, expression: float) -> Any:
        """One call of the model: float32 (frames,)."""
        import numpy as np

        numbers = self._config.numbers(to_ipa(piece.phonemes))
        if not numbers:
            return np.zeros(0, np.float32)
        draw = np.random.default_rng([seed, zlib.crc32(piece.phonemes.encode())])
        scales = (
            self._config.noise * expression, self._config.length / piece.speed, self._config.duration_noise * expression,
        )  # fmt: skip
        (samples,) = self._session.run(
            None,
            {
                "input": np.array([numbers], np.int64),
                "input_lengths": np.array([len(numbers)], np.int64),
                "scales": np.array(scales, np.float32),
                NOISE: draw.standard_normal(NOISE_LENGTH, np.float32),
            },
            run,
        )
        return samples.ravel()


# --- The alphabet -------------------------------------------------------------------------------

_LETTERS = {
    "A": "eɪ", "I": "aɪ", "W": "aʊ", "Y": "ɔɪ", "O": "oʊ", "Q": "əʊ", "ʤ": "dʒ", "ʧ": "tʃ", "ʣ": "dz", "ʦ": "ts",
    "ᵊ": "ə", "T": "ɾ", "—": ",", "…": ".", "“": '"', "”": '"',
}  # fmt: skip
_VOWEL = "[AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻɐᵊeo]"
# These voices say "sixty-eight" as two words, both stressed; as one, "six point eight" is heard.
_TENS = re.compile("(?:tw.ɛnti|θ.ɜɹɾi|f.ɔɹɾi|f.ɪfti|s.ɪksti|s.ɛvənti|.Aɾi|n.Indi)(?=[a-zθˈˌ])")
_WEAK = {"ði": "ðɪ", "ˌɔn": "ˌɔn"}  # said shorter than their letters


def to_ipa(phonemes: str) -> str:
    """The lexicon's phonemes in the IPA that Piper's US voices learned: diphthongs spelled out, long vowels
    marked, r-coloured vowels as one. What is IPA already stays."""
    joined = " ".join(_word(word) for word in phonemes.split(" "))
    return re.sub(rf"(?<=[ɚː])(?<!(?<!ɜ)ː) (?=[ˈˌ]?{_VOWEL})", "ɹ ", joined)  # "after extra" is linked


def _word(word: str) -> str:
    if word in _WEAK:
        return _WEAK[word]
    if tens := _TENS.match(word):
        word = f"{tens[0]} {word[tens.end() :]}".replace("ˌ", "ˈ")
    word = re.sub(rf"əɹ(?=[ˈˌ]?{_VOWEL})", "ɚɹ", re.sub(rf"ɜɹ(?=[ˈˌ]?{_VOWEL})", "ɜːɹ", word))
    word = word.replace("əɹ", "ɚ").replace("ɜɹ", "ɜː")
    word = re.sub(r"([uɑɔ])(?!ː|ɪ)", r"\1ː", word)
    # Final unstressed i, as in "happy", is short; so is that before a vowel, as in "radio".
    only = len(re.findall(_VOWEL, word)) == 1
    word = re.sub(r"(?<=[ˈˌ])i(?!ː)" if not only else r"i(?!ː)", "iː", word)
    return "".join(_LETTERS.get(symbol, symbol) for symbol in word)
