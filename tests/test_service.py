"""The whole line on the echo engines: brief in, sealed and scored asset out, through a real worker process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from studio.errors import BadInput, Cancelled, NotFound, StudioError
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Job, Progress


def echo(words: str, kind: str = "text", **more: object) -> Brief:
    engine = {"text": "echo", "image": "echo_image", "speech": "echo_speech"}[kind]
    return Brief(kind, words, engine=engine, **{"seed": 7, **more})  # type: ignore[arg-type]


def slow(words: str, seconds: float = 0.05, steps: int = 200) -> Brief:
    return echo(words, options={"steps": steps, "seconds_per_step": seconds})


def until(true: object, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def files_below(home: Path) -> list[Path]:
    return sorted(
        path for path in home.rglob("*") if path.is_file() and not path.name.startswith("library.db")
    )


@pytest.mark.parametrize("kind", ["text", "image", "speech"])
def test_a_brief_becomes_an_asset_that_verifies_as_intact(shared_studio: Studio, kind: str) -> None:
    (asset,) = shared_studio.make(echo("a lighthouse at dusk", kind))
    assert asset.path.is_file() and asset.kind == kind
    assert {"credential", "labels"} <= set(asset.credential.layers)
    assert asset.credential.licence.commercial == "yes"
    assert asset.scorecard.scores
    assert shared_studio.library.get(asset.id) == asset
    report = shared_studio.verify(asset.path)
    assert report.verdict == "intact"
    assert report.asset_id == asset.id


def test_progress_comes_first_with_previews_then_every_candidate_best_first(shared_studio: Studio) -> None:
    events = list(shared_studio.run(echo("one two three", count=3)))
    progress = [event for event in events if isinstance(event, Progress)]
    assets = [event for event in events if isinstance(event, Asset)]
    assert len(assets) == 3 and {asset.model.seed for asset in assets} == {7, 8, 9}
    assert events.index(assets[0]) > events.index(progress[-1])
    fractions = [one.fraction for one in progress if one.fraction is not None]
    assert fractions and all(0 <= one <= 1 for one in fractions)
    assert any(one.preview == "one two three (7)" for one in progress)
    assert {one.stage for one in progress} >= {"sealing", "scoring"}


def test_the_results_of_a_job_are_found_again_in_the_order_shown(shared_studio: Studio) -> None:
    job_id = shared_studio.submit(echo("again", count=3))
    shown = [event.id for event in shared_studio.watch(job_id) if isinstance(event, Asset)]
    assert [asset.id for asset in shared_studio.results(job_id)] == shown
    assert [event.id for event in shared_studio.watch(job_id) if isinstance(event, Asset)] == shown


def test_the_same_seed_replays_to_the_same_content(shared_studio: Studio) -> None:
    for kind in ("text", "image", "speech"):
        (asset,) = shared_studio.make(echo("twice", kind))
        replay = shared_studio.replay(asset.id)
        assert replay.likeness.outcome == "bit-identical"
        assert replay.again.id != asset.id  # another signature over the same content


def test_without_a_seed_each_result_is_its_own_and_the_seed_is_on_record(shared_studio: Studio) -> None:
    first, second = (shared_studio.make(replace(echo("seedless"), seed=None))[0] for _ in range(2))
    assert first.model.seed != second.model.seed
    assert shared_studio.replay(first.id).likeness.outcome == "bit-identical"


@pytest.mark.parametrize(
    ("brief", "error", "words"),
    [
        (Brief("text", ""), BadInput, "empty"),
        (Brief("text", "x" * 100_000), BadInput, "100,000"),
        (Brief("text", "x", engine="nope"), NotFound, "choose one of: .*echo"),
        (Brief("text", "x", model="nope"), NotFound, "choose one of: smollm2-135m"),
        (Brief("text", "x", model="kokoro-82m"), BadInput, "cannot make text"),
        (Brief("text", "x", model="echo-text", engine="text_llama"), BadInput, "runs on the engine 'echo'"),
        (Brief("text", "x", engine="echo", template="nope"), NotFound, "choose one of: "),
        (Brief("text", "x", engine="echo", options={"steps": 0}), BadInput, "between 1 and"),
        (Brief("text", "x", engine="echo", options={"speed": 1}), BadInput, "Unknown option 'speed'"),
        (Brief("text", "x", engine="echo", format="png"), BadInput, "md"),
        (Brief("text", "x", engine="echo", count=0), BadInput, "0"),
        (Brief("text", "x", engine="echo", count=1000), BadInput, "1,?000"),
        (Brief("smell", "x"), NotFound, "choose one of: text"),  # type: ignore[arg-type]
        (Brief("image", "x", engine="echo_image", inputs=("../../etc/passwd",)), NotFound, "no"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_once_in_one_sentence(
    shared_studio: Studio, brief: Brief, error: type[StudioError], words: str
) -> None:
    before = len(shared_studio.jobs(limit=1000))
    with pytest.raises(error, match=words) as caught:
        shared_studio.submit(brief)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert len(shared_studio.jobs(limit=1000)) == before


@pytest.mark.parametrize(
    "words",
    [
        "🎈🎉 party 🥳",
        "שלום עולם",
        "你好，世界。",
        "e\u0301\u200d",
        "<script>alert(1)</script>",
        "'; DROP TABLE assets; --",
    ],
)
def test_any_script_goes_through_and_is_found_again(shared_studio: Studio, words: str) -> None:
    (asset,) = shared_studio.make(echo(words, seed=0))
    # A credential in text is bound to the normal form C of its words (C2PA 2.2, A.7).
    assert shared_studio.text_of(asset).strip() == unicodedata.normalize("NFC", words)
    assert asset.id in {one.id for one in shared_studio.library.search(words)}
    assert shared_studio.verify(asset.path).verdict == "intact"


def test_a_running_job_stops_at_once_and_leaves_nothing(shared_studio: Studio) -> None:
    job_id = shared_studio.submit(slow("stop me"))
    watching = shared_studio.watch(job_id)
    next(watching)
    assert shared_studio.cancel(job_id) == "cancelled"
    with pytest.raises(Cancelled):
        list(watching)
    assert shared_studio.results(job_id) == []
    assert not list((shared_studio.settings.home / "tmp").glob("*"))


def test_a_waiting_job_is_cancelled_before_it_starts(shared_studio: Studio) -> None:
    running = [shared_studio.submit(slow("busy", steps=40)) for _ in range(8)]
    waiting = shared_studio.submit(slow("never"))
    assert shared_studio.cancel(waiting) == "cancelled"
    with pytest.raises(Cancelled):
        list(shared_studio.watch(waiting))
    for job_id in running:
        shared_studio.cancel(job_id)


def test_only_the_owner_sees_a_job(shared_studio: Studio) -> None:
    job_id = shared_studio.submit(echo("mine"), owner="ann")
    with pytest.raises(NotFound):
        next(shared_studio.watch(job_id, owner="bob"))
    with pytest.raises(NotFound):
        shared_studio.cancel(job_id, owner="bob")


def test_killing_the_worker_retries_the_job_once_and_the_next_job_runs(studio: Studio) -> None:
    job_id = studio.submit(slow("survivor", steps=40))
    watching = studio.watch(job_id)
    next(watching)
    os.kill(studio.worker_pids()[0], signal.SIGKILL)
    assert [event.brief.prompt for event in watching if isinstance(event, Asset)] == ["survivor"]
    assert studio.job(job_id).attempts == 2
    assert studio.make(echo("next"))


def test_a_job_that_kills_its_worker_twice_fails_in_words(studio: Studio) -> None:
    job_id = studio.submit(slow("poison"))
    for attempt in (1, 2):
        until(lambda: studio.job(job_id).attempts == attempt and studio.job(job_id).state == "running")  # noqa: B023
        until(lambda: bool(studio.worker_pids()))
        time.sleep(0.3)
        os.kill(studio.worker_pids()[0], signal.SIGKILL)
    with pytest.raises(StudioError, match="died twice"):
        list(studio.watch(job_id))
    assert studio.make(echo("next"))


BUSY_STUDIO = """
    import signal, sys, time
    from studio.service import Studio
    from studio.settings import Settings
    from studio.types import Brief

    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        with Studio(Settings.read({}, home=sys.argv[1], device="cpu"), serve=True) as studio:
            (kept,) = studio.make(Brief("text", "kept", engine="echo"))
            slow = {"steps": 400, "seconds_per_step": 0.05}
            running = studio.submit(Brief("text", "running", engine="echo", options=slow))
            next(studio.watch(running))
            more = [studio.submit(Brief("text", "busy", engine="echo", options=slow)) for _ in range(7)]
            waiting = [studio.submit(Brief("text", f"w{n}", engine="echo"), "ann") for n in range(5)]
            print(kept.id, running, *waiting, flush=True)
            time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_studio_that_is_stopped_loses_no_waiting_job_and_no_asset(
    settings: Settings, how: signal.Signals
) -> None:
    script = settings.home.parent / "busy.py"
    script.write_text(textwrap.dedent(BUSY_STUDIO), "utf-8")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(settings.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
    )
    assert process.stdout is not None
    kept, running, *waiting = process.stdout.readline().split()
    process.send_signal(how)
    process.wait(20)
    process.stdout.close()
    with Studio(settings, serve=True) as second:
        assert second.verify(second.library.get(kept).path).verdict == "intact"
        assert (
            second.job(running).attempts == (1 if how == signal.SIGKILL else 0)
            or second.job(running).state == "running"
        )
        for job_id in waiting:
            assert len([event for event in second.watch(job_id) if isinstance(event, Asset)]) == 1
        assert second.job(running).state in ("running", "done")  # taken up again
        second.cancel(running)


def test_two_studios_on_one_library_share_the_work(settings: Settings) -> None:
    with Studio(settings, serve=True) as first, Studio(settings, serve=True) as second:
        job_id = first.submit(echo("shared"))
        from_second = [event for event in second.watch(job_id) if isinstance(event, Asset)]
        from_first = [event for event in first.watch(job_id) if isinstance(event, Asset)]
        assert [one.id for one in from_first] == [one.id for one in from_second] != []


def test_many_people_at_once_are_all_served(shared_studio: Studio) -> None:
    done: list[str] = []

    def person(name: str) -> None:
        for number in range(3):
            (asset,) = shared_studio.make(echo(f"{name} {number}", seed=0), owner=name)
            done.append(shared_studio.text_of(asset).strip())

    threads = [threading.Thread(target=person, args=(f"p{number}",)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(f"p{person} {number}" for person in range(10) for number in range(3))


def test_an_upload_is_checked_kept_by_digest_and_becomes_an_ingredient(
    shared_studio: Studio, tmp_path: Path
) -> None:
    (asset,) = shared_studio.make(echo("source", "image"))
    key = shared_studio.uploads.stage(asset.path, "image")
    assert shared_studio.uploads.find(key) is not None
    assert shared_studio.uploads.find("../../etc/passwd") is None
    (child,) = shared_studio.make(echo("child", "image", inputs=(key,)))
    (grandchild,) = shared_studio.make(echo("grandchild", "image", inputs=(asset.id,)))
    assert grandchild.parents == (asset.id,)
    assert shared_studio.verify(child.path).verdict == "intact"
    svg = tmp_path / "../x.png"
    svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(StudioError):
        shared_studio.uploads.stage(svg, "image")


def test_a_disk_that_fills_up_says_so_and_nothing_half_written_stays(settings: Settings) -> None:
    from studio.errors import StorageFull
    from studio.line import Line

    line = Line(settings, "cpu")
    earlier, job = (
        Job(name, echo(name), "local", "running", datetime.now(UTC)) for name in ("earlier", "full")
    )
    assert list(line.produce(earlier))
    files = files_below(settings.home)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", full)
        patch.setattr(os, "rename", full)
        patch.setattr(Path, "replace", full)
        patch.setattr(Path, "rename", full)
        with pytest.raises(StorageFull, match="full"):
            list(line.produce(job))
    assert line.library.count() == 1
    assert files_below(settings.home) == files
    assert len([event for event in line.produce(job) if isinstance(event, Asset)]) == 1
