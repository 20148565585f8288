"""The controls of a piece of music; "auto" is decided from the brief (`music_brief`)."""

from __future__ import annotations

from dataclasses import dataclass

from studio.engines.music_players import BACKINGS, BASSES, KITS, LEADS
from studio.engines.music_textures import TEXTURES
from studio.nets.tune_tokens import MODES
from studio.options import option

AUTO = "auto"
MOODS = ("cheerful", "calm", "sad", "solemn", "heroic", "tense", "playful", "dreamy", "driving")
STYLES = ("reel", "jig", "slip jig", "hornpipe", "strathspey", "march", "waltz", "air", "song")
METRES = ("2/4", "3/4", "4/4", "6/8", "9/8")
KEYS = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
STARTS = ("new", "given", "continue", "vary")


@dataclass(frozen=True)
class MusicOptions:
    seconds: float = option(30.0, "Length (s)", low=2.0, high=180.0, step=1.0)
    mood: str = option(AUTO, "Mood", choices=(AUTO, *MOODS))
    style: str = option(AUTO, "Style", choices=(AUTO, *STYLES))
    mode: str = option(AUTO, "Mode", choices=(AUTO, *MODES))
    metre: str = option(AUTO, "Metre", choices=(AUTO, *METRES))
    tempo: int = option(0, "Tempo", low=0, high=240, step=1, hint="Beats a minute; 0: as the style has it")
    lead: str = option(AUTO, "Melody", choices=(AUTO, *LEADS))
    backing: str = option(AUTO, "Accompaniment", choices=(AUTO, *BACKINGS))
    texture: str = option(AUTO, "Texture", choices=(AUTO, *TEXTURES), hint="How the chords are played")
    drums: str = option(AUTO, "Drums", choices=(AUTO, "none", *KITS))
    loop: bool = option(False, "Seamless loop", hint="No intro or ending: plays on without a gap")
    key: str = option(AUTO, "Key", choices=(AUTO, *KEYS), advanced=True)
    bass: str = option(AUTO, "Bass", choices=(AUTO, *BASSES), advanced=True)
    start: str = option(
        "new", "Melody from", choices=STARTS, advanced=True,
        hint="given: play the tune below; continue: write further parts; vary: write another ending for it",
    )  # fmt: skip
    tune: str = option(
        "",
        "Tune (ABC notation)",
        advanced=True,
        hint="Of an earlier piece, or your own: M:4/4, K:G and notes",
    )
    temperature: float = option(
        0.9, "Temperature", low=0.2, high=1.5, step=0.05, hint="Higher is more daring", advanced=True
    )
    loudness_lufs: float = option(
        -16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, hint="−16 web, −23 broadcast", advanced=True
    )
