"""`python -m studio.bench.speech_study`: how well each voice is understood, how it sounds, how loud it is.

Sentences of `assets/studies/speech-….tsv` are spoken through the whole line, and the sealed files are measured:

- words: Whisper-base writes down what it hears; word error rate over all words of a voice, both sides written
  out in full first. The recogniser's own slips (names above all) are in it, so each one is listed. Japanese has no
  spaces and many spellings, so there the sounds that both would be read as are compared.
- DNSMOS overall, the mean; integrated loudness, the largest distance from the target; samples at full scale.

Rows are kept in the JSON file by voice, so that one voice can be measured anew: `--voice jm_kumo=50`. The guide's
table is written anew with them.
Slow: about six seconds of processor time a sentence.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from studio.engines.loudness import loudness
from studio.engines.speech_figures import RESULT, Row, read
from studio.engines.speech_japanese import Japanese
from studio.engines.speech_text import normalise
from studio.quality.speech_words import compare, hear, one_spelling
from studio.service import Studio
from studio.settings import ROOT, Settings
from studio.types import Asset, Brief

SENTENCES = ROOT / "assets" / "studies"
GUIDE = ROOT / "docs" / "speech.md"
BEGIN, END = "<!-- study -->\n", "\n<!-- end of study -->"
# voice → (model, options, sentences)
VOICES: dict[str, tuple[str, dict[str, Any], int]] = {
    "jm_kumo": ("kokoro-82m", {"voice": "jm_kumo"}, 50),
    "joe": ("joe-us", {"voice": "joe"}, 50),
    "jf_alpha": ("kokoro-82m", {"voice": "jf_alpha"}, 50),
    "jf_gongitsune": ("kokoro-82m", {"voice": "jf_gongitsune"}, 10),
    "jf_nezumi": ("kokoro-82m", {"voice": "jf_nezumi"}, 10),
    "jf_tebukuro": ("kokoro-82m", {"voice": "jf_tebukuro"}, 10),
    "jm_kumo (en-gb)": ("kokoro-82m", {"voice": "jm_kumo", "language": "en-gb"}, 10),
    "jm_kumo (ja)": ("kokoro-82m", {"voice": "jm_kumo", "language": "ja"}, 10),
    "jf_alpha (ja)": ("kokoro-82m", {"voice": "jf_alpha", "language": "ja"}, 10),
}


def sentences(most: int, language: str = "en") -> list[tuple[str, str]]:
    """(written, spoken), evenly taken from the shipped ones."""
    lines = (SENTENCES / f"speech-{language}.tsv").read_text("utf-8").splitlines()
    pairs = [(written, spoken) for written, spoken in (line.split("\t") for line in lines if line[0] != "#")]
    return pairs[:: max(1, len(pairs) // most)][:most]


def measure(voice: str, most: int, studio: Studio) -> Row:
    """Speak and listen, sentence by sentence."""
    model, options, _ = VOICES[voice]
    row, language = Row(voice), options.get("language", "en-us")
    listen = _japanese() if language == "ja" else partial(_english, british=language == "en-gb")
    for seed, (written, spoken) in enumerate(sentences(most, language[:2])):
        (asset,) = studio.make(Brief("speech", written, model=model, options=options, seed=seed))
        add(row, asset, studio, spoken, listen)
    return row


Listen = Callable[[Any, Path, str], tuple[int, int, list[str]]]


def add(row: Row, asset: Asset, studio: Studio, spoken: str, listen: Listen) -> None:
    """Measure one sealed file against what should be heard in it."""
    import numpy as np
    import soundfile
    import soxr

    samples, rate = soundfile.read(asset.path, dtype="float32")
    at_16k = np.clip(soxr.resample(samples, rate, 16_000), -1, 1).astype(np.float32)
    wrong, count, slips = listen(at_16k, studio.catalog.get("whisper-base").folder, spoken)
    row.sentences += 1
    row.words += count
    row.wrong += wrong
    row.clipped += int((np.abs(samples) >= 32767 / 32768).sum())
    row.slips += slips
    row.lufs.append(round(loudness(samples, rate), 2))
    score = asset.scorecard.get("dnsmos")
    if score is None:
        raise RuntimeError(f"no DNSMOS: {asset.scorecard.withheld.get('dnsmos')}")
    row.dnsmos.append(round(score.value, 3))


def _english(samples: Any, folder: Path, spoken: str, british: bool) -> tuple[int, int, list[str]]:
    """Slips, words, and the slips by word."""
    share, slips = compare(spoken, normalise(hear(samples, folder), british=british))
    count = len(one_spelling(spoken).split())
    return round(share * count), count, slips


def _japanese() -> Listen:
    """The same by sound, as the reader of scripts reads both sides."""
    import jiwer

    reader = Japanese()

    def sounds(text: str) -> str:
        return "".join(one for one in reader(text) if one.isalpha() or one in "ːʲ")

    def listen(samples: Any, folder: Path, spoken: str) -> tuple[int, int, list[str]]:
        heard = hear(samples, folder, "ja")
        wanted = sounds(spoken)
        wrong = round(jiwer.cer(wanted, sounds(heard)) * len(wanted))
        return wrong, len(wanted), [f"{spoken} → {heard}"] if wrong else []

    return listen


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| voice | sentences | words wrong | DNSMOS overall | loudness off by | clipped samples | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.voice} | {row.sentences} | {100 * row.wer:.1f} % of {row.words}{' sounds' if '(ja)' in row.voice else ''} | {mean(row.dnsmos):.2f} "
            f"| {row.lufs_off:.2f} LU | {row.clipped} | {'reached' if row.reached else '**not reached**'} |"
        )
    return "\n".join(lines)


def show(rows: Sequence[Row], guide: Path = GUIDE) -> None:
    """Put the table where the guide has one."""
    before, rest = guide.read_text("utf-8").split(BEGIN)
    guide.write_text(before + BEGIN + table(rows) + END + rest.split(END)[1], "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studio.bench.speech_study", description=__doc__)
    parser.add_argument(
        "--voice", action="append", metavar="NAME[=SENTENCES]", help=f"of: {', '.join(VOICES)}"
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    wanted = {}
    for one in given.voice or VOICES:
        name, _, count = one.partition("=")
        if name not in VOICES or (count and not count.isdigit()) or count == "0":
            parser.error(f"{one!r} is none of: {', '.join(VOICES)}")
        wanted[name] = int(count or VOICES[name][2])
    rows = {row.voice: row for row in read(given.out)}
    with TemporaryDirectory() as home, Studio(Settings.read(home=Path(home), device="cpu")) as studio:
        for name, count in wanted.items():
            rows[name] = measure(name, count, studio)
            ordered = [rows[one] for one in VOICES if one in rows]
            given.out.write_text(
                json.dumps([asdict(row) for row in ordered], indent=1, ensure_ascii=False) + "\n", "utf-8"
            )
            print(table([rows[name]]), *rows[name].slips, sep="\n", flush=True)
    ordered = [rows[one] for one in VOICES if one in rows]
    print(table(ordered))
    if given.out == RESULT:
        show(ordered)
        print("The order of the voices follows: write the reference anew with `make docs`.")


if __name__ == "__main__":
    main()
