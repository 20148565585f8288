"""The guides name everything there is: a setting, command or benchmark without a word fails here."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from studio.cli.main import app
from studio.settings import Settings
from studio.templates import read_templates

ROOT = Path(__file__).resolve().parent.parent


def guide(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("name", [one.name for one in fields(Settings)])
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in guide("operating.md")


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_is_documented(name: str) -> None:
    assert f"`{name}" in guide("command-line.md")


def test_links_between_the_pages_lead_somewhere() -> None:
    import re

    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_tells_how_many_templates_there_are() -> None:
    kinds = Counter(one.kind for one in read_templates(ROOT / "assets" / "templates").values())
    assert kinds == {"text": 10, "music": 3}
    assert "ten templates" in (ROOT / "README.md").read_text("utf-8")


def test_the_reference_page_is_up_to_date() -> None:
    from studio.parts import reference

    assert guide("reference.md") == reference(Settings.read({})), "run: make docs"
