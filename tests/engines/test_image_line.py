"""Pictures through the whole line: edits keep what their input carries, jobs stop wherever they stand."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from PIL import Image
from tiny_diffusion import save_tiny_pipeline

from studio.errors import BadInput, Cancelled, StudioError
from studio.provenance.keys import load_keys
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Progress

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
]
TOML = """
kind = "image"
engine = "image_diffusers"
title = "Tiny"
summary = "Random weights."
licence = "MIT"
licence_url = "https://opensource.org/license/mit"
commercial = "yes"
revision = "1"
pinned = false
memory_mb = 10
source = { type = "local" }
options = { steps = 3 }
"""
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    root = tmp_path_factory.mktemp("line")
    (root / "checkpoints").mkdir()
    save_tiny_pipeline(root / "checkpoints" / "tiny")
    (root / "checkpoints" / "tiny" / "model.toml").write_text(TOML)
    given = {"SIGNET_NSFW_THRESHOLD": "1", "SIGNET_THREADS": "1"}
    (root / "checkpoints" / "catalog.toml").write_text("")
    settings = Settings.read(given, home=root / "home", checkpoints=root / "checkpoints", device="cpu")
    with Studio(settings, serve=True) as made:
        yield made


def brief(**more: Any) -> Brief:
    return Brief("image", "a red cat", model="tiny", seed=3, **more)


def photograph(path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).resize((192, 128)).save(path)
    return path


def signed_by_a_stranger(path: Path, tmp_path: Path) -> bytes:
    """The picture with the credential of a camera whose maker this studio has never heard of."""
    keys = load_keys(Settings.read({}, home=tmp_path / "stranger"))
    manifest = {
        "claim_generator_info": [{"name": "Camera X", "version": "1"}],
        "title": "A real photograph",
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{
                    "action": "c2pa.created",
                    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
                }]},
            }
        ],
    }  # fmt: skip
    signer = c2pa.Signer.from_callback(keys.sign, c2pa.C2paSigningAlg.ES256, keys.chain, None)
    out = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest)) as builder:
        builder.sign(signer, "image/png", io.BytesIO(path.read_bytes()), out)
    return out.getvalue()


def store(asset: Asset) -> dict[str, Any]:
    with asset.path.open("rb") as file, c2pa.Reader("image/png", file) as reader:
        found: dict[str, Any] = json.loads(reader.json())
        return found


# --- Editing keeps provenance -------------------------------------------------------------------


def test_a_foreign_credential_stays_inside_as_the_parent(studio: Studio, tmp_path: Path) -> None:
    photo = photograph(tmp_path / "photo.png")
    photo.write_bytes(signed_by_a_stranger(photo, tmp_path))
    key = studio.uploads.stage(photo, "image")
    (made,) = studio.make(brief(inputs=(key,)))
    found = store(made)
    active = found["manifests"][found["active_manifest"]]
    (parent,) = active["ingredients"]
    assert parent["relationship"] == "parentOf"
    inner = found["manifests"][parent["active_manifest"]]
    assert inner["claim_generator_info"][0]["name"] == "Camera X" and inner["title"] == "A real photograph"
    actions = next(one for one in active["assertions"] if one["label"].startswith("c2pa.actions"))["data"][
        "actions"
    ]
    assert [one["action"] for one in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[-1]["digitalSourceType"] == EDITED
    assert "edited with AI" in studio.verify(made.path).statement


def test_a_mask_is_an_instruction_and_no_ingredient(studio: Studio, tmp_path: Path) -> None:
    picture = studio.uploads.stage(photograph(tmp_path / "photo.png"), "image")
    Image.new("L", (192, 128), 255).save(tmp_path / "mask.png")
    mask = studio.uploads.stage(tmp_path / "mask.png", "image")
    (made,) = studio.make(brief(inputs=(picture, mask)))
    found = store(made)
    assert len(found["manifests"][found["active_manifest"]]["ingredients"]) == 1
    assert made.brief.inputs == (picture, mask)  # the record says how to make it again


def test_a_result_is_the_parent_of_the_next(studio: Studio) -> None:
    (first,) = studio.make(brief())
    (second,) = studio.make(brief(inputs=(first.id,)))
    assert second.parents == (first.id,)
    found = store(second)
    assert len(found["manifests"]) == 2


# --- Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("", "brief is empty"), (" \n\t", "brief is empty"), ("word " * 5000, "the studio takes 20,000")],
)
def test_prompts_that_cannot_be(studio: Studio, words: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        studio.submit(Brief("image", words, model="tiny"))


def test_a_long_prompt_is_cut_by_the_model_and_works(studio: Studio) -> None:
    assert len(studio.make(Brief("image", "word " * 3900, model="tiny", seed=1))) == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"options": {"lora": "nothing"}}, "no LoRA 'nothing'"),
        ({"options": {"control": "nothing"}}, "needs one input picture"),
        ({"options": {"style": "3d"}}, "knows no style"),
        ({"options": {"transparent": True}}, "knows no transparency"),
        ({"options": {"upscale": False}}, "knows no upscaler"),
        ({"inputs": ("upload-" + "0" * 64,)}, "no"),
    ],
)
def test_what_the_model_has_not_is_said(studio: Studio, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StudioError, match=sentence):
        studio.make(brief(**more))
    assert studio.make(brief())  # and the next job runs


def test_live_makes_previews_and_nothing_else(studio: Studio) -> None:
    before = studio.library.count("")
    events = list(studio.run(brief(options={"live": True, "steps": 4})))
    previews = [one.preview for one in events if isinstance(one, Progress) and one.preview]
    assert len(previews) == 1 and isinstance(previews[0], bytes) and previews[0][:2] == b"\xff\xd8"
    assert not any(isinstance(one, Asset) for one in events)
    assert studio.library.count("") == before


# --- Stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["queued", "loading", "painting", "sealing", "scoring"])
def test_a_job_stops_at_every_stage_and_saves_nothing(studio: Studio, stage: str) -> None:
    before = studio.library.count("")
    job = studio.submit(brief(count=3, options={"steps": 12}))
    if stage == "queued":
        studio.cancel(job)
    with pytest.raises(Cancelled):
        for event in studio.watch(job):
            if isinstance(event, Progress) and event.stage in (stage, "sealing", "scoring"):
                studio.cancel(job)
    time.sleep(0.2)
    assert studio.library.count("") == before
    assert studio.make(brief())
