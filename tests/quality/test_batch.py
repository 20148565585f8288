"""A whole evaluation: minimum N, hostile folders, mismatched sides, and a report that can be read."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from quality_material import copy, landscape, rng, speech

from studio.errors import BadInput
from studio.quality.base import metrics
from studio.quality.batch import evaluate
from studio.quality.batch_compare import compare
from studio.quality.batch_sets import LEAST_FRECHET, LEAST_KERNEL, LEAST_MAUVE
from studio.quality.features import features
from studio.quality.language import sentences
from studio.settings import Settings

SAID = [s for record in copy() for s in sentences(record["text"])]
SET_FIGURES = ("FD", "KD", "MMD", "MAUVE")


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


@pytest.fixture
def few_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is quick, where a test is of the set and not of its outputs."""
    list(metrics)
    quick = {"words", "claims_to_check", "exposure", "loudness"}
    monkeypatch.setattr(metrics, "_parts", {k: v for k, v in metrics._parts.items() if k in quick})


def names(found: dict[str, Any]) -> set[str]:
    return {score["name"] for score in found["scores"]}


@pytest.mark.real
def test_texts_with_their_references(tmp_path: Path, settings: Settings) -> None:
    rows = [{"text": s[:-9], "prompt": "Write copy.", "reference": s} for s in SAID if 30 < len(s) < 150][:24]
    found = evaluate("text", write(tmp_path, "a.jsonl", rows), None, tmp_path / "report", settings=settings)
    assert {"BLEU", "chrF", "TER", "ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum", "self-BLEU"} <= names(found)
    assert found["n"] == 24 and json.loads((tmp_path / "report/report.json").read_text())["n"] == 24
    assert not [why for why in found["withheld"].values() if "could not be computed" in why]
    assert all(name in (tmp_path / "report/report.html").read_text() for name in names(found))
    with (tmp_path / "report/outputs.csv").open() as file:
        assert len(list(csv.reader(file))) == 25


@pytest.mark.usefixtures("few_metrics")
@pytest.mark.parametrize("n", [1, 2, 9])
def test_nothing_below_its_minimum(n: int, tmp_path: Path, settings: Settings) -> None:
    rows = [{"text": s, "reference": s} for s in SAID[:n]]
    path = write(tmp_path, "a.jsonl", rows)
    found = evaluate("text", path, path, settings=settings)
    assert names(found) <= {"distinct-1", "distinct-2"}
    for name in ("BLEU", "chrF", "TER", "ROUGE", "self-BLEU"):
        assert "N ≥ 10" in found["withheld"][name]
    for name, least in zip(
        SET_FIGURES, (LEAST_FRECHET, LEAST_KERNEL, LEAST_KERNEL, LEAST_MAUVE), strict=True
    ):
        assert (
            f"needs N ≥ {least:,} on each side; this set has {n}"
            == found["withheld"][f"{name} (minilm-l6-v2)"]
        )
    assert all(d["interval"] is None for d in found["distributions"])


@pytest.mark.usefixtures("few_metrics")
def test_pictures_against_pictures(tmp_path: Path, settings: Settings) -> None:
    for side, shift in (("a", 0), ("b", 60)):
        (tmp_path / side).mkdir()
        for i in range(LEAST_KERNEL):
            pixels = np.clip(rng(i).normal(120 + shift, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{i}.png", compress_level=0)
    found = evaluate("image", tmp_path / "a", tmp_path / "b", tmp_path / "report", settings=settings)
    assert names(found) == {"KD (pixel-statistics)", "MMD (pixel-statistics)"}
    assert "1,000" in found["withheld"]["FD (pixel-statistics)"]
    assert all(score["value"] > 0 for score in found["scores"])


def test_no_feature_set_borrows_a_name() -> None:
    assert not {"inception", "vggish", "clip"} & {name.lower() for name in features}
    assert all(f"{what} (" not in name for name in features for what in ("FID", "FAD", "KID", "CMMD"))


@pytest.mark.real
def test_speech_is_heard_and_judged(tmp_path: Path, settings: Settings) -> None:
    for which in (0, 1):
        samples, rate, script = speech(which)
        soundfile.write(tmp_path / f"{which}.wav", samples, rate)
        (tmp_path / f"{which}.prompt.txt").write_text(script)
    found = evaluate("speech", tmp_path, settings=settings)
    shown = {d["name"]: d for d in found["distributions"]}
    assert shown["intelligibility"]["n"] == shown["dnsmos"]["n"] == 2
    assert shown["intelligibility"]["mean"] < 15 and 2.5 < shown["dnsmos"]["mean"] < 4.5


# --- Two sets -------------------------------------------------------------------------------------


def test_a_worse_set_is_found_worse(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    said = [s for s in SAID if 8 < len(s.split()) < 25][:60]
    good = write(tmp_path, "good.jsonl", [{"text": s, "reference": s} for s in said])
    bad = write(tmp_path, "bad.jsonl", [{"text": " ".join(s.split()[:-4]), "reference": s} for s in said])
    found = compare("text", good, bad, report=tmp_path / "report", settings=settings)
    shown = {d["name"]: d for d in found["differences"]}
    assert (
        shown["BLEU"]["verdict"] == "the first is better" and shown["BLEU"]["test"] == "paired randomisation"
    )
    assert shown["TER"]["first"] < shown["TER"]["second"] and shown["TER"]["verdict"] == "the first is better"
    assert shown["words"]["verdict"] == "the second is lower"
    assert all(d["p"] <= d["p_holm"] <= 1 for d in found["differences"])
    assert "the first is better" in (tmp_path / "report/report.html").read_text()
    same = compare("text", good, good, settings=settings)
    assert {d["verdict"] for d in same["differences"]} == {"no difference shown"}


def test_small_sets_are_not_compared(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    rows = [{"text": s, "reference": s} for s in SAID[:8]]
    found = compare(
        "text", write(tmp_path, "a.jsonl", rows), write(tmp_path, "b.jsonl", rows), settings=settings
    )
    assert found["differences"] == [] and "N ≥ 20" in found["withheld"]["words"]


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.jsonl", b"{}", "Line 1"),
        ("a.jsonl", b'{"text": "a"}\n[1]', "Line 2"),
        ("a.jsonl", b'{"text": 5}', "Line 1"),
        ("a.jsonl", b'{"text": "a", "references": "b"}', "Line 1"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.txt", b"", "There is no text"),
    ],
)
def test_broken_files(name: str, content: bytes, word: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=word):
        evaluate("text", tmp_path / name, settings=settings)


def test_nothing_there(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(BadInput, match="nothing at"):
        evaluate("text", tmp_path / "none", settings=settings)
    with pytest.raises(BadInput, match="There is no image"):
        evaluate("image", tmp_path, settings=settings)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(BadInput, match="give the folder"):
        evaluate("image", tmp_path / "a.png", settings=settings)


def test_mismatched_counts(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    (tmp_path / "a.txt").write_text("\n".join(SAID[:12]).replace("\r", ""))
    (tmp_path / "b.txt").write_text("\n".join(SAID[:11]))
    found = evaluate("text", tmp_path / "a.txt", tmp_path / "b.txt", settings=settings)
    assert "12 candidates but 11 references" in found["withheld"]["BLEU"]
    assert not names(found) & {"BLEU", "chrF", "TER", "ROUGE-1"}


def test_one_broken_picture_spoils_only_itself(tmp_path: Path, settings: Settings) -> None:
    Image.fromarray(landscape(0).astype(np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG rubbish")
    found = evaluate("image", tmp_path, settings=settings)
    exposure = next(d for d in found["distributions"] if d["name"] == "exposure")
    assert exposure["n"] == 1 and list(exposure["missing"].values()) == [1]


def test_ten_thousand_references(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    short = [f"lantern number {i} glows {i % 7} hours" for i in range(10_000)]
    (tmp_path / "a.txt").write_text("\n".join(short))
    found = evaluate("text", tmp_path / "a.txt", None, settings=settings)
    assert found["n"] == 10_000
    assert next(d for d in found["distributions"] if d["name"] == "words")["n"] == 1000
    both = [" ".join(s.split()[::-1]) for s in short]
    from studio.quality.batch_text import Overlap

    assert Overlap("BLEU", short, [(b,) for b in both]).score().interval


class _Sees(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def test_report_shows_hostile_names_as_text(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    name = "<script>alert(1)<b>.jsonl"
    rows = [{"id": "=cmd|' /C calc'!A0", "text": s} for s in SAID[:3]]
    evaluate("text", write(tmp_path, name.replace("/", ""), rows), None, tmp_path / "r", settings=settings)
    page = _Sees()
    page.feed((tmp_path / "r/report.html").read_text())
    assert "script" not in page.tags and "svg" in page.tags
    with (tmp_path / "r/outputs.csv").open() as file:
        assert all(row[0][:1] not in "=+-@" for row in csv.reader(file))


def test_report_that_cannot_be_written(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BadInput, match="cannot be written"):
        evaluate(
            "text", write(tmp_path, "a.jsonl", [{"text": "x"}]), None, tmp_path / "taken", settings=settings
        )


def test_progress_is_told(tmp_path: Path, settings: Settings, few_metrics: None) -> None:
    told: list[float] = []
    path = write(tmp_path, "a.jsonl", [{"text": s} for s in SAID[:5]])
    evaluate("text", path, settings=settings, tell=lambda fraction, _: told.append(fraction))
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
