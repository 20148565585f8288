"""`studio verify` and `studio trust`: what people see, what scripts read, the page that is kept."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from studio.cli.main import app
from studio.cli.verify import _rich
from studio.provenance.trust import NAME
from studio.service import Studio
from studio.settings import ROOT, Settings
from studio.types import Brief, Ingredient, Layer, Report

EVIL = "[red]not a tag[/red] [link=file:///etc]x[/link]"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def sealed(home: Path) -> Path:
    with Studio(Settings.read({}, home=home, device="cpu")) as studio:
        asset = studio.make(Brief("text", "the harbour was quiet", engine="echo", seed=5))[0]
        return studio.export([asset.id], home / "out")[0]


def run(home: Path, *words: object, input: bytes | None = None) -> str:
    done = CliRunner().invoke(app, ["--home", str(home), *map(str, words)], input=input)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_plain_lines_for_logs(home: Path, sealed: Path) -> None:
    lines = run(home, "verify", sealed).splitlines()
    assert lines[0] == f"{sealed}: intact" and lines[1].startswith("  This is unchanged since ")
    assert [line.split()[0] for line in lines[2:]] == [
        "credential",
        "watermark",
        "labels",
        "library",
        "sha256",
    ]


def test_json_keeps_the_contract(home: Path, sealed: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.txt"
    nothing.write_text("a few words")
    first, second, third = map(
        json.loads, run(home, "verify", "--json", sealed, nothing, tmp_path / "gone").splitlines()
    )
    assert set(first) == {
        "path", "verdict", "statement", "layers", "asset_id", "sha256", "size", "checked_at", "trust_list"
    }  # fmt: skip
    assert (first["path"], first["verdict"]) == (str(sealed), "intact") and len(first["asset_id"]) == 64
    assert [layer["layer"] for layer in first["layers"]] == ["credential", "watermark", "labels", "library"]
    for layer in first["layers"]:
        assert {"layer", "found", "state", "detail"} <= set(layer)
        assert set(layer) <= {"layer", "found", "state", "detail", "p_value", "asset_id", "segments"}
    assert second["verdict"] == "nothing_found" and "asset_id" not in second
    assert third["verdict"] == "unreadable" and "sha256" not in third and third["path"].endswith("gone")


def test_text_comes_on_stdin(home: Path, sealed: Path) -> None:
    told = json.loads(run(home, "verify", "-", "--json", input=sealed.read_bytes()))
    assert (told["path"], told["verdict"]) == ("pasted text", "intact")


def test_report_is_a_page_to_keep(home: Path, sealed: Path, tmp_path: Path) -> None:
    run(home, "verify", sealed, "--report", tmp_path / "reports")
    (page,) = (tmp_path / "reports").iterdir()
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>") and "✓ Intact" in text and "<script" not in text


def test_report_that_cannot_be_written_is_one_sentence(home: Path, sealed: Path) -> None:
    from studio.errors import StorageFull

    with pytest.raises(StorageFull, match="choose another folder with --report"):
        run(home, "verify", sealed, "--report", sealed / "below-a-file")


def test_strangers_words_are_no_markup_and_no_orders_to_the_terminal() -> None:
    layers = tuple(
        Layer(name, True, "found", EVIL, 1e-7) for name in ("credential", "watermark", "labels", "library")
    )
    part = Ingredient(EVIL, "what was edited", "", "trusted", EVIL, (Ingredient(EVIL, "x", "", "cut", EVIL),))
    found = Report(f"/tmp/\x1b[2J{EVIL}", "altered", EVIL, layers, ingredients=(part,), sha256="ab" * 32)
    out = io.StringIO()
    Console(file=out, width=300, force_terminal=True, color_system=None).print(_rich(found))
    assert out.getvalue().count("[red]not a tag[/red]") == 10 and "\x1b[2J" not in out.getvalue()
    assert "\x1b]8" not in out.getvalue()


def test_trust_list_is_shown_and_refreshed_from_a_file(home: Path) -> None:
    assert run(home, "trust", "show").startswith("C2PA trust list of 2026-09-24 (30 authorities)\n  until ")
    told = run(home, "trust", "refresh", "--file", ROOT / "assets/trust" / NAME)
    assert told.startswith("C2PA trust list of ") and "2026-09-24" not in told
    assert "2026-09-24" not in run(home, "trust", "show")
