"""The image engine on a real Stable Diffusion pipeline of random weights."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_diffusion import save_tiny_controlnet, save_tiny_lora, save_tiny_pipeline

from studio.catalog import Model
from studio.engines import image_addons, image_diffusers, image_pipeline
from studio.engines.devices import cpu
from studio.engines.image_diffusers import Diffusers
from studio.engines.image_embeddings import Embeddings
from studio.errors import BadInput, ModelBroken, ModelMissing, NotFound, OutOfMemory
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Progress

# diffusers and numpy 2 are not yet of one mind.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
]


def model_at(folder: Path) -> Model:
    return Model(
        name="tiny", kind="image", engine="image_diffusers", title="Tiny", summary="", licence="MIT", licence_url="",
        commercial="yes", revision="1", memory_mb=10, folder=folder,
    )  # fmt: skip


def job(
    prompt: str = "a red cat",
    count: int = 1,
    inputs: tuple[str, ...] = (),
    seed: int = 5,
    flag: threading.Event | None = None,
    **options: Any,
) -> Job:
    brief = Brief("image", prompt, options={"steps": 3} | options, seed=seed, count=count, inputs=inputs)
    return Job("j1", brief, "me", "running", datetime.now(UTC), flag=flag)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    save_tiny_pipeline(root / "tiny")
    save_tiny_lora(root / "tiny", root / "fits" / "tiny-lora.safetensors")
    save_tiny_pipeline(root / "other", cross_attention=24)
    save_tiny_lora(root / "other", root / "misfits" / "other-lora.safetensors")
    save_tiny_controlnet(root / "tiny", root / "guide")
    save_tiny_controlnet(root / "other", root / "misguide")
    return root


@pytest.fixture(scope="module")
def engine(checkpoints: Path) -> Iterator[Diffusers]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nets this small lose more to waiting threads than they win
    settings = Settings(home=checkpoints / "home", checkpoints=checkpoints, device="cpu")
    made = Diffusers(model_at(checkpoints / "tiny"), cpu(), settings)
    with pytest.MonkeyPatch.context() as patch:  # the same numbers on every processor
        patch.setattr(image_diffusers, "fast_bfloat16", lambda _: False)
        made.load()
        yield made
        made.close()
    torch.set_num_threads(threads)


def drafts(engine: Diffusers, one: Job) -> list[Draft]:
    return [step for step in engine.generate(one) if isinstance(step, Draft)]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def bright(engine: Diffusers, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Diffusers]:
    """The same net on a processor that computes bfloat16."""
    monkeypatch.setattr(image_diffusers, "fast_bfloat16", lambda _: True)
    made = Diffusers(engine._model, engine._device, engine._settings)
    made.load()
    yield made
    made.close()


def test_every_task_in_sixteen_bits(
    engine: Diffusers, bright: Diffusers, picture: str, tmp_path: Path
) -> None:
    mask = str(tmp_path / "mask.png")
    Image.new("L", (56, 40), 255).save(mask)
    tasks: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((), {}), ((picture,), {"strength": 0.8}), ((picture, mask), {"strength": 0.8}),
        ((picture,), {"control": "guide"}), ((), {"to_prompt": "a blue whale", "frames": 2}),
    ]  # fmt: skip
    for inputs, options in tasks:
        told = list(bright.generate(job(inputs=inputs, **options)))
        (small,) = (step for step in told if isinstance(step, Draft))
        assert small.dtype == "bfloat16"
        assert any(step.preview for step in told if isinstance(step, Progress))
        large = drafts(engine, job(inputs=inputs, **options))[0]
        apart = np.abs(small.payload.astype(int) - large.payload.astype(int))
        assert apart.mean() < 4, (inputs, options, apart.mean())


# --- Text to picture ----------------------------------------------------------------------------


def test_candidates_with_progress_and_previews(engine: Diffusers) -> None:
    steps = list(engine.generate(job(count=2)))
    told = [step for step in steps if isinstance(step, Progress)]
    made = [step for step in steps if isinstance(step, Draft)]
    assert [draft.seed for draft in made] == [5, 6]
    assert all(draft.payload.shape == (32, 32, 3) and draft.payload.dtype == np.uint8 for draft in made)
    assert not np.array_equal(made[0].payload, made[1].payload)
    assert made[0].settings["steps"] == 3 and made[0].device == "cpu" and made[0].dtype == "float32"
    fractions = [step.fraction for step in told if step.fraction is not None]
    assert fractions == sorted(fractions) and fractions[0] > 0 and fractions[-1] <= 1
    previews = [step.preview for step in told if step.preview]
    assert previews
    for preview in previews:
        assert isinstance(preview, bytes)
        shown = Image.open(io.BytesIO(preview))
        assert shown.format == "JPEG" and max(shown.size) <= 256


def test_a_seed_gives_the_same_picture_alone_and_in_a_batch(
    engine: Diffusers, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = engine._planned
    monkeypatch.setattr(
        engine, "_planned", lambda pixels, count: replace(planned(pixels, count), batch=count)
    )
    batch = drafts(engine, job(count=3))
    for place, seed in enumerate((5, 6, 7)):
        alone = drafts(engine, job(seed=seed))[0]
        assert np.abs(batch[place].payload.astype(int) - alone.payload.astype(int)).max() <= 1


def test_without_previews_none_is_made(engine: Diffusers) -> None:
    assert not any(
        step.preview for step in engine.generate(job(previews=False)) if isinstance(step, Progress)
    )


def test_size_guidance_and_negative_prompt_are_used(engine: Diffusers) -> None:
    plain = drafts(engine, job(width=48, height=64))[0]
    assert plain.payload.shape == (64, 48, 3)
    negative = drafts(engine, job(width=48, height=64, negative_prompt="blue dog"))[0]
    guided = drafts(engine, job(width=48, height=64, guidance_scale=1.0))[0]
    assert not np.array_equal(plain.payload, negative.payload)
    assert not np.array_equal(plain.payload, guided.payload)


def test_it_stops_at_the_next_step(engine: Diffusers) -> None:
    flag = threading.Event()
    seen = []
    for step in engine.generate(job(steps=100, flag=flag)):
        seen.append(step)
        flag.set()
    assert all(isinstance(step, Progress) for step in seen)
    assert len(seen) < 20
    assert drafts(engine, job())  # and the engine works on


def test_a_reader_that_leaves_stops_it(engine: Diffusers) -> None:
    stream = engine.generate(job(steps=100))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not any(thread.name == "diffusers" for thread in threading.enumerate())


def test_the_text_encoder_runs_once_for_a_prompt(engine: Diffusers) -> None:
    drafts(engine, job(guidance_scale=5.0))
    kept = engine._pipelines["text"].encode_prompt
    assert isinstance(kept, Embeddings)
    hits = kept.hits
    again = drafts(engine, job(guidance_scale=5.0))
    assert kept.hits == hits + 1
    kept.clear()
    assert np.array_equal(drafts(engine, job(guidance_scale=5.0))[0].payload, again[0].payload)


# --- From pictures ------------------------------------------------------------------------------


def test_capabilities(engine: Diffusers) -> None:
    assert engine.capabilities == {"text2image", "image2image", "inpaint", "negative_prompt", "lora", "steps"}


def test_from_a_picture(engine: Diffusers, picture: str) -> None:
    little = drafts(engine, job(inputs=(picture,), steps=10, strength=0.1))[0]
    much = drafts(engine, job(inputs=(picture,), steps=10, strength=1.0))[0]
    assert little.payload.shape == much.payload.shape == (40, 56, 3)
    assert not np.array_equal(little.payload, much.payload)


def test_a_masked_part(engine: Diffusers, picture: str, tmp_path: Path) -> None:
    mask = np.zeros((40, 56), np.uint8)
    mask[:, 28:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    made = drafts(engine, job(inputs=(picture, str(tmp_path / "mask.png")), strength=1.0))[0]
    before = np.asarray(Image.open(picture))
    assert made.payload.shape == (40, 56, 3)
    assert np.array_equal(made.payload[:, :20], before[:, :20])  # what was not painted over is untouched
    assert not np.array_equal(made.payload[:, 36:], before[:, 36:])


def test_the_components_are_shared(engine: Diffusers, picture: str) -> None:
    drafts(engine, job(inputs=(picture,)))
    assert engine._pipelines["image"].unet is engine._pipelines["text"].unet


def test_inputs_that_cannot_be(engine: Diffusers, picture: str, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match="cannot be read"):
        drafts(engine, job(inputs=(str(tmp_path / "no.png"),)))
    (tmp_path / "drawn.svg").write_text("<svg/>")
    with pytest.raises(BadInput, match="An SVG cannot be taken further"):
        drafts(engine, job(inputs=(str(tmp_path / "drawn.svg"),)))
    with pytest.raises(BadInput, match="not more"):
        drafts(engine, job(inputs=(picture,) * 3))


# --- Options ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["euler", "euler_ancestral", "dpm++_2m", "unipc", "ddim", "heun"])
def test_schedulers(engine: Diffusers, name: str) -> None:
    assert drafts(engine, job(scheduler=name))[0].payload.shape == (32, 32, 3)


def test_a_scheduler_of_another_kind_lists_those_that_work(
    engine: Diffusers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(image_pipeline.SCHEDULERS, "lcm", "FlowMatchEulerDiscreteScheduler")
    with pytest.raises(BadInput, match=r"choose one of: own, euler"):
        drafts(engine, job(scheduler="lcm"))


def test_a_lora_changes_the_picture_and_leaves_no_trace(engine: Diffusers) -> None:
    before = drafts(engine, job())[0].payload
    changed = drafts(engine, job(lora="fits"))[0].payload
    halved = drafts(engine, job(lora="fits", lora_scale=0.5))[0].payload
    assert not np.array_equal(before, changed)
    assert not np.array_equal(halved, changed)
    assert np.array_equal(before, drafts(engine, job())[0].payload)


def test_a_lora_of_another_architecture(engine: Diffusers) -> None:
    before = drafts(engine, job())[0].payload
    with pytest.raises(BadInput, match="another architecture than Tiny"):
        drafts(engine, job(lora="misfits"))
    assert np.array_equal(before, drafts(engine, job())[0].payload)


def test_a_lora_that_is_not_there(engine: Diffusers) -> None:
    with pytest.raises(NotFound, match="fits, misfits"):
        drafts(engine, job(lora="nothing"))
    for name in ("../fits", "a/b/c", ".hidden"):
        with pytest.raises(BadInput, match="named by its folder"):
            drafts(engine, job(lora=name))


def test_a_lora_of_the_hub_needs_the_hub(engine: Diffusers) -> None:
    with pytest.raises(BadInput, match="SIGNET_HUB=yes"):
        drafts(engine, job(lora="somebody/some-lora"))


def test_a_lora_file_by_its_name(engine: Diffusers, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "fits" / "tiny-lora.safetensors", checkpoints / "alone.safetensors")
    by_folder = drafts(engine, job(lora="fits"))[0].payload
    assert np.array_equal(drafts(engine, job(lora="alone.safetensors"))[0].payload, by_folder)


def test_a_lora_pulled_from_the_hub_is_kept(
    engine: Diffusers, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def pull(model: Model, settings: Settings, cache: Path, report: Any) -> None:
        asked.append(model.source["repo"])
        model.folder.mkdir()
        shutil.copy(checkpoints / "fits" / "tiny-lora.safetensors", model.folder)

    monkeypatch.setattr(image_addons, "pull_hub", pull)
    first = drafts(engine, job(lora="people/style"))[0].payload
    drafts(engine, job())
    assert np.array_equal(drafts(engine, job(lora="people/style"))[0].payload, first)
    assert asked == ["people/style"]


# --- ControlNet ---------------------------------------------------------------------------------


def test_a_controlnet_guides_the_shapes(engine: Diffusers, picture: str) -> None:
    plain = drafts(engine, job(width=56, height=40))[0].payload
    guided = drafts(engine, job(inputs=(picture,), control="guide"))[0].payload
    weaker = drafts(engine, job(inputs=(picture,), control="guide", control_scale=0.2))[0].payload
    assert guided.shape == (40, 56, 3)
    assert not np.array_equal(guided, plain) and not np.array_equal(guided, weaker)
    assert np.array_equal(drafts(engine, job(width=56, height=40))[0].payload, plain)


def test_controlnets_that_cannot_be(engine: Diffusers, picture: str) -> None:
    with pytest.raises(BadInput, match="another architecture than Tiny"):
        drafts(engine, job(inputs=(picture,), control="misguide"))
    with pytest.raises(NotFound, match="found: guide, misguide"):
        drafts(engine, job(inputs=(picture,), control="nothing"))
    with pytest.raises(NotFound, match="no ControlNet"):
        drafts(engine, job(inputs=(picture,), control="../guide"))
    with pytest.raises(BadInput, match="needs one input picture"):
        drafts(engine, job(control="guide"))


# --- From one prompt to another -----------------------------------------------------------------


def test_two_prompts_make_a_sheet_whose_ends_are_theirs(engine: Diffusers) -> None:
    one, other = drafts(engine, job())[0].payload, drafts(engine, job("a blue whale"))[0].payload
    (made,) = drafts(engine, job(to_prompt="a blue whale", frames=4))
    assert made.payload.shape == (72, 72, 3)
    assert np.array_equal(made.payload[:32, :32], one)
    assert np.array_equal(made.payload[-32:, -32:], other)
    between = made.payload[:32, -32:]
    assert not np.array_equal(between, one) and not np.array_equal(between, other)
    assert np.array_equal(drafts(engine, job())[0].payload, one)


def test_a_sheet_tells_its_progress_and_stops(engine: Diffusers) -> None:
    steps = list(engine.generate(job(to_prompt="a blue whale", frames=3)))
    fractions = [step.fraction for step in steps if isinstance(step, Progress) and step.fraction is not None]
    assert fractions == sorted(fractions) and len(fractions) == 9 and fractions[-1] <= 1
    flag = threading.Event()
    seen = []
    for step in engine.generate(job(to_prompt="a blue whale", frames=20, flag=flag)):
        seen.append(step)
        flag.set()
    assert len(seen) < 6 and not any(isinstance(step, Draft) for step in seen)


def test_asked_for_a_film_the_pictures_stay_frames(engine: Diffusers) -> None:
    sheet = drafts(engine, job(to_prompt="a blue whale", frames=4))[0].payload
    asked = job(to_prompt="a blue whale", frames=4)
    (made,) = drafts(engine, replace(asked, brief=replace(asked.brief, format=".MP4")))
    assert isinstance(made.payload, list) and len(made.payload) == 4
    assert np.array_equal(made.payload[0], sheet[:32, :32]) and np.array_equal(
        made.payload[3], sheet[-32:, -32:]
    )
    assert (made.settings["width"], made.settings["height"]) == (32, 32)


def test_films_and_sheets_that_cannot_be(engine: Diffusers) -> None:
    one = job()
    with pytest.raises(BadInput, match="from one prompt to another"):
        drafts(engine, replace(one, brief=replace(one.brief, format="mp4")))
    with pytest.raises(BadInput, match="at most 24 pictures"):
        drafts(engine, job(to_prompt="a blue whale", frames=25))


def test_a_pipeline_without_styles_mixes_none(engine: Diffusers) -> None:
    with pytest.raises(BadInput, match="knows no styles to mix"):
        drafts(engine, job(mix_style="flat"))


def test_blending_starts_from_text(engine: Diffusers, picture: str) -> None:
    with pytest.raises(BadInput, match="from text alone"):
        drafts(engine, job(to_prompt="a blue whale", inputs=(picture,)))


@pytest.mark.parametrize(
    "options",
    [{"width": 8}, {"steps": 0}, {"guidance_scale": 99}, {"strength": 0}, {"scheduler": "x"}, {"foo": 1}],
)
def test_options_out_of_range(engine: Diffusers, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        drafts(engine, job(**options))


def test_a_size_the_pipeline_cannot_make(engine: Diffusers) -> None:
    with pytest.raises(BadInput, match="divisible"):
        drafts(engine, job(width=33, height=32))


# --- Memory -------------------------------------------------------------------------------------


def test_out_of_memory_halves_the_batch(engine: Diffusers, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.engines import image_run

    sizes = []
    call = image_run._call

    def small_device(pipeline: Any, given: Any, seeds: Any, on_step: Any) -> Any:
        sizes.append(len(seeds))
        if len(seeds) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 MiB")
        return call(pipeline, given, seeds, on_step)

    planned = engine._planned
    monkeypatch.setattr(
        engine, "_planned", lambda pixels, count: replace(planned(pixels, count), batch=count)
    )
    monkeypatch.setattr(image_run, "_call", small_device)
    made = drafts(engine, job(count=4))
    assert [draft.seed for draft in made] == [5, 6, 7, 8]
    assert sizes == [4, 2, 1, 1, 1, 1]


def test_out_of_memory_for_one_picture_says_what_to_lower(
    engine: Diffusers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise RuntimeError("MPS backend out of memory")

    monkeypatch.setattr("studio.engines.image_run._call", full)
    with pytest.raises(OutOfMemory, match="lower width and height"):
        drafts(engine, job(count=2))
    monkeypatch.undo()
    assert len(drafts(engine, job(count=2))) == 2  # the next job runs


def test_another_error_is_not_taken_for_it(engine: Diffusers, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr("studio.engines.image_run._call", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        drafts(engine, job())


def test_a_model_larger_than_the_memory(checkpoints: Path) -> None:
    settings = Settings(home=checkpoints / "home", checkpoints=checkpoints, device="cpu")
    small = Diffusers(model_at(checkpoints / "tiny"), replace(cpu(), free_mb=50), settings)
    with pytest.raises(OutOfMemory, match="50 MB are free"):
        small.load()


# --- Folders from outside -----------------------------------------------------------------------


@pytest.fixture
def copied(checkpoints: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoints / "tiny", tmp_path / "copy"))


def load(folder: Path) -> None:
    settings = Settings(home=folder.parent, checkpoints=folder.parent, device="cpu")
    Diffusers(model_at(folder), cpu(), settings).load()


def test_a_missing_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="models pull tiny"):
        load(tmp_path / "nothing")


def test_weights_that_are_no_pipeline(copied: Path) -> None:
    (copied / "model_index.json").unlink()
    with pytest.raises(ModelBroken, match="no pipeline of diffusers"):
        load(copied)


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.bin", "unet/x.pt", "x.ckpt", "vae/x.pkl"])
def test_a_pickle_is_refused(copied: Path, name: str) -> None:
    (copied / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelBroken, match="a pickle"):
        load(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_class_name": ["pipeline", "Evil"]}, "pipeline code of its own"),
        ({"unet": ["os", "system"]}, "not one the studio trusts"),
        ({"unet": ["my_remote_code", "UNet"]}, "not one the studio trusts"),
        ({"_class_name": "NoSuchPipeline"}, "cannot be loaded"),
        ({"unet": ["diffusers", "NoSuchModel"]}, "cannot be loaded"),
    ],
)
def test_an_index_that_wants_other_code(copied: Path, change: dict[str, Any], words: str) -> None:
    index = copied / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(ModelBroken, match=words):
        load(copied)


def test_a_truncated_weight_file(copied: Path) -> None:
    path = next((copied / "unet").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelBroken, match="safe to load|whole safetensors"):
        load(copied)


def test_weights_that_are_missing_or_of_another_shape(copied: Path, checkpoints: Path) -> None:
    ours = next((copied / "unet").glob("*.safetensors"))
    shutil.copy(next((checkpoints / "other" / "unet").glob("*.safetensors")), ours)
    with pytest.raises(ModelBroken):
        load(copied)
    ours.unlink()
    with pytest.raises(ModelBroken):
        load(copied)


def test_importing_the_engine_does_not_import_torch() -> None:
    code = "import sys, studio.engines.image_diffusers as m; assert not {'torch', 'diffusers', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
