"""The form of an engine's options gives back numbers where numbers are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from studio.options import option
from studio.ui.controls import Form, offered


@dataclass(frozen=True)
class Asked:
    width: int | None = option(None, "Width", low=16, high=2048)
    gain: float | None = option(None, "Gain", low=-60.0, high=60.0)
    name: str = option("", "Name")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ({"width": "512", "gain": " -3.5 ", "name": "512"}, {"width": 512, "gain": -3.5, "name": "512"}),
        ({"width": "", "gain": None, "name": ""}, {}),
        ({"width": "wide", "gain": "loud", "name": ""}, {"width": "wide", "gain": "loud"}),
    ],
)
def test_numbers_that_may_be_left_open(typed: dict[str, Any], read: dict[str, Any]) -> None:
    nothing: Any = None
    form = Form("asked", Asked, nothing, {name: f"box of {name}" for name in typed})
    got = form.read({f"box of {name}": value for name, value in typed.items()})
    assert got == read
    assert {name: type(value) for name, value in got.items()} == {n: type(v) for n, v in read.items()}


@pytest.mark.parametrize(("testing", "names"), [(False, ["small"]), (True, ["small", "echo-text"])])
def test_only_ready_models_are_offered_and_test_engines_where_asked_for(
    testing: bool, names: list[str]
) -> None:
    entries = [
        SimpleNamespace(name="small", source={"type": "local"}),
        SimpleNamespace(name="absent", source={"type": "hub"}),
        SimpleNamespace(name="echo-text", source={"type": "builtin"}),
    ]
    studio: Any = SimpleNamespace(
        models=lambda kind: entries,
        catalog=SimpleNamespace(ready=lambda name: name != "absent"),
        settings=SimpleNamespace(test_engines=testing),
    )
    assert [model.name for model in offered(studio, "text")] == names
