from __future__ import annotations

import sys
from pathlib import Path

import pytest

from studio.errors import ModelMissing
from studio.forge import __main__ as program
from studio.forge.base import recipes
from studio.forge.track import Track, read_curve


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    track = Track(tmp_path, listen=lambda line: None)
    track.open({}, 0)
    for step in (1, 2, 3):
        track.scalars({"loss": 1 / step}, step)
    track.close()
    with (tmp_path / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 2, "na')  # the line that a kill cut off
    again = Track(tmp_path, listen=lambda line: None)
    again.open({}, 2)
    again.scalars({"loss": 9.0}, 3)
    again.close()
    assert read_curve(tmp_path) == {"loss": [(1, 1.0), (2, 0.5), (3, 9.0)]}


def test_tensorboard_reads_the_curve(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track = Track(tmp_path, listen=lambda line: None)
    track.open({"batch_size": 3}, 0)
    track.scalars({"valid/loss": 0.25}, 5)
    track.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("valid/loss")] == [(5, 0.25)]


def test_wandb_asked_for_but_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "signet")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ModelMissing, match="pip install wandb"):
        Track(tmp_path, listen=lambda line: None).open({}, 0)


def test_every_recipe_explains_itself_and_has_options() -> None:
    assert {
        "pretrain_autoencoder",
        "pretrain_diffusion",
        "pretrain_align",
        "pretrain_upscaler",
        "gan",
    } <= set(recipes)
    for recipe in recipes.values():
        assert recipe.summary.endswith(".") and recipe.Options().batch_size


def test_listing_recipes_does_not_load_torch() -> None:
    import subprocess

    code = (
        "import sys; from studio.forge.base import recipes; list(recipes); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "There is no recipe called 'nothing'"), (["gan", "--set", "speed=3"], "Unknown option 'speed'"),
     (["gan"], "Choose the autoencoder"), (["gan", "--set", "speed"], "NAME=VALUE")],
)  # fmt: skip
def test_the_program_says_what_is_wrong_in_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["forge", *arguments, "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    )
    assert program.main() == 1
    assert words in capsys.readouterr().err
