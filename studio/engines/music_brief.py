"""From words to controls: what a brief says outright by rules, what it only suggests by likeness of meaning.

Words that name a style, mood, metre, instrument or tempo decide it. Where no word names a mood, the brief's
sentence vector is compared with a sentence for each (MiniLM reads English; other languages have the rules,
which know Chinese, German, French and Spanish words, and else the plain cheerful mood). Options that a person
set are never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.engines.music_harmony import beats
from studio.engines.music_options import AUTO, KEYS, MOODS, MusicOptions
from studio.nets.tune_tokens import TICKS

Likeness = Callable[[str, Sequence[str]], Sequence[float]]
"""How near a text is to each of some sentences, −1…1."""


@dataclass(frozen=True, slots=True)
class _Mood:
    """What a mood stands for where nothing else is said; `pace` is a factor on the style's tempo."""

    sentence: str
    words: str
    styles: tuple[str, ...]
    mode: str
    pace: float
    lead: str
    backing: str
    bass: str
    texture: str
    drums: str


_MOODS: dict[str, _Mood] = {
    "cheerful": _Mood(
        "Cheerful, happy, festive music for a celebration, a welcome or a friendly advert.",
        r"cheer|happy|joy|merry|festiv|celebrat|upbeat|bright|欢快|快乐|喜庆|愉快|fröhlich|heiter|joyeu|alegre",
        ("reel", "jig", "hornpipe"), "major", 0.94, "fiddle", "guitar", "double bass", "strum", "shaker"),
    "calm": _Mood(
        "Calm, gentle, relaxing music for meditation, a museum, reading or sleep.",
        r"calm|gentle|relax|peace|quiet|soft|meditat|lullab|sleep|soothing|安静|平静|轻柔|放松|ruhig|sanft|calme|doux|tranquil|suave",
        ("air", "waltz"), "major", 0.95, "flute", "harp", "cello", "broken", "none"),
    "sad": _Mood(
        "Sad, melancholic music about loss, farewell, loneliness and rain.",
        r"\bsad|melanchol|mourn|lament|griev|farewell|lonel|sorrow|悲|忧伤|伤感|traurig|wehmütig|triste",
        ("air",), "minor", 0.9, "cello", "piano", "low strings", "broken", "none"),
    "solemn": _Mood(
        "Solemn, dignified, ceremonial music for a church, a state act or a memorial.",
        r"solemn|hymn|church|ceremon|dignif|sacred|memorial|庄严|肃穆|圣|feierlich|solennel",
        ("air", "march"), "major", 0.85, "horn", "organ", "low strings", "held", "none"),
    "heroic": _Mood(
        "Heroic, triumphant, epic music for victory, sports, a film trailer or a fanfare.",
        r"hero|triumph|epic|victor|fanfare|glor|majest|英雄|史诗|胜利|凯旋|heldenhaft|héroï|épique|épica",
        ("march",), "major", 1.0, "trumpet", "strings", "tuba", "pulse", "march"),
    "tense": _Mood(
        "Tense, dark, dangerous music for suspense, a boss fight, horror or mystery.",
        r"tense|tension|dark|danger|suspens|horror|myster|scar|battle|boss|紧张|黑暗|恐怖|悬疑|战斗|düster|spannend|sombre|tenso|oscur",
        ("march", "reel"), "minor", 0.95, "strings", "synth", "synth bass", "pulse", "heavy"),
    "playful": _Mood(
        "Playful, funny, quirky music for children, cartoons, toys and puzzles.",
        r"playful|funny|quirk|comic|child|kid|toy|cartoon|puzzle|cute|俏皮|有趣|儿童|可爱|卡通|verspielt|lustig|kinder|enfant|drôle|infantil",
        ("jig", "hornpipe"), "major", 0.9, "marimba", "pizzicato", "double bass", "step", "shaker"),
    "dreamy": _Mood(
        "Dreamy, magical, ambient music of night, stars, water and fairy tales.",
        r"dream|magic|ambient|night|star|space|fairy|ethereal|snow|梦|魔法|夜|星|空灵|träum|zauber|rêve|magi|sueño",
        ("waltz", "air"), "major", 0.9, "celesta", "warm pad", "cello", "broken", "none"),
    "driving": _Mood(
        "Driving, energetic, fast music for action, a race, technology or a workout.",
        r"driv|energ|fast|action|race|chase|workout|power|tech|激烈|动感|快速|活力|科技|energisch|rasant|énergi|dynami",
        ("reel", "jig"), "dorian", 1.04, "fiddle", "steel guitar", "fingered bass", "pulse", "kit"),
}  # fmt: skip

# Style: words, metres (the first is usual), quarters a minute, what the melody model calls it, by metre.
_STYLES: dict[str, tuple[str, tuple[str, ...], float, str]] = {
    "slip jig": (r"slip ?jig", ("9/8",), 168, "slip jig"),
    "jig": (r"\bjigs?\b|吉格", ("6/8",), 168, "jig"),
    "hornpipe": (r"hornpipe|sailor|pirate|sea shant|水手|海盗", ("4/4", "2/4"), 152, "hornpipe"),
    "strathspey": (r"strathspey|highland|scottish|苏格兰", ("4/4",), 128, "strathspey"),
    "reel": (r"\breels?\b|irish|celtic|ceilidh|barn ?dance|爱尔兰", ("4/4", "2/4"), 176, "reel"),
    "march": (r"\bmarch|parade|military|procession|进行曲|marsch|marche|marcha", ("4/4", "2/4", "6/8"), 112, "march"),
    "waltz": (r"waltz|圆舞曲|华尔兹|walzer|valse?\b", ("3/4",), 144, "song"),
    "air": (r"\bair\b|ballad|adagio|slow|慢|langsam|\blent|lento", ("3/4", "4/4", "6/8"), 84, "air"),
    "song": (r"\bsong|folk ?song|\bpop\b|歌|lied\b|chanson|canción", ("4/4", "3/4"), 108, "song"),
}  # fmt: skip

_LEADS: dict[str, str] = {
    "piano": r"piano|klavier|钢琴", "music box": r"music ?box|八音盒", "celesta": r"celesta",
    "vibraphone": r"vibraphone", "marimba": r"marimba|xylophone", "kalimba": r"kalimba",
    "dulcimer": r"dulcimer|扬琴", "harp": r"\bharps?\b|竖琴|harfe", "guitar": r"guitar|吉他|gitarre|guitare|guitarra",
    "banjo": r"banjo|bluegrass", "accordion": r"accordion|musette|手风琴|akkordeon", "fiddle": r"fiddle",
    "violin": r"violin|小提琴|geige|violon", "cello": r"cello|大提琴", "strings": r"strings|orchestra|弦乐|管弦",
    "choir": r"choir|chorus|合唱|\bchor\b|chœur", "pan flute": r"pan ?(flute|pipe)|排箫",
    "flute": r"(?<!pan )(?<!pan)flute|长笛|笛子|flöte|flûte", "whistle": r"whistle", "recorder": r"recorder",
    "oboe": r"oboe|双簧管", "clarinet": r"clarinet|单簧管|klarinette", "trumpet": r"trumpet|小号|trompete|trompette",
    "horn": r"(?<!\w)(french )?horn(?!pipe)", "brass": r"brass|铜管", "bagpipe": r"bag ?pipe|风笛|dudelsack",
    "square lead": r"8.?bit|chip ?tune|retro game|像素",
}  # fmt: skip
_MODES = {
    "minor": r"\bminor\b|\bmoll\b|小调", "major": r"\bmajor\b|\bdur\b|大调",
    "dorian": r"dorian|medieval|中世纪", "mixolydian": r"mixolydian",
}  # fmt: skip
_DRUMS = {
    "none": r"(no|without) (drums?|percussion)|无鼓|ohne schlagzeug",
    "heavy": r"heavy drums|war drums|taiko|战鼓", "march": r"snare|drum ?line",
    "hand drum": r"bodhr|hand drum|tribal|手鼓", "kit": r"\bdrums?\b|\bbeats?\b|鼓|schlagzeug|batterie|batería",
}  # fmt: skip
_TEXTURES = {
    "none": r"solo|unaccompanied|a cappella|独奏", "drone": r"drone", "broken": r"arpeggi|broken chords|琶音",
    "strum": r"strum", "held": r"\bpads?\b|sustained",
}  # fmt: skip
_BPM = re.compile(r"\b(\d{2,3}) ?(?:bpm|beats (?:a|per) minute)\b")
_SECONDS = re.compile(r"\b(\d{1,3})[ -]?(?:s|sec|secs|seconds?|秒)(?![a-z])")
_KEY = re.compile(
    r"\bin (?:the key of )?([A-G])(♭|♯|b|#|[ -]flat|[ -]sharp)?(?: |-)?(?:major|minor|dorian|mixolydian)\b"
)
_LOOP = re.compile(r"\bloop(?:able|ing|s)?\b|seamless|循环")
_CLOSE = 0.12  # a likeness below this says nothing


@dataclass(frozen=True, slots=True)
class Controls:
    """Options without any "auto" left; `because` says in words what the brief decided."""

    options: MusicOptions
    model_style: str
    bpm: float
    contrast: str
    second: str
    because: tuple[str, ...]


def read_brief(prompt: str, options: MusicOptions, likeness: Likeness | None, seed: int) -> Controls:
    """`likeness` None leaves meaning out (then the rules alone decide)."""
    text = prompt.lower()
    given = options
    because: list[str] = []

    def said(name: str, table: Mapping[str, str]) -> str | None:
        found = next((value for value, words in table.items() if re.search(words, text)), None)
        if found and getattr(given, name) == AUTO:
            because.append(f"{name}: {found}")
        return found

    style = _taken(options.style, said("style", {name: row[0] for name, row in _STYLES.items()}))
    mood = _taken(options.mood, said("mood", {name: row.words for name, row in _MOODS.items()}))
    if mood is None:
        mood = _nearest(prompt, likeness) or _mood_of(style)
        because.append(f"mood: {mood} (closest in meaning)")
    about = _MOODS[mood]
    style = style or about.styles[seed % len(about.styles)]
    _, metres, usual, model_style = _STYLES[style]
    metre = _taken(options.metre, None) or metres[0]
    lead = _taken(options.lead, said("lead", _LEADS)) or about.lead
    texture = _taken(options.texture, said("texture", _TEXTURES)) or about.texture
    drums = _taken(options.drums, said("drums", _DRUMS)) or (
        "none" if texture in ("none", "drone") else about.drums
    )
    backing = _taken(options.backing, None) or ("harp" if about.backing == lead else about.backing)
    decided: dict[str, Any] = {
        "mood": mood, "style": style, "metre": metre, "lead": lead, "texture": texture, "drums": drums,
        "backing": backing, "mode": _taken(options.mode, said("mode", _MODES)) or about.mode,
        "bass": _taken(options.bass, None) or about.bass, "key": _taken(options.key, _key_in(prompt)) or AUTO,
    }  # fmt: skip
    decided |= _numbers(text, options)
    beat = beats(metre)[0] / TICKS
    tempo = decided.get("tempo", options.tempo)
    bpm = tempo * beat if tempo else usual * about.pace
    decided["tempo"] = round(bpm / beat)
    final = replace(options, **decided)
    return Controls(final, model_style, bpm, _contrast(texture), _second(lead), tuple(because))


def _taken(option: str, found: str | None) -> str | None:
    return found if option == AUTO else option


def _nearest(prompt: str, likeness: Likeness | None) -> str | None:
    if likeness is None or not prompt.isascii():  # the embedding reads English
        return None
    near = likeness(prompt, [_MOODS[mood].sentence for mood in MOODS])
    best = max(range(len(MOODS)), key=near.__getitem__)
    return MOODS[best] if near[best] > _CLOSE else None


def _mood_of(style: str | None) -> str:
    return {"air": "calm", "waltz": "dreamy", "march": "heroic", "slip jig": "playful"}.get(
        style or "", "cheerful"
    )


def _key_in(prompt: str) -> str | None:
    match = _KEY.search(prompt)
    if not match:
        return None
    place = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[match[1]]
    sign = (match[2] or "").strip(" -")
    return KEYS[(place + {"": 0, "♭": -1, "b": -1, "flat": -1}.get(sign, 1)) % 12]


def _numbers(text: str, options: MusicOptions) -> dict[str, Any]:
    """Tempo, length and loop as the brief says them, where the options still stand at their defaults."""
    found: dict[str, Any] = {}
    if not options.tempo and (match := _BPM.search(text)):
        found["tempo"] = min(max(int(match[1]), 30), 240)
    if options.seconds == MusicOptions.seconds and (match := _SECONDS.search(text)):
        found["seconds"] = float(min(max(int(match[1]), 2), 180))
    if not options.loop and _LOOP.search(text):
        found["loop"] = True
    return found


def _contrast(texture: str) -> str:
    """What accompanies the middle sections."""
    return {"held": "broken", "broken": "held", "step": "strum", "strum": "step", "pulse": "strum"}.get(
        texture, texture
    )


def _second(lead: str) -> str:
    return {
        "piano": "strings",
        "strings": "horn",
        "fiddle": "whistle",
        "trumpet": "horn",
        "music box": "celesta",
    }.get(lead, lead)
