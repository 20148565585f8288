from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import TinyTask, options
from torch import nn

from studio.errors import BadInput, ModelBroken, OutOfMemory, StorageFull
from studio.forge.loop import Stopped, checkpoint, train
from studio.forge.loop.run import learning_rate
from studio.forge.track import Track, read_curve

PROGRAM = [sys.executable, str(Path(__file__).with_name("tiny_training.py"))]
ROOT = {"PYTHONPATH": str(Path(__file__).parents[2])}
STEPS = 24  # 44 rows in batches of 8 are 6 steps an epoch, 4 epochs


def quiet(folder: Path, **kinds: Any) -> Track:
    return Track(folder, listen=lambda line: None, **kinds)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = checkpoint.newest(folder)
    assert state is not None
    return {f.name + k: v for f in state.glob("*.safetensors") for k, v in load_file(f).items()}


def assert_same_run(a: Path, b: Path) -> None:
    """Same curve (but for speed), same weights, moments and averages, bit for bit."""
    curves = [read_curve(folder) for folder in (a, b)]
    for curve in curves:
        curve.pop("train/examples_per_second")
    assert curves[0] == curves[1]
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    assert torch.equal(*(next(iter(load_file(f / "best.safetensors").values())) for f in (a, b)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    torch.set_num_threads(1)
    outcome = train(TinyTask(), options(), quiet(folder))
    assert outcome.finished and outcome.step == STEPS
    return folder


def test_the_loss_falls_and_epochs_are_printed_as_in_the_textbook(tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = train(TinyTask(), options(epochs=30, schedule="constant"), Track(tmp_path, listen=lines.append))
    assert lines[0].startswith("Epoch 1, Train Loss: ") and ", Valid Loss: " in lines[0]
    assert len(lines) == 31 and lines[-1] == f"Test Loss: {outcome.test_loss:.4f}"
    first, last = (float(lines[i].split("Valid Loss: ")[1]) for i in (0, -2))
    assert last < first / 3
    assert outcome.test_loss is not None and outcome.test_loss < first / 3


@pytest.mark.parametrize("after", [0.0, 0.4])
def test_sigkill_then_resume_equals_the_uninterrupted_run(whole: Path, tmp_path: Path, after: float) -> None:
    folder = tmp_path / "run"
    command = [*PROGRAM, str(folder)]
    process = subprocess.Popen([*command, "pause=0.02"], env=os.environ | ROOT, stdout=subprocess.DEVNULL)
    while checkpoint.newest(folder) is None:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = checkpoint.newest(folder)
    assert reached is not None and int(reached.name[5:]) < STEPS
    # A kill may also leave half a state and half a line.
    (folder / "step-0000099.part").mkdir()
    with (folder / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 9')
    subprocess.run([*command, "--resume"], check=True, env=os.environ | ROOT, stdout=subprocess.DEVNULL)
    assert_same_run(whole, folder)


def test_stop_then_resume_equals_the_uninterrupted_run(whole: Path, tmp_path: Path) -> None:
    track = quiet(tmp_path)

    class StopsAtEight(TinyTask):
        def loss(self, net: str, rows: Any, rng: torch.Generator, step: int) -> torch.Tensor | None:
            if step == 7:
                track.stop.set()
            return super().loss(net, rows, rng, step)

    outcome = train(StopsAtEight(), options(), track)
    assert not outcome.finished and outcome.step == 8
    assert train(TinyTask(), options(), quiet(tmp_path, resume=True)).finished
    assert_same_run(whole, tmp_path)


def test_a_resume_with_changed_options_is_refused_with_the_difference(whole: Path) -> None:
    with pytest.raises(BadInput, match=r"batch_size: 8 → 9; learning_rate: 0\.01 → 0\.02"):
        train(TinyTask(), options(batch_size=9, learning_rate=0.02), quiet(whole, resume=True))
    # How a run is watched may change.
    assert train(TinyTask(), options(log_every=5), quiet(whole, resume=True)).finished


def test_a_second_run_in_the_same_folder_is_refused(whole: Path) -> None:
    with pytest.raises(BadInput, match="holds a run already"):
        train(TinyTask(), options(), quiet(whole))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match=r"became nan at step 9; lower learning_rate \(now 0\.01\)") as caught:
        train(TinyTask(poison=9), options(), quiet(tmp_path))
    kept = checkpoint.newest(tmp_path)
    assert kept is not None and kept.name == "step-0000009" and str(kept) in str(caught.value)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_a_full_disk_leaves_the_older_state_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(TinyTask(), options(steps=3), quiet(tmp_path))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_model", full)
    task = TinyTask()
    with pytest.raises(StorageFull, match="free some space and resume from step-0000003"):
        checkpoint.save(
            tmp_path,
            checkpoint.State(step=4),
            task.nets,
            {n: torch.optim.Adam(m.parameters()) for n, m in task.nets.items()},
            None,
        )
    assert not list(tmp_path.glob("*.part"))


def test_a_broken_checkpoint_says_so(tmp_path: Path) -> None:
    outcome = train(TinyTask(), options(steps=3), quiet(tmp_path))
    (outcome.state / "model.safetensors").write_bytes(b"\x10" * 40)
    with pytest.raises(ModelBroken, match="delete it to use an older one"):
        train(TinyTask(), options(steps=3), quiet(tmp_path, resume=True))


def test_accumulation_equals_one_large_batch(tmp_path: Path) -> None:
    class Plain(TinyTask):
        def __init__(self) -> None:
            super().__init__()
            self.nets = {"model": nn.Linear(4, 1)}
            nn.init.zeros_(self.nets["model"].weight)

        def loss(self, net: str, rows: Any, rng: torch.Generator, step: int) -> torch.Tensor | None:
            return (self.nets["model"](self.x[rows]) - self.y[rows]).square().mean()

    one, many = Plain(), Plain()
    many.nets["model"].load_state_dict(one.nets["model"].state_dict())
    train(one, options(batch_size=16, ema=0.0), quiet(tmp_path / "one"))
    train(many, options(batch_size=4, accumulate=4, ema=0.0), quiet(tmp_path / "many"))
    torch.testing.assert_close(many.nets["model"].weight, one.nets["model"].weight, rtol=1e-4, atol=1e-5)


def test_memory_exhausted_says_what_to_lower(tmp_path: Path) -> None:
    class Hungry(TinyTask):
        def loss(self, net: str, rows: Any, rng: torch.Generator, step: int) -> torch.Tensor | None:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory, match="batch size 8; lower batch_size"):
        train(Hungry(), options(), quiet(tmp_path))


def test_nothing_to_train_on_and_a_single_example(tmp_path: Path) -> None:
    task = TinyTask()
    task.rows["train"] = np.arange(0)
    with pytest.raises(BadInput, match="nothing to train on"):
        train(task, options(), quiet(tmp_path / "none"))
    task.rows["train"] = np.arange(1)
    task.rows.pop("valid")
    assert train(task, options(), quiet(tmp_path / "one")).finished


def test_bf16_autocast_trains(tmp_path: Path) -> None:
    outcome = train(TinyTask(), options(precision="bf16", epochs=20, schedule="constant"), quiet(tmp_path))
    curve = read_curve(tmp_path)["valid/loss"]
    assert outcome.finished and curve[-1][1] < curve[0][1] / 2


def test_rates_follow_their_schedules() -> None:
    step = options(schedule="step", learning_rate=1.0, warmup_steps=0, gamma=0.5, step_epochs=1)
    assert [learning_rate(step, s, 10, 40) for s in (0, 9, 10, 25)] == [1.0, 1.0, 0.5, 0.25]
    cosine = options(schedule="cosine", learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(cosine, s, 10, 24) for s in (0, 3, 4, 14)] == pytest.approx([0.25, 1.0, 1.0, 0.5])
    assert (
        learning_rate(options(schedule="constant", learning_rate=1.0, warmup_steps=0), 10**6, 10, 40) == 1.0
    )


def test_steplr_equals_torch() -> None:
    ours = options(schedule="step", learning_rate=0.1, warmup_steps=0)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(5):
        assert learning_rate(ours, epoch * 7, 7, 35) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()


def test_gradient_checkpointing_needs_a_model_that_can(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot trade time for memory"):
        train(TinyTask(), options(gradient_checkpointing=True), quiet(tmp_path))


def test_states_hold_no_pickle_and_only_two_are_kept(whole: Path) -> None:
    names = {p.name for p in whole.rglob("*") if p.is_file() and "tfevents" not in p.name}
    assert {Path(name).suffix for name in names} <= {".safetensors", ".json", ".jsonl", ".txt"}
    assert len(list(whole.glob("step-*"))) == checkpoint.KEEP
    assert json.loads((whole / f"step-{STEPS:07d}" / "state.json").read_text())["step"] == STEPS


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    environ = os.environ | ROOT | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29577"}
    command = [*PROGRAM, str(tmp_path / "run"), "epochs=2"]
    both = [
        subprocess.Popen(
            command, env=environ | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.DEVNULL
        )
        for rank in (0, 1)
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    curve = read_curve(tmp_path / "run")
    assert len(curve["test/loss"]) == 1 and np.isfinite(curve["test/loss"][0][1])
    assert len((tmp_path / "run" / "log.txt").read_text().splitlines()) == 3
