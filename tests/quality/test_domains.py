"""Out of its domain a score is withheld with its reason: never zero, never a number.

Each probe is a file that some metric must refuse; the whole card must hold no trace of a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from quality_material import (
    SONG,
    image_sample,
    photograph,
    rng,
    sound_sample,
    sticker,
    text_sample,
    tune,
)

from studio.catalog import Catalog
from studio.quality.base import Sample
from studio.quality.card import make_scorecard
from studio.settings import Settings

CHINESE = (
    "这盏太阳能露营灯非常轻巧。它两小时即可充满电。夜晚因此变得温暖明亮。背包里几乎感觉不到它的重量。我们为它提供两年保修。"
    * 4
)
GERMAN = (
    "Die Lampe ist leicht und wird in zwei Stunden geladen. Sie leuchtet die ganze Nacht für Sie und Ihre Familie. "
    * 8
)
FRENCH = (
    "La lampe est une merveille pour les nuits dans la nature. Elle se recharge avec le soleil et vous suit. "
    * 8
)
SPANISH = (
    "La lámpara es muy ligera y se carga con el sol. Los niños y las familias la usan para sus noches. " * 8
)
RUSSIAN = (
    "Этот фонарь очень лёгкий. Он заряжается за два часа. Ночь становится тёплой и светлой. Он складывается плоско. "
    * 5
)
ARABIC = "هذا المصباح خفيف جدا. يشحن في ساعتين. يضيء الليل كله. يطوى بسهولة في الحقيبة. " * 6
HEBREW = "הפנס הזה קל מאוד. הוא נטען בשעתיים. הוא מאיר כל הלילה. הוא מתקפל בקלות. " * 6
MIXED = "The lantern is light and it charges fast. 这盏灯非常轻巧，两小时即可充满电。" * 8
EMOJI = "🎉🔥✨ " * 40
ENGLISH = (
    "The lantern is light. It charges in two hours. It folds flat into any pack. You will love it at night. "
)
ENGLISH_ONLY = ("reading_ease", "relevance", "coherence", "thread_continuity")
SECOND = 16_000

Build = Callable[[Path], Sample]


def text(words: str, prompt: str = "Write about the lantern.") -> Build:
    return lambda folder: text_sample(folder, words, prompt)


def sound(
    samples: object, kind: str = "speech", prompt: str = "one two three four five six", rate: int = SECOND
) -> Build:
    return lambda folder: sound_sample(folder, samples, rate, kind, prompt)  # type: ignore[arg-type]


def picture(pixels: object) -> Build:
    return lambda folder: image_sample(folder, np.asarray(pixels))


def tone(seconds: float, level: float = 0.3) -> object:
    return level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * SECOND)) / SECOND)


ALL_TEXT = (
    "words",
    "characters",
    "phrase_repetition",
    "sentence_repetition",
    "distinct_2",
    "claims_to_check",
    *ENGLISH_ONLY,
)
ALL_IMAGE = (
    "sharpness",
    "noise",
    "banding",
    "exposure",
    "contrast",
    "colourfulness",
    "text_free_area",
    "artefacts",
    "unsafe_for_work",
    "alignment",
    "recognition",
)
ALL_SPEECH = ("loudness", "true_peak", "silence", "clipping", "pace", "dnsmos")
ALL_MUSIC = ("loudness", "key_stability", "tempo_stability", "pitch_class_entropy", "repetition")

PROBES: dict[str, tuple[Build, tuple[str, ...]]] = {
    **{
        f"{name} text": (text(words), ENGLISH_ONLY)
        for name, words in {
            "Chinese": CHINESE,
            "German": GERMAN,
            "French": FRENCH,
            "Spanish": SPANISH,
            "Russian": RUSSIAN,
            "Arabic": ARABIC,
            "Hebrew": HEBREW,
            "mixed": MIXED,
        }.items()
    },
    "emoji only": (text(EMOJI), ALL_TEXT),
    "empty": (text(""), ALL_TEXT),
    "blank": (text(" \n\t "), ALL_TEXT),
    "one word": (text("Lantern"), ("phrase_repetition", "sentence_repetition", "distinct_2", *ENGLISH_ONLY)),
    "punctuation": (text("?! … — !!!"), ALL_TEXT),
    "short English": (text(ENGLISH), ("reading_ease", "distinct_2")),
    "one endless sentence": (text("the light and " * 80), ("reading_ease", "coherence", "thread_continuity")),
    "three sentences": (
        text("The sun is up. We are at sea. It is calm."),
        ("coherence", "thread_continuity"),
    ),
    "brief in Chinese": (text(ENGLISH * 3, "写一段关于灯的介绍"), ("relevance",)),
    "brief without words": (text(ENGLISH * 3, "?!"), ("relevance",)),
    "single candidate": (
        text(ENGLISH * 3),
        ("self_bleu", "required_phrases", "forbidden_phrases", "perplexity", "recent_phrases"),
    ),
    "1×1 picture": (picture(np.full((1, 1, 3), 200)), ALL_IMAGE),
    "white picture": (picture(np.full((128, 128, 3), 255)), ("sharpness", "banding", "colourfulness")),
    "black picture": (picture(np.zeros((128, 128, 3))), ("sharpness", "banding", "colourfulness")),
    "grey picture": (picture(np.repeat(rng(0).integers(0, 255, (64, 64, 1)), 3, 2)), ("colourfulness",)),
    "thin picture": (picture(rng(0).integers(0, 255, (8, 400, 3))), ALL_IMAGE),
    "small icon": (
        picture(rng(0).integers(0, 255, (24, 24, 3))),
        ("sharpness", "noise", "banding", "text_free_area"),
    ),
    "a photograph to the sticker alignment": (picture(photograph(0)), ("alignment", "recognition")),
    "a sticker of nothing": (
        picture(np.zeros((128, 128, 4))),
        ("alignment", "recognition", "artefacts", "unsafe_for_work"),
    ),
    "a drawing to the photographs' scores": (picture(sticker(0)), ("artefacts", "unsafe_for_work")),
    "a sticker with a German brief": (
        lambda folder: image_sample(folder, sticker(0), "ein rotes Herz und der Stern"),
        ("alignment",),
    ),
    "a sticker without a brief": (lambda folder: image_sample(folder, sticker(0), " "), ("alignment",)),
    "unmarked picture": (picture(rng(0).integers(0, 255, (64, 64, 3))), ("mark_psnr", "mark_ssim")),
    "10 ms of speech": (sound(tone(0.01)), ALL_SPEECH),
    "half a second of speech": (sound(tone(0.6)), ("dnsmos",)),
    "silent speech": (sound(np.zeros(3 * SECOND)), ALL_SPEECH),
    "silent stereo": (sound(np.zeros((3 * SECOND, 2))), ALL_SPEECH),
    "nearly silent speech": (sound(tone(3, 1e-5)), ALL_SPEECH),
    "no samples": (sound(np.zeros(0)), ALL_SPEECH),
    "a tone as speech": (sound(tone(4)), ("dnsmos",)),
    "noise as speech": (sound(0.2 * rng(0).standard_normal(4 * SECOND)), ("dnsmos",)),
    "a song as speech": (sound(tune(SONG[:20], 0.5, SECOND)), ("dnsmos",)),
    "script of two words": (sound(tone(3), prompt="hello there"), ("pace",)),
    "script without words": (sound(tone(3), prompt="?!"), ("pace",)),
    "script in two languages": (sound(tone(3), prompt="hello good people 你好世界大家好"), ("pace",)),
    "unmarked speech": (sound(tone(3)), ("mark_snr",)),
    "six channels": (sound(0.1 * rng(0).standard_normal((2 * SECOND, 6))), ("loudness",)),
    "10 ms of music": (sound(tone(0.01), "music"), ALL_MUSIC),
    "silent music": (sound(np.zeros(20 * SECOND), "music"), ALL_MUSIC),
    "five seconds of music": (sound(tone(5), "music"), ("key_stability", "tempo_stability", "repetition")),
    "ten seconds of music": (
        sound(tune(SONG[:20], 0.5, SECOND)[: 10 * SECOND], "music"),
        ("tempo_stability",),
    ),
    "noise as music": (
        sound(0.2 * rng(0).standard_normal(20 * SECOND), "music"),
        ("key_stability", "tempo_stability"),
    ),
    "a held tone as music": (sound(tone(20), "music"), ("tempo_stability",)),
    "music to DNSMOS": (sound(tune(SONG, 0.5, SECOND), "music"), ()),
    "click as music": (sound(np.eye(1, 20 * SECOND)[0], "music"), ("tempo_stability",)),
    "a single picture": (picture(photograph(1)), ("candidate_likeness", "recent_likeness", "clip_alignment")),
    "text of 300,000 signs": (text("!" * 300_000), ALL_TEXT),
    "numbers only": (text("1 2 3 4 5"), ENGLISH_ONLY),
    "Chinese of one sentence": (text("这盏灯非常轻巧"), ("sentence_repetition", *ENGLISH_ONLY)),
}


@pytest.mark.real
@pytest.mark.parametrize("name", PROBES)
def test_withheld_with_a_reason(name: str, tmp_path: Path, settings: Settings) -> None:
    build, refused = PROBES[name]
    card = make_scorecard(build(tmp_path), Catalog.read(settings), settings)
    shown = {score.name for score in card.scores}
    assert not shown & set(refused)
    assert set(refused) <= set(card.withheld)
    assert not [reason for reason in card.withheld.values() if "could not be computed" in reason]


@pytest.mark.real
def test_dnsmos_never_judges_music(tmp_path: Path, settings: Settings) -> None:
    card = make_scorecard(PROBES["music to DNSMOS"][0](tmp_path), Catalog.read(settings), settings)
    assert card.get("dnsmos") is None and "dnsmos" not in card.withheld


def test_there_are_fifty() -> None:
    assert sum(bool(refused) for _, refused in PROBES.values()) >= 50
