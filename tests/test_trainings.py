"""The door to trainings: real trainer processes on a tiny recipe, killed, stopped, queued and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.errors import BadInput, NotFound, StorageFull, StudioError
from studio.forge.runs import Request, Run, command, differences
from studio.forge.track import Track, read_curve
from studio.settings import Settings
from studio.trainer import carry_out
from studio.trainings import Trainings

ROOT = Path(__file__).parent.parent


@pytest.fixture
def points(tmp_path: Path) -> Path:
    data = tmp_path / "points.txt"
    data.write_text("1 3\n2 6\n", "utf-8")
    return data


@pytest.fixture
def opened(tmp_path: Path, outsider: Path) -> Iterator[Callable[[], Trainings]]:
    doors: list[Trainings] = []

    def open_door() -> Trainings:
        doors.append(Trainings(Settings.read({}, home=tmp_path / "home", device="cpu")))
        return doors[-1]

    (tmp_path / "home").mkdir()
    yield open_door
    for door in doors:
        door.close()
        for (
            child,
            _,
        ) in door._queue._children.values():  # a busy machine may need longer than a page would wait
            child.wait(60)


def finish(door: Trainings, name: str) -> Run:
    return list(door.watch(name))[-1]


def wait_for(door: Trainings, name: str, fits: Callable[[Run], bool]) -> Run:
    deadline = time.monotonic() + 60
    while not fits(run := door.get(name)):
        assert time.monotonic() < deadline and run.status.state != "failed", run
        time.sleep(0.02)
    return run


def keeper_pid(run: Run) -> int:
    return int(run.status.keeper.rsplit(":", 2)[1])


def without_speed(run: Run) -> dict[str, Any]:
    curve = read_curve(run.folder)
    curve.pop("train/examples_per_second")
    return curve


def test_a_training_runs_in_a_process_of_its_own_and_leaves_its_result(
    opened: Callable[[], Trainings], points: Path
) -> None:
    door = opened()
    run = door.submit("tiny", points, {"pause": 0.01}, name="first")
    assert run.status.state == "queued" and run.request.data == str(points)
    seen = [(one.status.state, one.pace.step) for one in door.watch("first")]
    states = [state for state, _ in seen]
    assert states[0] in ("queued", "running") and states[-1] == "done" and "running" in states
    run = door.get("first")
    assert run.pace.step == run.pace.total == 40 and run.pace.peak_bytes > 2**20
    assert Path(run.status.result, "done.txt").is_file()
    assert run.log()[-1].startswith("Epoch 10, Train Loss: ")
    curve = read_curve(run.folder)["valid/loss"]
    assert curve[-1][1] < curve[0][1] / 3
    assert [file.name for file in run.pictures()["drawn"]][-1] == "drawn-0000040.png"


def test_sigkill_of_the_trainer_then_resume_gives_the_same_curve(
    opened: Callable[[], Trainings], points: Path
) -> None:
    door = opened()
    door.submit("tiny", points, {"pause": 0.0}, name="whole")
    whole = finish(door, "whole")
    door.submit("tiny", points, {"pause": 0.03}, name="killed")
    run = wait_for(door, "killed", lambda run: run.pace.step >= 3)
    os.kill(keeper_pid(run), signal.SIGKILL)
    run = finish(door, "killed")
    assert run.status.state == "failed" and "signal 9" in run.status.error and "resume" in run.status.error
    door.resume("killed")
    run = finish(door, "killed")
    assert run.status.state == "done", run.status.error
    assert without_speed(run) == without_speed(whole)


def test_stop_and_resume(opened: Callable[[], Trainings], points: Path) -> None:
    door = opened()
    door.submit("tiny", points, {"pause": 0.03}, name="halt")
    wait_for(door, "halt", lambda run: run.pace.step >= 2)
    door.stop("halt")
    run = finish(door, "halt")
    assert run.status.state == "stopped" and 2 <= run.pace.step < 40 and not run.status.result
    assert "resume continues from here" in run.log()[-1]
    with pytest.raises(BadInput, match=r"learning_rate: 0\.3 → 0\.1"):
        door.resume("halt", {"pause": 0.03, "learning_rate": 0.1})
    door.resume("halt", {"pause": 0.03, "log_every": 1})
    assert finish(door, "halt").status.state == "done"
    with pytest.raises(BadInput, match="is finished"):
        door.resume("halt")


def test_a_second_training_on_the_device_waits_and_can_leave_the_queue(
    opened: Callable[[], Trainings], points: Path
) -> None:
    door = opened()
    for name in ("one", "two", "three"):
        door.submit("tiny", points, {"pause": 0.02}, name=name)
    wait_for(door, "one", lambda run: run.status.state == "running")
    assert [door.get(name).status.state for name in ("two", "three")] == ["queued", "queued"]
    assert door.stop("two").status.state == "stopped"
    other = opened()  # another studio on the same home does not start beside it
    other.submit("tiny", points, {"pause": 0.0}, name="four")
    at_once = 0
    while not all(door.get(name).over for name in ("one", "three", "four")):
        at_once = max(at_once, sum(run.status.state == "running" for run in door.runs()))
        time.sleep(0.02)
    assert at_once == 1
    assert [door.get(name).status.state for name in ("one", "three", "four")] == ["done"] * 3
    assert [run.name for run in door.runs()] == ["four", "three", "two", "one"]


def test_measuring_stops_by_itself_with_time_and_memory_known(
    opened: Callable[[], Trainings], points: Path
) -> None:
    door = opened()
    door.submit("tiny", points, {"pause": 0.05}, name="try", measure=True)
    run = finish(door, "try")
    assert run.status.state == "stopped" and 5 <= run.pace.step <= 8 and run.pace.total == 40
    pace = run.pace.seconds_per_step
    assert pace is not None and 0.05 <= pace < 1  # a busy machine is slower, never faster than the pause
    assert run.pace.seconds_left == pytest.approx((40 - run.pace.step) * pace)
    door.resume("try")
    run = finish(door, "try")
    assert run.status.state == "done", run.status.error


def test_a_studio_that_is_killed_leaves_a_run_that_another_resumes(
    opened: Callable[[], Trainings], points: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from studio.trainings import Trainings; from studio.settings import Settings\n"
        "door = Trainings(Settings.read({}, home=Path(sys.argv[1]), device='cpu'))\n"
        "door.submit('tiny', Path(sys.argv[2]), {'pause': 0.03}, name='orphan'); time.sleep(60)"
    )
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    studio = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "home"), str(points)], env=environ)
    door = opened()
    while not (door.folder / "orphan" / "run.json").exists():
        assert studio.poll() is None
        time.sleep(0.05)
    run = wait_for(door, "orphan", lambda run: run.pace.step >= 2)
    trainer = keeper_pid(run)
    studio.kill()
    studio.wait()
    run = finish(door, "orphan")
    assert run.status.state == "stopped" and run.pace.step < 40
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(trainer, 0)
            time.sleep(0.05)
    door.resume("orphan")
    assert finish(door, "orphan").status.state == "done"


@pytest.mark.parametrize(
    ("wrong", "words"), [("input", "holds no points"), ("fault", "A fault in the studio")]
)
def test_what_goes_wrong_is_one_sentence(
    opened: Callable[[], Trainings], points: Path, wrong: str, words: str
) -> None:
    door = opened()
    door.submit("tiny", points, {"wrong": wrong}, name="bad")
    run = finish(door, "bad")
    assert run.status.state == "failed" and words in run.status.error
    assert ("KeyError" in (run.folder / "trainer.log").read_text()) == (wrong == "fault")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_disk_that_fills_up_is_told_and_the_run_goes_on_once_there_is_room(
    outsider: Path, points: Path, tmp_path: Path
) -> None:
    request, run = Request("tiny", str(points), {"pause": 0.0}), tmp_path / "run"
    run.mkdir()
    (run / "drawn-0000004.png").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="The disk is full: free some space and resume") as caught:
        carry_out(request, Track(run, listen=lambda line: None))
    assert len(str(caught.value).splitlines()) == 1
    (run / "drawn-0000004.png").unlink()
    line = carry_out(request, Track(run, resume=True, listen=lambda line: None))
    assert (line / "done.txt").is_file() and read_curve(run)["valid/loss"][-1][0] == 40


def test_what_cannot_work_is_refused_at_once(opened: Callable[[], Trainings], points: Path) -> None:
    door = opened()
    with pytest.raises(NotFound, match="no recipe called 'nothing'"):
        door.submit("nothing", points, {})
    with pytest.raises(BadInput, match="no data at"):
        door.submit("tiny", points.with_name("absent"), {})
    with pytest.raises(BadInput, match="Epochs"):
        door.submit("tiny", points, {"epochs": 0})
    for name in ("../out", ".hidden", "a/b", "x" * 65):
        with pytest.raises(BadInput, match="cannot name a run"):
            door.submit("tiny", points, {}, name=name)
        with pytest.raises(NotFound, match="no run called"):
            door.get(name)
    assert door.runs() == []


def test_a_folder_elsewhere_is_listed_and_only_taken_off_the_list(
    opened: Callable[[], Trainings], points: Path, tmp_path: Path
) -> None:
    door = opened()
    out = tmp_path / "elsewhere" / "run a"
    run = door.submit("tiny", points, {"pause": 0.0, "epochs": 1}, out=out)
    assert run.name == "run-a" and finish(door, "run-a").status.state == "done"
    with pytest.raises(BadInput, match="holds a run already"):
        door.submit("tiny", points, {}, out=out)
    door.delete("run-a")
    assert door.runs() == [] and (out / "line" / "done.txt").is_file()


def test_differences_and_the_command_line(opened: Callable[[], Trainings], points: Path) -> None:
    door = opened()
    one = door.submit("tiny", points, {"pause": 0.0, "epochs": 1}, name="one")
    two = door.submit("tiny", points, {"pause": 0.0, "epochs": 2, "seed": 5}, name="two")
    assert differences([one, two]) == {"epochs": (1, 2), "seed": (0, 5)}
    assert command(two.request, "out") == (
        f"python -m studio train tiny --data {points} --out out --set pause=0.0 --set epochs=2 --set seed=5"
    )
    assert command(one.request, processes=4).startswith("accelerate launch --num_processes 4 -m studio train")
    for run in (one, two):
        finish(door, run.name)


def test_damaged_records_do_not_hide_the_others(opened: Callable[[], Trainings], points: Path) -> None:
    door = opened()
    door.submit("tiny", points, {"pause": 0.0, "epochs": 1}, name="good")
    finish(door, "good")
    for name, text in {"a": "{", "b": "[]", "c": '{"recipe": 1, "what": 2}'}.items():
        (door.folder / name).mkdir()
        (door.folder / name / "run.json").write_text(text)
    (door.folder / "stray.txt").write_text(json.dumps({}))
    assert [run.name for run in door.runs()] == ["good"]


def test_only_a_finished_language_model_is_published(opened: Callable[[], Trainings], points: Path) -> None:
    """The whole way to the catalog is tested with real weights in tests/forge/test_publish_lm.py."""
    door = opened()
    door.submit("tiny", points, {"pause": 0.0, "epochs": 1, "wrong": "input"}, name="bad")
    finish(door, "bad")
    with pytest.raises(BadInput, match="bad is failed; train it to its end first"):
        door.publish("bad", "anything")
    door.submit("tiny", points, {"pause": 0.0, "epochs": 1}, name="good")
    finish(door, "good")
    with pytest.raises(StudioError, match="holds no finished language model") as caught:
        door.publish("good", "anything")
    assert not str(caught.value).startswith("signet:")


def test_a_run_that_no_studio_has_started_is_taken_up(
    opened: Callable[[], Trainings], points: Path, tmp_path: Path
) -> None:
    door = opened()
    door.submit("tiny", points, {"pause": 0.05}, name="early")
    wait_for(door, "early", lambda run: run.pace.step >= 2)
    door.stop("early")
    finish(door, "early")
    bare = tmp_path / "bare"
    (door.folder / "early").rename(bare)
    for name in ("run.json", "status.json", "progress.json"):
        (bare / name).unlink()
    run = door.resume_in(bare, "tiny", points, {"pause": 0.05})
    assert run.name == "bare" and finish(door, "bare").status.state == "done"
    with pytest.raises(NotFound, match="no run in"):
        door.resume_in(tmp_path, "tiny", points, {})
