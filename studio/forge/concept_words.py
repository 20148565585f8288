"""The table by which Chinese prompts are read for models that know English: names of concepts in both.

    python -m studio.forge.concept_words --packages /data/packages --out assets/concepts/zh.tsv

From emojibase-data (MIT), whose names and keywords are those of Unicode CLDR (Unicode-3.0). A keyword stands
for the shortest name that contains it: 苹果 is read as 红苹果, "red apple".
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from studio.errors import ModelMissing

PACKAGE = "emojibase-data-17.0.0"
HEAD = (
    "# Chinese and English names of concepts, from emojibase-data 17.0.0 (MIT, Miles Johnson);\n"
    "# the names are those of Unicode CLDR (Unicode-3.0, Unicode, Inc.). Made by studio.forge.concept_words.\n"
)


def table(packages: Path) -> dict[str, str]:
    """Chinese name or keyword → English name, names first."""
    english = {entry["hexcode"]: entry["label"] for entry in _entries(packages, "en")}
    names: dict[str, str] = {}
    keywords: dict[str, str] = {}
    for language in ("zh", "zh-hant"):
        entries = [entry for entry in _entries(packages, language) if entry["hexcode"] in english]
        for entry in entries:
            names.setdefault(_plain(entry["label"]), english[entry["hexcode"]])
        for entry in sorted(entries, key=lambda entry: len(entry["label"])):
            for word in map(_plain, entry.get("tags", ())):
                if word in entry["label"] and len(word) > 1:  # single characters stand for too much
                    keywords.setdefault(word, english[entry["hexcode"]])
    found = {word: name for word, name in (keywords | names).items() if word and not word.isascii()}
    return dict(sorted(found.items()))


def _plain(text: str) -> str:
    return " ".join(text.replace("\t", " ").split())


def _entries(packages: Path, language: str) -> list[dict[str, Any]]:
    path = packages / PACKAGE / language / "data.json"
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise ModelMissing(f"{path} is not there or no JSON; unpack {PACKAGE} there.") from None
    return [entry for entry in entries if entry.get("label") and not entry["label"].startswith("regional")]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the table of Chinese and English concept names.")
    for name in ("packages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    lines = [f"{word}\t{name}\n" for word, name in table(given.packages).items()]
    given.out.write_text(HEAD + "".join(lines), "utf-8")


if __name__ == "__main__":
    main()
