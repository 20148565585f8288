"""Monotone or withdrawn: every score shown must follow the fault it claims to see.

Five levels of each degradation; the mean score of the material at each level must have a Spearman
correlation of at least 0.9 with the level, in the direction stated. `pytest -s` prints the table. A
registered metric without a row here fails the test. What engine and seal measure is measured by them here too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quality_material import (
    LEVELS,
    PHRASE_A,
    ROOT,
    SONG,
    THINGS,
    copy,
    image_sample,
    landscape,
    photograph,
    portrait,
    rng,
    sound_sample,
    speech,
    sticker,
    text_sample,
    tune,
)
from scipy import ndimage
from scipy.stats import spearmanr

from studio.catalog import Catalog
from studio.engines.devices import Device
from studio.engines.text_llama import TextLlama
from studio.provenance.fidelity import cost
from studio.quality.base import Sample, metrics
from studio.quality.card import score_one, with_models
from studio.quality.language import sentences, words
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Sound

# Shown only where the studio has its model, which is optional: CLIP is pulled from a hub.
NEEDED = {"alignment": "signet-align", "clip_alignment": "clip-vit-large-patch14"}
WITHHELD = {
    name for name, model in NEEDED.items() if not (ROOT / f"checkpoints/{model}/config.json").exists()
}
Spoil = Callable[[Path, int], list[Sample]]


@dataclass(frozen=True)
class Row:
    metric: str
    fault: str
    spoil: Spoil
    sign: int
    """+1 if the score grows with the fault, −1 if it falls."""


def texts(change: Callable[[list[str], int, np.random.Generator], list[str] | str], n: int = 12) -> Spoil:
    """Samples of the shipped copy whose list of sentences was changed."""

    def make(folder: Path, level: int) -> list[Sample]:
        chosen = [r for r in copy() if len(words(r["text"])) >= 100 and len(sentences(r["text"])) >= 5][:n]
        made = []
        for i, record in enumerate(chosen):
            new = change(list(sentences(record["text"])), level, rng(i))
            made.append(text_sample(folder, new if isinstance(new, str) else " ".join(new), record["prompt"]))
        return made

    return make


def swapped(said: list[str], share: float, random: np.random.Generator) -> list[str]:
    """A share of the sentences replaced by sentences of other texts."""
    others = [s for r in copy()[40:] for s in sentences(r["text"]) if len(words(s)) > 6]
    for i in random.permutation(len(said))[: round(share * len(said))]:
        said[i] = others[random.integers(len(others))]
    return said


def shuffled(said: list[str], level: int, random: np.random.Generator) -> list[str]:
    """Two texts told one after the other (level 0) to sentence by sentence in turn (level 4)."""
    other = list(sentences(copy()[-1 - int(random.integers(20))]["text"]))[: len(said)]
    both = said + other
    wandering = random.permutation(len(both))[: round(level / 4 * len(both))]
    mixed = list(both)
    for place, source in zip(sorted(wandering), wandering, strict=True):
        mixed[place] = both[source]
    return mixed


def joined(said: list[str], level: int, random: np.random.Generator) -> str:
    """Sentences run together without a stop; three are always left."""
    cut = round(level / 4 * (len(said) - 3))
    return ", ".join(s.rstrip(".!?") for s in said[: cut + 1]) + ". " + " ".join(said[cut + 1 :])


def candidates(folder: Path, level: int) -> list[Sample]:
    made = []
    for record in copy()[:8]:
        said, other = list(sentences(record["text"])), list(sentences(copy()[30]["text"]))
        share = round(level / 4 * len(said))
        sibling = text_sample(folder, " ".join(said[:share] + other[share:]), "other")
        made.append(text_sample(folder, record["text"], record["prompt"], others=(sibling.path,)))
    return made


def phrases(folder: Path, level: int) -> list[Sample]:
    asked = ("20 hours", "Signet", "two-year warranty", "order today")
    text = "A lantern. " + ". ".join(asked[: 4 - level]) + " is here."
    return [text_sample(folder, text, required=asked, forbidden=asked)]


def pictures(change: Callable[[Any, int, np.random.Generator], Any]) -> Spoil:
    return lambda folder, level: [image_sample(folder, change(landscape(s), level, rng(s))) for s in range(4)]


def photographs(change: Callable[[Any, int, np.random.Generator], Any]) -> Spoil:
    return lambda folder, level: [
        image_sample(folder, change(photograph(s), level, rng(s))) for s in range(4)
    ]


def as_jpeg(pixels: Any, level: int, random: np.random.Generator) -> Any:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=(95, 60, 35, 22, 14)[level]
    )
    return np.asarray(Image.open(file), np.float64)


def bared(folder: Path, level: int) -> list[Sample]:
    """The same figure from blue to the tones of skin."""
    skin, cloth = np.array((216, 160, 126)), np.array((90, 110, 150))
    tone = skin * level / 4 + cloth * (1 - level / 4)
    return [image_sample(folder, portrait(tuple(tone), seed)) for seed in range(3)]


def misnamed(folder: Path, level: int) -> list[Sample]:
    """None to all of four stickers under the name of another."""
    made = []
    for thing in range(4):
        name = THINGS[(thing + 1) % 4] if thing < level else THINGS[thing]
        made.append(image_sample(folder, sticker(thing), name))
    return made


def shaded(folder: Path, level: int) -> list[Sample]:
    """A smooth shade in fewer and fewer tones."""
    step = (1, 4, 8, 16, 32)[level]
    y, x = np.mgrid[0:192, 0:192] / 192
    shades = [np.round((40 + 160 * (a * y + (1 - a) * x)) / step) * step for a in (1.0, 0.7, 0.3)]
    return [image_sample(folder, np.repeat(shade[..., None], 3, axis=2)) for shade in shades]


def cluttered(picture: Any, level: int, random: np.random.Generator) -> Any:
    """The sky fills with noise from the left."""
    picture = picture.copy()
    picture[:, : level * 44] += random.normal(0, 60, picture[:, : level * 44].shape)
    return picture


def voices(change: Callable[[Any, int, np.random.Generator], Any]) -> Spoil:
    def make(folder: Path, level: int) -> list[Sample]:
        made = []
        for which in (0, 1):
            samples, rate, script = speech(which)
            made.append(sound_sample(folder, change(samples, level, rng(which)), rate, prompt=script))
        return made

    return make


def noisy(samples: Any, level: int, random: np.random.Generator) -> Any:
    ratio_db = (60, 30, 20, 10, 0)[level]
    return np.clip(samples + random.normal(0, samples.std() * 10 ** (-ratio_db / 20), len(samples)), -1, 1)


def mumbled(samples: Any, level: int, random: np.random.Generator) -> Any:
    """A low-pass that takes the consonants, then the vowels."""
    from scipy.signal import butter, sosfiltfilt

    cutoff = (7000, 1200, 700, 450, 250)[level]
    return sosfiltfilt(butter(6, cutoff, fs=16_000, output="sos"), samples)


def songs(change: Callable[[list[Any], int, np.random.Generator], tuple[list[Any], Any]]) -> Spoil:
    def make(folder: Path, level: int) -> list[Sample]:
        made = []
        for seed in range(3):
            notes, beats = change([(m + seed, d) for m, d in SONG], level, rng(seed))
            made.append(sound_sample(folder, tune(notes, beats), 22_050, "music"))
        return made

    return make


def transposed(notes: list[Any], level: int, random: np.random.Generator) -> tuple[list[Any], float]:
    """None to half of the phrases moved, each to another key."""
    size = len(PHRASE_A)
    for part, by in zip(random.permutation(8)[:level], (1, 6, 3, 8), strict=False):
        notes[part * size : (part + 1) * size] = [
            (m + by, d) for m, d in notes[part * size : (part + 1) * size]
        ]
    return notes, 0.5


def drifting(notes: list[Any], level: int, random: np.random.Generator) -> tuple[list[Any], list[float]]:
    """The tempo runs away steadily, by up to a half."""
    return notes, list(0.5 * (1 + 0.125 * level * np.linspace(0.5, -0.5, len(notes))))


def chromatic(notes: list[Any], level: int, random: np.random.Generator) -> tuple[list[Any], float]:
    return [(m + int(random.integers(-6, 7)) if random.random() < level / 4 else m, d) for m, d in notes], 0.5


def copied(folder: Path, level: int, where: str) -> list[Sample]:
    """Beside a picture that becomes the same."""
    made = []
    for seed in range(3):
        own, other = landscape(seed), landscape(seed + 10)[::-1]
        sibling = image_sample(folder, own * level / 4 + other * (1 - level / 4))
        made.append(image_sample(folder, own, **{where: (sibling.path,)}))
    return made


def said_before(folder: Path, level: int) -> list[Sample]:
    made = []
    for record in copy()[:8]:
        said, other = list(sentences(record["text"])), list(sentences(copy()[30]["text"]))
        share = round(level / 4 * len(said))
        earlier = text_sample(folder, " ".join(said[:share] + other), "earlier")
        made.append(text_sample(folder, record["text"], record["prompt"], recent=(earlier.path,)))
    return made


def wilder(folder: Path, level: int) -> list[Sample]:
    """The default writer at a temperature from 0.3 to 1.9, its perplexity as the engine tells it."""
    made = []
    for seed in (1, 2):
        options = {"max_tokens": 40, "temperature": 0.3 + 0.4 * level, "top_k": 500, "top_p": 1.0}
        brief = Brief("text", "Describe a lantern for campers.", options=options, seed=seed)
        job = Job("j", brief, "me", "running", datetime(2026, 1, 1, tzinfo=UTC))
        (draft,) = (step for step in writer().generate(job) if isinstance(step, Draft))
        made.append(text_sample(folder, draft.payload, brief.prompt, facts=dict(draft.facts)))
    return made


@lru_cache
def writer() -> TextLlama:
    engine = TextLlama(
        Catalog.read(Settings.read({})).require("smollm2-135m"), Device("cpu", "test", 8000, 8000),
        Settings.read({}, threads=1),
    )  # fmt: skip
    engine.load()
    return engine


def marked_pictures(folder: Path, level: int) -> list[Sample]:
    """What the seal reports of a change that grows."""
    made = []
    for seed in range(3):
        before = np.clip(landscape(seed), 0, 255).astype(np.uint8)
        after = np.clip(before + (1 + level) * rng(seed).choice([-1, 1], before.shape), 0, 255).astype(
            np.uint8
        )
        made.append(image_sample(folder, after, facts=cost("image", before, after)))
    return made


def marked_voices(folder: Path, level: int) -> list[Sample]:
    made = []
    for which in (0, 1):
        samples, rate, script = speech(which)
        change = rng(which).normal(0, 1e-4 * 2**level, len(samples)).astype(np.float32)
        facts = cost("speech", Sound(samples, rate), Sound(samples + change, rate))
        made.append(replace(sound_sample(folder, samples + change, rate, prompt=script), facts=facts))
    return made


ROWS = [
    Row("words", "text cut off", texts(lambda s, k, r: s[: max(1, round(len(s) * (1 - k / 5)))]), -1),
    Row("characters", "text cut off", texts(lambda s, k, r: s[: max(1, round(len(s) * (1 - k / 5)))]), -1),
    Row("phrase_repetition", "phrases said again", texts(lambda s, k, r: s + s[:1] * k), +1),
    Row("sentence_repetition", "sentences said again", texts(lambda s, k, r: s + s[:1] * k), +1),
    Row("distinct_2", "sentences said again", texts(lambda s, k, r: s[: len(s) - k] + s[:1] * (3 * k)), -1),
    Row("reading_ease", "sentences run together", texts(joined), -1),
    Row("relevance", "another brief's sentences", texts(lambda s, k, r: swapped(s, k / 4, r)), -1),
    Row("coherence", "another text's sentences", texts(lambda s, k, r: swapped(s, 0.15 * k, r)), -1),
    Row("coherence", "sentences shuffled", texts(shuffled, 24), -1),
    Row("thread_continuity", "sentences shuffled", texts(shuffled, 24), -1),
    Row("self_bleu", "candidates alike", candidates, +1),
    Row("claims_to_check", "claims put in", texts(lambda s, k, r: [*s, *["It is the best of all."] * k]), +1),
    Row("required_phrases", "phrases left out", phrases, -1),
    Row("forbidden_phrases", "phrases left out", phrases, -1),
    Row("exposure", "darkened", pictures(lambda p, k, r: p * (1 - 0.18 * k)), -1),
    Row("contrast", "flattened", pictures(lambda p, k, r: 128 + (p - 128) * (1 - 0.2 * k)), -1),
    Row(
        "colourfulness", "faded", pictures(lambda p, k, r: p + (p.mean(2, keepdims=True) - p) * 0.22 * k), -1
    ),
    Row(
        "sharpness",
        "blurred",
        pictures(lambda p, k, r: ndimage.gaussian_filter(p, (0.6 * k, 0.6 * k, 0))),
        -1,
    ),
    Row("noise", "grain added", pictures(lambda p, k, r: p + r.normal(0, 1, p.shape) * 5 * k), +1),
    Row("banding", "fewer tones", shaded, +1),
    Row("text_free_area", "cluttered", pictures(cluttered), -1),
    Row("artefacts", "grain added", photographs(lambda p, k, r: p + r.normal(0, 1, p.shape) * 5 * k), +1),
    Row(
        "artefacts",
        "blurred",
        photographs(lambda p, k, r: ndimage.gaussian_filter(p, (0.8 * k, 0.8 * k, 0))),
        +1,
    ),
    Row("artefacts", "stored as JPEG", photographs(as_jpeg), +1),
    Row("unsafe_for_work", "bared", bared, +1),
    Row("alignment", "wrong prompt", misnamed, -1),
    Row("clip_alignment", "wrong prompt", misnamed, -1),
    Row("recognition", "wrong prompt", misnamed, -1),
    Row("candidate_likeness", "candidates alike", lambda folder, level: copied(folder, level, "others"), +1),
    Row(
        "recent_likeness",
        "an earlier picture again",
        lambda folder, level: copied(folder, level, "recent"),
        +1,
    ),
    Row("recent_phrases", "an earlier text again", said_before, +1),
    Row("perplexity", "a wilder draw of words", wilder, +1),
    Row("mark_psnr", "a stronger mark", marked_pictures, -1),
    Row("mark_ssim", "a stronger mark", marked_pictures, -1),
    Row("mark_snr", "a stronger mark", marked_voices, -1),
    Row("loudness", "turned down", voices(lambda s, k, r: s * 10 ** (-0.2 * k)), -1),
    Row("true_peak", "turned up", voices(lambda s, k, r: s * 10 ** (0.2 * k)), +1),
    Row("silence", "pauses put in", voices(lambda s, k, r: np.concatenate([s, np.zeros(8000 * k)])), +1),
    Row("clipping", "overdriven", voices(lambda s, k, r: np.clip(s * (1 + k) / abs(s).max(), -1, 1)), +1),
    Row("pace", "slowed down", voices(lambda s, k, r: ndimage.zoom(s, 1 + 0.2 * k, order=1)), -1),
    Row("dnsmos", "noise added", voices(noisy), -1),
    Row("intelligibility", "mumbled", voices(mumbled), +1),
    Row("key_stability", "phrases in other keys", songs(transposed), -1),
    Row("pitch_class_entropy", "notes off the scale", songs(chromatic), +1),
    Row("repetition", "phrases that do not return", songs(chromatic), -1),
    Row("tempo_stability", "tempo running away", songs(drifting), -1),
]


def test_every_shown_score_has_a_row() -> None:
    assert {row.metric for row in ROWS} == set(metrics)


@pytest.mark.real
@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.metric not in WITHHELD],
    ids=lambda row: f"{row.metric}-{row.fault}".replace(" ", "-"),
)
def test_monotone(row: Row, tmp_path: Path, settings: Settings) -> None:
    metric, catalog = metrics.lookup(row.metric), Catalog.read(settings)
    means = []
    for level in LEVELS:
        samples = [with_models(sample, [metric], catalog) for sample in row.spoil(tmp_path, level)]
        means.append(float(np.mean([score_one(metric, sample, catalog).value for sample in samples])))
    rho = float(spearmanr(list(LEVELS), means).statistic)
    print(f"\n{row.metric:20} {row.fault:30} {' '.join(f'{m:9.3f}' for m in means)}   rho {rho:+.2f}")
    assert row.sign * rho >= 0.9 - 1e-9
