"""The command line as scripts use it: lines, JSON, exit status, one sentence for what goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


def signet(home: Path, *words: str, given: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "studio", "--home", str(home), "--device", "cpu", *words]
    done = subprocess.run(command, input=given, capture_output=True, cwd=ROOT, env={**os.environ, **environ})
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_create_writes_sealed_files_and_one_json_object_each(home: Path) -> None:
    out = home / "out"
    done = signet(
        home,
        "create",
        "image",
        "a",
        "red",
        "apple",
        "--engine",
        "echo_image",
        "--count",
        "2",
        "--seed",
        "4",
        "--out",
        str(out),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in made] == ["image", "image"] and {one["seed"] for one in made} == {4, 5}
    for one in made:
        assert set(one) == {
            "id",
            "path",
            "media_type",
            "kind",
            "model",
            "revision",
            "seed",
            "seconds",
            "scorecard",
            "credential",
        }
        assert Path(one["path"]).parent == out and Path(one["path"]).read_bytes()[:4] == b"\x89PNG"
        assert set(one["credential"]["licence"]) == {"id", "note", "commercial", "sources"}
        assert one["credential"]["licence"]["commercial"] in ("yes", "no", "unknown")
        assert all(
            {"name", "value", "unit", "better", "domain", "model", "version"} <= set(s)
            for s in one["scorecard"]["scores"]
        )
    checked = signet(home, "verify", *(one["path"] for one in made), "--json")
    reports = [json.loads(line) for line in checked.stdout.splitlines()]
    assert [one["verdict"] for one in reports] == ["intact", "intact"]
    assert [layer["layer"] for layer in reports[0]["layers"]] == [
        "credential",
        "watermark",
        "labels",
        "library",
    ]
    assert reports[0]["asset_id"] == made[0]["id"]


def test_the_library_is_listed_searched_shown_replayed_exported_and_pruned(home: Path) -> None:
    made = json.loads(
        signet(
            home,
            "create",
            "text",
            "-",
            "--engine",
            "echo",
            "--seed",
            "1",
            "--out",
            str(home),
            "--json",
            given=b"ein Leuchtturm",
        ).stdout
    )
    short = made["id"][:10]
    assert short in signet(home, "library", "search", "Leuchtturm").stdout
    assert json.loads(signet(home, "library", "show", short).stdout)["id"] == made["id"]
    assert short in signet(home, "library", "list").stdout
    nothing = signet(home, "library", "search", "Windmühle")
    assert nothing.stdout == "" and nothing.stderr == "Nothing found.\n" and nothing.returncode == 0
    assert signet(home, "library", "replay", short).stdout.startswith("bit-identical")
    (copy,) = signet(home, "library", "export", short, "--to", str(home / "copies")).stdout.split("\n")[:1]
    assert Path(copy).read_bytes() == Path(made["path"]).read_bytes()
    assert signet(home, "library", "delete", short).returncode == 0
    assert signet(home, "library", "show", short).returncode == 1


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("create", "smell", "x"), 1, "choose one of: text"),
        (("create", "text", ""), 1, "empty"),
        (("create", "text", "x", "--engine", "nope"), 1, "choose one of: echo, "),
        (("create", "text", "x", "--engine", "echo", "--set", "steps"), 1, "name=value"),
        (("create", "text", "x", "--engine", "echo", "--set", "steps=0"), 1, "between 1 and"),
        (("create", "text", "x", "--template", "nope"), 1, "choose one of: "),
        (("create", "image", "x", "--engine", "echo_image", "--input", "missing.png"), 1, ""),
        (("create",), 2, "Missing argument"),
        (("models", "pull"), 1, "--default"),
        (("models", "pull", "nope"), 1, "choose one of: smollm2-135m"),
        (("library", "show", "ffffffffffff"), 1, "ffffffffffff"),
        (("evaluate", "text", "--candidates", "nowhere"), 1, "nowhere"),
        (("train", "nope", "--data", ".", "--out", "."), 1, "choose one of: "),
        (("bench", "nope"), 1, "choose from: "),
        (("serve", "--port", "70000"), 1, "between 0 and 65535"),
        (("create", "video", "x"), 1, "no model that makes video yet"),
        (("create", "speech", "x", "--engine", "nope"), 1, "choose one of: echo_speech"),
        (("create", "text", "x", "--engine", "echo", "--out", "/dev/null/x"), 1, "/dev/null/x"),
        (("--device", "abacus", "create", "text", "x", "--engine", "echo"), 1, "abacus"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_sentence_on_stderr(
    home: Path, words: tuple[str, ...], status: int, sentence: str
) -> None:
    done = signet(home, *words)
    assert done.returncode == status
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert status == 2 or len([line for line in done.stderr.splitlines() if line.startswith("signet: ")]) == 1


def test_a_script_that_is_not_utf8_is_refused_where_it_goes_wrong(home: Path) -> None:
    done = signet(home, "create", "text", "-", "--engine", "echo", given=b"good \xff bad")
    assert done.returncode == 1 and "position 6 (0xFF)" in done.stderr


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"not a database at all" * 50)
    done = signet(tmp_path, "library", "list")
    assert done.returncode == 1 and "library.db" in done.stderr
    assert (tmp_path / "library.db").read_bytes().startswith(b"not a database")


def test_missing_weights_name_the_command_that_gets_them(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "catalog.toml").write_bytes((ROOT / "checkpoints" / "catalog.toml").read_bytes())
    done = signet(tmp_path / "home", "create", "text", "x", SIGNET_CHECKPOINTS=str(checkpoints))
    assert done.returncode == 1 and "models pull smollm2-135m" in done.stderr


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = signet(tmp_path, "serve", "--port", str(other.getsockname()[1]))
    assert done.returncode == 1 and "is taken" in done.stderr


def test_the_page_is_not_opened_to_others(tmp_path: Path) -> None:
    done = signet(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1 and "no accounts" in done.stderr
