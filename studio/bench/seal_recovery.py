"""Whether what lost its credential still leads to its original, by mark or by likeness, as `verify` looks for it.

Covered: pictures, sounds and texts that were sealed and kept, then stripped, re-encoded, made smaller, cropped or
edited; strangers, which must lead to nothing. Not covered: what no mark withstands (see docs/provenance.md).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.bench.audio_attacks import ATTACKS as SOUND_ATTACKS
from studio.bench.audio_material import syllables, tune
from studio.bench.base import Figure, Place, bench
from studio.bench.image_attacks import attacks, picture
from studio.bench.seal_audio import wilson
from studio.bench.seal_text import edited
from studio.library import Library
from studio.provenance.content import content
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Asset, Brief, Draft, Job, Kind, LicenceNote, ModelUse, Scorecard, Sound

KEPT, STRANGERS = 60, 1000  # of each medium
_SECONDS = 8
_PICTURES = ("none", "jpeg50", "webp80", "half", "crop75", "screenshot", "social")
_SOUNDS = ("none", "mp3_64k", "opus_32k", "rate_8k", "noise_20db", "crop_6s", "lowpass_4k", "gain_0.2")
_TEXTS: dict[str, Callable[[str, random.Random], str]] = {
    "plain": lambda text, rng: " ".join(text.split()),
    "tenth_edited": lambda text, rng: edited(text, 0.1, rng),
    "half": lambda text, rng: text[: len(text) // 2],
    "between_others": lambda text, rng: f"Somebody wrote this. {text} And so it goes on.",
}
_NOTE = LicenceNote("Apache-2.0", "Made with a test (Apache-2.0).", "yes", ("test",))
_MODEL = ModelUse("bench", "1", "echo", 1, "cpu", "none", 1.0)

Write = Callable[[Any, Path], None]


@bench("seal.recovery")
def recovery(place: Place) -> list[Figure]:
    """By medium and by what was done to it: who finds the original; of 3,000 strangers, who finds anything."""
    return measure(place, KEPT, STRANGERS)


def measure(place: Place, kept: int, strangers: int) -> list[Figure]:
    settings = Settings.read({}, home=place.folder / "home")
    texts = _texts(settings)
    media: dict[str, tuple[Kind, Callable[[int], Any], Write, dict[str, Callable[[Any, int], Any]]]] = {
        "picture": ("image", picture, _png, _on_pictures()),
        "sound": ("music", _sound, _wav, {name: SOUND_ATTACKS[name] for name in _SOUNDS}),
        "text": ("text", lambda n: _text(texts, n), _txt, _on_texts()),
    }
    kept_here, figures = _Kept(settings, place.folder / "given"), []
    try:
        for medium, (kind, make, write, done) in media.items():
            outputs = [kept_here.add(kind, make(n)) for n in range(kept)]
            ids = [asset.id for asset, _ in outputs]
            for name, attack in done.items():
                found = [kept_here.found(attack(shown, n), write) for n, (_, shown) in enumerate(outputs)]
                figures.append(_rate(f"{medium}.{name}", found, ids))
            first = kept if medium == "text" else 50_000
            wrong = sum(kept_here.found(make(n), write) is not None for n in range(first, first + strangers))
            low, high = wilson(wrong, strangers)
            note = f"95 % interval of the rate: {low:.4f}–{high:.4f}"
            figures.append(Figure(f"seal.recovery.{medium}.strangers", wrong, "matched", strangers, "0", wrong == 0, note=note))  # fmt: skip
    finally:
        kept_here.library.close()
    return figures


class _Kept:
    """A library of sealed outputs, and a check that knows it, wired as in `Studio`."""

    def __init__(self, settings: Settings, given: Path) -> None:
        self.library, self._sealer, self._given = Library(settings), Sealer(settings), given
        self._verifier = Verifier(
            settings,
            self.library.find,
            find_marked=self.library.named,
            recognise=self.library.recognise,
        )

    def add(self, kind: Kind, payload: Any) -> tuple[Asset, Any]:
        """One output sealed and kept, and what its file shows."""
        brief = Brief(kind, "test")
        draft = Draft(kind, payload, "bench", "1", 1, "cpu", "none", 1.0)
        sealed = self._sealer.seal(draft, brief, _NOTE, model_title="Bench")
        shown = content(sealed.path.read_bytes(), sealed.media_type)
        asset = self.library.add(
            sealed.path,
            job=Job("bench", brief, "bench", "running", datetime.now(UTC)),
            media_type=sealed.media_type,
            model=_MODEL,
            scorecard=Scorecard(),
            credential=sealed.credential,
            text=shown if isinstance(shown, str) else "",
        )
        return asset, shown

    def found(self, payload: Any, write: Write) -> str | None:
        """The asset that a bare file of this content leads to."""
        write(payload, self._given)
        report = self._verifier.verify(self._given)
        return next((layer.asset_id for layer in report.layers if layer.asset_id), None)


def _rate(name: str, found: list[str | None], ids: list[str]) -> Figure:
    right = sum(one == wanted for one, wanted in zip(found, ids, strict=True))
    wrong = sum(one not in (None, wanted) for one, wanted in zip(found, ids, strict=True))
    low, high = wilson(right, len(ids))
    share = right / len(ids)
    note = f"95 % interval {low:.3f}–{high:.3f}, {wrong} read wrongly"
    return Figure(f"seal.recovery.{name}", share, "recovered", len(ids), "≥ 0.98, none wrong", share >= 0.98 and not wrong, note=note)  # fmt: skip


# --- Content, and how it is written ------------------------------------------------------------------


def _sound(n: int) -> Sound:
    return (syllables if n % 2 else tune)(n, _SECONDS)


def _texts(settings: Settings) -> list[str]:
    lines = (settings.assets / "reference" / "signet-copy-en.jsonl").read_text("utf-8").splitlines()
    unlike: dict[str, str] = {}
    for text in (str(json.loads(line)["text"]) for line in lines):
        if len(text) > 250:
            unlike.setdefault(text[:80], text)
    return list(unlike.values())


def _text(texts: list[str], n: int) -> str:
    """The n-th passage; beyond those that there are, the words of one of the later ones in another order."""
    if n < len(texts):
        return texts[n]
    words = texts[len(texts) // 2 + n % (len(texts) // 2)].split()
    random.Random(n).shuffle(words)
    return " ".join(words)


def _on_pictures() -> dict[str, Callable[[Any, int], Any]]:
    import numpy as np

    every = attacks()
    return {name: lambda one, n, name=name: every[name](one, np.random.default_rng(n)) for name in _PICTURES}  # type: ignore[misc]


def _on_texts() -> dict[str, Callable[[Any, int], Any]]:
    return {
        name: lambda text, n, change=change: change(text, random.Random(n))  # type: ignore[misc]
        for name, change in _TEXTS.items()
    }


def _png(pixels: Any, path: Path) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(pixels)).save(path, "PNG", compress_level=1)


def _wav(sound: Sound, path: Path) -> None:
    import soundfile

    soundfile.write(path, sound.samples, sound.sample_rate, format="WAV")


def _txt(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")
