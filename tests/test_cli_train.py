"""`studio train` as people and scripts use it, on a tiny recipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("outsider")


def command(tmp_path: Path, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "studio",
        "--home",
        str(tmp_path / "home"),
        "--device",
        "cpu",
        "train",
        *words,
    ]


def environ() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}


def signet(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, *words), capture_output=True, text=True, cwd=tmp_path, env=environ()
    )


@pytest.fixture
def points(tmp_path: Path) -> Path:
    (tmp_path / "points.txt").write_text("1 3\n", "utf-8")
    return tmp_path / "points.txt"


def test_a_training_prints_its_epochs_and_its_result_and_is_listed_and_compared(
    tmp_path: Path, points: Path
) -> None:
    done = signet(
        tmp_path, "tiny", "--data", "points.txt", "--out", "a", "--set", "pause=0", "--set", "epochs=2"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Epoch 1, Train Loss: ") and lines[-1] == str(tmp_path / "a" / "line")
    done = signet(tmp_path, "tiny", "--data", "points.txt", "--set", "pause=0", "--set", "epochs=3")
    assert done.returncode == 0, done.stderr
    listed = signet(tmp_path, "list").stdout
    assert "Fits a line" in listed and "tiny-1 " in listed and " 8 of 8 steps" in listed
    table = signet(tmp_path, "compare", "a", "tiny-1").stdout.splitlines()
    assert table[0].split() == ["a", "tiny-1"] and table[1].split() == ["epochs", "2", "3"]
    assert any(line.startswith("valid/loss") for line in table)


def test_ctrl_c_stops_with_a_checkpoint_and_resume_goes_on(tmp_path: Path, points: Path) -> None:
    words = ["tiny", "--data", str(points), "--out", str(tmp_path / "run"), "--set", "pause=0.1"]
    running = subprocess.Popen(
        command(tmp_path, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ()
    )
    while not (tmp_path / "run" / "progress.json").exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and "resume continues from here" in out
    refused = signet(tmp_path, *words, "--resume", "--set", "seed=3")
    assert refused.returncode == 1 and "seed: 0 → 3" in refused.stderr
    again = signet(tmp_path, *words)
    assert again.returncode == 1 and "holds a run already" in again.stderr
    done = signet(tmp_path, *words, "--resume")
    assert done.returncode == 0 and done.stdout.endswith(f"{tmp_path / 'run' / 'line'}\n"), done.stderr


def test_two_processes_of_accelerate_train_one_run(tmp_path: Path, points: Path) -> None:
    words = command(
        tmp_path, "tiny", "--data", str(points), "--out", str(tmp_path / "run"), "--set", "pause=0"
    )
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "29611"]  # fmt: skip
    done = subprocess.run([*launch, *words[1:]], capture_output=True, text=True, env=environ(), timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("Epoch 1, Train Loss") == 1
    assert (tmp_path / "run" / "line" / "done.txt").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["nothing", "--data", "."], "There is no recipe called 'nothing'"), (["tiny"], "needs --data"),
     (["tiny", "--data", ".", "--set", "speed=3"], "Unknown option 'speed'"),
     (["tiny", "--data", ".", "--set", "speed"], "name=value"), (["tiny", "fast", "--data", "."], "not 'fast'"),
     (["tiny", "--data", "absent"], "There is no data at"), (["compare", "a"], "no run called 'a'"),
     (["tiny", "--data", ".", "--out", "x", "--resume"], "no run in"), (["gan", "--data", "."], "autoencoder")],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = signet(tmp_path, *words)
    assert done.returncode == 1 and sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
