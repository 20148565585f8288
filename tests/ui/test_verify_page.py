"""/verify, the page without an account: what it takes, refuses and never shows."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "provenance"))

from test_verify_view import harmless
from verify_world import Signer, foreign, labelled, plain

from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief
from studio.ui import verify_page
from studio.ui.guard import LocalOnly

HERE = "http://127.0.0.1"
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with Studio(
        Settings.read({}, home=tmp_path_factory.mktemp("home"), device="cpu", max_upload_mb=1)
    ) as one:
        yield one


@pytest.fixture(scope="module")
def client(small):
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    app = FastAPI()
    app.add_middleware(LocalOnly)
    verify_page.add_verify_page(app, small)
    with TestClient(app, base_url=HERE) as one:
        yield one


def send(client, content, name="picture.png"):
    return client.post("/verify", files={"file": (name, content)}, headers={"origin": HERE})


def test_page_is_light_and_needs_nothing_from_elsewhere(client):
    answer = client.get("/verify")
    assert answer.status_code == 200 and len(answer.content) < 20_000
    assert "<script" not in answer.text and "http" not in answer.text.replace("http-equiv", "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_file_and_text_are_answered_with_the_tabs_own_report(client, small):
    asset = small.make(Brief("image", "a blue bicycle", engine="echo_image", seed=2))[0]
    answer = send(client, asset.path.read_bytes())
    assert (
        answer.status_code == 200 and "✓ Intact" in answer.text and asset.id in answer.text
    )  # its own digest
    assert "picture.png" in answer.text and "Save this report" in answer.text
    words = client.post("/verify", data={"text": "only a few words"})
    assert words.status_code == 200 and "– Nothing found" in words.text and "pasted text" in words.text


def test_nothing_of_the_library_is_shown(client, small):
    asset = small.make(Brief("text", "words that nobody else may read", engine="echo", seed=2))[0]
    changed = asset.path.read_bytes().replace(b"nobody", b"everyone")
    assert small.verify_text(changed.decode()).asset_id == asset.id
    answer = send(client, changed, "a.md")
    assert "✗ Altered" in answer.text and "The library holds the original." in answer.text
    assert (
        asset.id not in answer.text
        and "nobody else" not in answer.text
        and "Beside the original" not in answer.text
    )


def test_hostile_metadata_stays_text(client, small):
    from types import SimpleNamespace

    from studio.provenance.policy import read_policy

    world = SimpleNamespace(sealer=SimpleNamespace(_policy=read_policy("eu", small.settings)))
    label = labelled(world, producer=EVIL, licence_note=EVIL, model_title=EVIL, title=EVIL, prompt=EVIL)
    inner = foreign("digitalCapture", generator=EVIL, title=EVIL, signer=Signer(EVIL))
    signed = foreign(
        "humanEdits",
        "c2pa.opened",
        EVIL,
        signer=Signer(EVIL),
        title=EVIL,
        content=label,
        parents=[(inner, "image/png")],
    )
    for content in (label, signed):
        answer = send(client, content, f"{EVIL}.png")
        assert answer.status_code == 200
        page = answer.text
        start = page.index('<article class="report">')
        read = harmless(page[start : page.index("</article>", start)])
        assert EVIL in read.text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"zzz", "multipart/form-data; boundary=x", 400), (b"zzz", "multipart/form-data", 400), (b"{}", "application/json", 400),
        (b"text=", "application/x-www-form-urlencoded", 400), (b"text=a&text=b&c=d&e=f", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe=%00", "application/x-www-form-urlencoded", 400), (b"", "text/plain", 400),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused_with_one_sentence(client, body, kind, status):
    answer = client.post("/verify", content=body, headers={"content-type": kind})
    assert answer.status_code in (status, 200) and "Traceback" not in answer.text
    if answer.status_code == 400:
        assert 'role="alert"' in answer.text


def test_too_large_is_refused_and_nothing_is_left(client, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = send(client, b"x" * (8 * 2**20))
    assert answer.status_code == 400 and "larger than the 1 MB" in answer.text
    answer = send(client, b"x" * (2**20 + 5))
    assert answer.status_code == 400 and "larger than the 1 MB" in answer.text
    assert send(client, plain()).status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_request_that_does_not_say_its_length_is_refused(client):
    def pieces():
        yield b"--x\r\n"

    answer = client.post(
        "/verify", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400 and "does not say how long" in answer.text


def test_other_sites_cannot_send_to_it(client):
    answer = client.post("/verify", data={"text": "x"}, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert client.post("/verify", data={"text": "x"}, headers={"origin": "null"}).status_code == 403


def test_crowd_is_asked_to_come_back(client, monkeypatch):
    monkeypatch.setattr(verify_page, "WAITING", 0)
    answer = client.post("/verify", data={"text": "x"})
    assert answer.status_code == 503 and "try again in a minute" in answer.text
