"""Publish signet-tune from a run: weights, the digests of what it must not copy, model.toml and card.md.

    python -m studio.forge.publish_tune --run runs/tune --data /data/tunes --out checkpoints/signet-tune \\
        [--report report.json]

Takes the weights with the best validation loss so far, of a running training too. `report.json` comes from
`studio.forge.evaluate_tunes`; without it the card says that nothing was measured.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from studio.catalog import DataSource
from studio.errors import ModelMissing
from studio.forge.card import curve_svg
from studio.forge.release import digest, model_toml
from studio.forge.track import read_curve
from studio.forge.tunes import COLLECTIONS, PACKAGE, TuneData, known_runs

FILES = ("config.json", "model.safetensors", "known-runs.safetensors")


def publish(run: Path, data: Path, out: Path, report: Path | None = None) -> None:
    """Raises ModelMissing when the run has no weights yet."""
    from safetensors.numpy import save_file

    from studio.nets.tune import TuneModel

    if not (run / "best.safetensors").exists():
        raise ModelMissing(f"{run} has no best.safetensors yet; let it train for one epoch.")
    TuneModel.load(run, "best.safetensors").save(out)
    known = known_runs(TuneData(data).tunes("train", "valid", "test"))
    save_file({"runs": known}, out / "known-runs.safetensors")
    (out / "curve.svg").write_text(curve_svg(read_curve(run)["valid/loss"], "Validation loss, nats a token"))
    (out / "model.toml").write_text(catalog_entry(out), "utf-8")
    (out / "card.md").write_text(card(run, data, out, report), "utf-8")


def catalog_entry(out: Path) -> str:
    files = [out / name for name in FILES]
    fields = {
        "kind": "music",
        "engine": "music_tune",
        "title": "Signet Tune",
        "summary": "Melodies in the manner of old dance tunes and airs, arranged by rules and played by sampled "
        "instruments: background music, jingles, game cues. No vocals, no modern production.",
        "licence": "Apache-2.0",
        "licence_url": "https://www.apache.org/licenses/LICENSE-2.0",
        "commercial": "yes",
        "revision": digest([out / "model.safetensors"]),
        "memory_mb": 330,
        "attribution": "Trained on tunes transcribed by Jack Campin, John Chambers, Ray Davies, Henrik Norbeck and others",
        "languages": ["en", "zh"],
        "base": ["fluid-r3-mono"],
        "default": True,
    }
    data = [DataSource(one.title, "not published by the maker", one.url) for one in COLLECTIONS]
    return model_toml(fields, data, out, files)


def card(run: Path, data: Path, out: Path, report: Path | None) -> str:
    config = json.loads((out / "config.json").read_text("utf-8"))
    curve = read_curve(run)["valid/loss"]
    records = TuneData(data).records
    splits = Counter(record.split for record in records)
    by_collection = Counter(record.collection for record in records)
    tokens = sum(len(record.tokens) for record in records if record.split == "train")
    best = min(value for _, value in curve)
    return "\n".join(
        [
            "# Signet Tune",
            "",
            _PURPOSE,
            "",
            "## What it cannot do",
            "",
            *(f"- {limit}" for limit in _LIMITS),
            "",
            "## Data",
            "",
            "| collection | tunes | licence |",
            "|---|---|---|",
            *(f"| {one.title} | {by_collection[one.folder]} | {one.licence} |" for one in COLLECTIONS),
            "",
            _DATA.format(package=PACKAGE, **splits),
            "",
            "## Training",
            "",
            f"A decoder of {_parameters(out):,} parameters (width {config['width']}, {config['depth']} layers) over "
            f"{config['vocabulary']} tokens, {tokens:,} training tokens, {curve[-1][0]:,} steps over rows of 512 "
            f"({len(curve)} of {_planned(run)} planned epochs); "
            f"validation loss {curve[0][1]:.3f} → {best:.3f} nats a token (its lowest is what is published). "
            "`python -m studio.forge.tunes DATA`, then `python -m studio train pretrain_tune --data DATA --out RUN`.",
            "",
            "![Validation loss](curve.svg)",
            "",
            "## Measured",
            "",
            *_measured(report),
            "",
            "## Licence",
            "",
            _LICENCE,
            "",
        ]
    )


def _planned(run: Path) -> int:
    newest = max(run.glob("step-" + "[0-9]" * 7))
    return int(json.loads((newest / "state.json").read_text("utf-8"))["options"]["epochs"])


def _parameters(out: Path) -> int:
    from studio.nets.tune import TuneModel

    return sum(parameter.numel() for parameter in TuneModel.load(out).parameters())


def _measured(report: Path | None) -> list[str]:
    if report is None:
        return ["Not measured yet (`python -m studio.forge.evaluate_tunes` does)."]
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    lines = [
        f"{found['pieces']} melodies: {found['how']}",
        "",
        "| number | raw model | as the studio gives it | held-out tunes |",
    ]
    lines.append("|---|---|---|---|")
    for name, row in found["numbers"].items():
        cells = (
            f"{row[key]:.4g}" if row.get(key) is not None else "–" for key in ("raw", "chosen", "held_out")
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", found["reading"]]


_PURPOSE = (
    "Writes single-line melodies with exact bars in a wished metre, mode, style and form. The studio harmonises and "
    "arranges them by rules (`studio/engines/music_*.py`) and plays them with a SoundFont. Trained from nothing but "
    "the old printed tunes below with `studio/forge`."
)
_LIMITS = (
    "It knows British, Irish and American dance tunes and airs of the 18th and 19th century; what it writes resembles "
    "them, whatever mood or instruments are asked for.",
    "Harmony, bass, accompaniment and drums are rules, not learnt. There are no vocals and no electronic production.",
    "Waltzes are few in the data, so a waltz is a song melody in three-four time with a waltz accompaniment.",
    "It judges melodies by rules of the craft (mode, close, range), not by beauty.",
)
_DATA = (
    "Read from the corpus of {package}. The prints are out of copyright. The transcriptions carry no explicit licence, "
    "and the corpus says that some of its encodings may restrict commercial use; none of these four states such a "
    "restriction. Excluded for stated restrictions: essenFolksong (non-commercial), palestrina (rights reserved). "
    "Tunes that share a title or a run of 16 intervals count as one and are never split: {train} train, {valid} "
    "validation, {test} test. Bars that are not exactly full, changes of key or metre and several voices are left out "
    "(`sources.json` of a built data folder counts the reasons)."
)
_LICENCE = (
    "Weights: Apache-2.0. Whether terms of training data follow into outputs is not settled in law; since the makers of "
    "the transcriptions published no licence, the studio does not claim that commercial use is cleared, and says so in "
    "each output. `known-runs.safetensors` holds 32-bit digests of every 16-interval run of all tunes, held-out ones "
    "included: a melody that repeats one is drawn again and never handed out."
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Publish signet-tune from a run.")
    for name in ("run", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--report", type=Path, help="report.json of studio.forge.evaluate_tunes")
    given = parser.parse_args()
    publish(given.run, given.data, given.out, given.report)


if __name__ == "__main__":
    main()
