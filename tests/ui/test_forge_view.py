"""What the Forge tab says of data and in which order it offers recipes."""

from __future__ import annotations

import json
from pathlib import Path

from studio.forge.base import recipes
from studio.forge.data import inspect_data
from studio.ui import forge_tab, forge_view


def write(file: Path, *rows: str) -> Path:
    file.write_text("".join(row + "\n" for row in rows), "utf-8")
    return file


def test_data_is_told_in_a_line_and_its_bad_rows_one_by_one(tmp_path: Path) -> None:
    good = [json.dumps({"prompt": f"Ask {n}", "answer": "so " * (n + 1)}) for n in range(3)]
    clean = forge_view.data(inspect_data(write(tmp_path / "a.jsonl", *good)))
    assert "3 examples of 1 to 3 words, 6 in all; none empty, bad or repeated" in clean
    assert "asked for when you publish" in clean and "<details" not in clean
    shown = forge_view.data(inspect_data(write(tmp_path / "b.jsonl", *good, good[0], '{"a <b>', "")))
    assert "1 empty rows, 1 bad rows, 1 duplicates" in shown
    assert (
        "b.jsonl:4 repeats b.jsonl:1" in shown and "b.jsonl:5 is not JSON" in shown and "<b>\n" not in shown
    )


def test_every_recipe_is_offered_once_and_what_people_come_for_first() -> None:
    offered = sorted(recipes, key=forge_tab._place)
    assert sorted(offered) == list(recipes) and offered[0] == "finetune_lm"
    assert set(forge_tab.FIRST) <= set(offered)
    titles = [forge_tab._title(name) for name in offered]
    assert len(set(titles)) == len(titles) and "Finetune language model" in titles
    assert forge_tab._title("distil") == "Distil picture model"
